"""How soon a trial trains: beside importing torch and dgl alone (target: at most 1.3 times that).

Run `python -m tests.benchmarks.trial_start`. A trial is a whole process: imports, a small graph read, one epoch of
one step, metrics, weights written.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.training.search.trial import TrialRequest
from tests.training.graphs import processed

BARE = "import neptuneml_plugin.training, torch, neptuneml_plugin.dgl_graph"
ROUNDS = 7
TARGET = 1.3


def seconds(command: list[str]) -> float:
    """Return how long a process takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.PIPE)
    return time.perf_counter() - started


def main() -> None:
    """Print both medians and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        source = processed(Path(folder), Task.NODE_CLASS, nodes=90)
        trial = Path(folder) / "trial"
        values = {"num-hidden": 16, "num-epochs": 1}
        TrialRequest(0, str(source), "rgcn", {"metric": "acc"}, values, 0, 1, 60.0).write(trial)
        ours = [sys.executable, "-c", _script(trial)]
        theirs = [sys.executable, "-c", BARE]
        pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    trial_seconds, bare_seconds = (statistics.median(side) for side in zip(*pairs, strict=True))
    sys.stdout.write(
        f"one trial {trial_seconds:.2f} s   import torch, dgl {bare_seconds:.2f} s   "
        f"ratio {trial_seconds / bare_seconds:.2f} (target {TARGET})\n"
    )


def _script(trial: Path) -> str:
    return (
        "from pathlib import Path; from neptuneml_plugin.training.search.trial import run_trial; "
        f"run_trial(Path({str(trial)!r}))"
    )


if __name__ == "__main__":
    main()
