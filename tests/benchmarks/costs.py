"""What a process of its own takes, and how that grows with its task."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    seconds: float
    #: Of all cores together; on a busy machine it tells more than `seconds`.
    cpu_seconds: float
    #: Largest resident set, MB.
    memory: float


def run(command: Sequence[str]) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(said)
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def steepest_slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the steepest log-log slope between neighbouring sizes: over all, starting up would flatten it."""
    return float(np.max(np.diff(np.log(values)) / np.diff(np.log(sizes))))


def slopes(name: str, sizes: Sequence[int], costs: Sequence[Cost]) -> dict[str, object]:
    """Return the figure that tells how the cost of something grows."""
    steepest = {
        f"{unit}_slope": round(steepest_slope(sizes, [getattr(cost, unit) for cost in costs]), 2)
        for unit in ("seconds", "cpu_seconds", "memory")
    }
    return {"benchmark": name, "edges": f"{sizes[0]} to {sizes[-1]}", **steepest}


def show(figure: dict[str, object]) -> None:
    """Print a figure as one line of JSON."""
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()
