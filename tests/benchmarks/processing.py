"""Time and peak memory of `process` as graphs grow, beside a bare read of the same CSV files.

Run with `python -m tests.benchmarks.processing [EDGES]…`; one line of JSON per figure, and log-log slopes. Every
figure is that of a fresh process; memory is its largest resident set.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.made_exports import made_export

SIZES = (100_000, 1_000_000, 10_000_000)
READ = "import sys, polars; frames = [polars.read_csv(name) for name in sys.argv[1:]]"
#: What is measured -> flags of `process`, and whether links are the target.
CASES = {
    "process": ((), False),
    "process, no DGL graph": (("--no-dgl-graph",), False),
    "process, link prediction": ((), True),
}


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    seconds: float
    #: Of all cores together; on a busy machine it tells more than `seconds`.
    cpu_seconds: float
    #: Largest resident set, MB.
    memory: float


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    sizes = [int(argument) for argument in arguments] or SIZES
    costs: dict[str, list[Cost]] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), size, costs)
    for name, measured in costs.items():
        if len(sizes) > 1:
            slopes = {
                f"{unit}_slope": round(_slope(sizes, [getattr(cost, unit) for cost in measured]), 2)
                for unit in ("seconds", "cpu_seconds", "memory")
            }
            _print({"benchmark": name, "edges": f"{sizes[0]} to {sizes[-1]}", **slopes})


def _measure(folder: Path, size: int, costs: dict[str, list[Cost]]) -> None:
    sources = {links: made_export(folder / f"export-{links}", size, links=links) for links in (False, True)}
    files = sorted(str(path) for path in sources[False].rglob("*.csv"))
    csv = sum(Path(name).stat().st_size for name in files) / 1e6
    commands = {"bare read": [sys.executable, "-c", READ, *files]}
    for name, (flags, links) in CASES.items():
        output = folder / name
        commands[name] = [*_process(sources[links], output), *flags]
    for name, command in commands.items():
        cost = _run(command)
        costs.setdefault(name, []).append(cost)
        _print(
            {
                "benchmark": name,
                "edges": size,
                "csv_mb": round(csv, 1),
                "seconds": round(cost.seconds, 2),
                "cpu_seconds": round(cost.cpu_seconds, 2),
                "peak_mb": round(cost.memory),
                "times_csv": round(cost.memory / csv, 2),
            }
        )


def _process(source: Path, output: Path) -> list[str]:
    command = [sys.executable, "-m", "neptuneml_plugin.cli", "process"]
    return [*command, "--input", str(source), "--output", str(output)]


def _run(command: Sequence[str]) -> Cost:
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


def _slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the steepest log-log slope between neighbouring sizes: over all, starting up would flatten it."""
    return float(np.max(np.diff(np.log(values)) / np.diff(np.log(sizes))))


def _print(figure: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
