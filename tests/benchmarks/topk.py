"""The exact top 10 of 100,000 candidates of width 128 beside torch's product and topk, and memory at 1,000,000.

Run with `python -m tests.benchmarks.topk`; one line of JSON per figure. Asked: at most 1.2 times what torch takes,
for one query and for 32, in float32, one thread each, in turn; and at 1,000,000 no more memory of its own than for
the scores of a bare product, which are 122 MiB (what is mapped from files, the operating system may drop).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.serving.predict import open_predictor
from neptuneml_plugin.serving.wire import Invocation, Items, Mode
from tests.made_artifacts import Made, make_artifact

WIDTH = 128
QUERIES = (1, 32)
ROUNDS = 41
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Print every figure, each measured in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        for what, candidates in (("times", 100_000), ("memory", 1_000_000)):
            folder = Path(name) / what
            make(folder, candidates)
            command = [sys.executable, "-m", "tests.benchmarks.topk", what, str(folder)]
            subprocess.run(command, env=os.environ | ONE_THREAD, check=True)


def make(folder: Path, candidates: int) -> None:
    """Write a link prediction of `candidates` movies."""
    random = np.random.default_rng(0)
    users, movies = ([str(number) for number in range(size)] for size in (max(QUERIES), candidates))
    arrays = {
        "nodes/0/embeddings.npy": random.normal(size=(len(users), WIDTH)),
        "nodes/1/candidates.npy": random.normal(size=(candidates, WIDTH)),
        "edges/0/relation.npy": random.normal(size=WIDTH),
    }
    overrides = {file: array.astype(np.float32) for file, array in arrays.items()}
    make_artifact(folder, Made(Task.LINK_PREDICTION, users=users, movies=movies, overrides=overrides))


def times(folder: Path) -> None:
    """Print milliseconds of a batch, ours and torch's."""
    import torch  # not beside what memory is measured of

    torch.set_num_threads(1)
    predictor = open_predictor(folder)[1]
    users, vectors = (
        torch.from_numpy(np.load(folder / f"nodes/{name}.npy")) for name in ("0/embeddings", "1/candidates")
    )
    for size in QUERIES:
        asked, queries = invocation(size), users[:size]
        ours, bare = medians(
            lambda asked=asked: predictor.answer(asked, lambda: None),  # type: ignore[misc]
            lambda queries=queries: torch.topk(queries @ vectors.T, 10),  # type: ignore[misc]
        )
        show(
            {"benchmark": "top 10 of 100,000", "queries": size, "ms": ours, "torch_ms": bare, "ratio": ours / bare}
        )


def memory(folder: Path) -> None:
    """Print what memory answers take beside what is mapped, and their milliseconds."""
    predictor = open_predictor(folder)[1]
    for size in QUERIES:
        (milliseconds,) = medians(lambda size=size: predictor.answer(invocation(size), lambda: None), rounds=5)  # type: ignore[misc]
        peak, mapped = mebibytes("VmHWM"), mebibytes("RssFile")
        show(
            {
                "benchmark": "top 10 of 1,000,000",
                "queries": size,
                "ms": milliseconds,
                "peak_mib": peak,
                "mapped_mib": mapped,
                "own_mib": peak - mapped,
            }
        )


def invocation(size: int) -> Invocation:
    """Return what asks for the 10 best movies of some users."""
    none, users = (None,) * size, tuple(str(number) for number in range(size))
    return Invocation(
        Mode.PREDICT_TAIL, Items(heads=users, head_types=none, tail_types=none, excludes=((),) * size), topk=10
    )


def medians(*calls: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """Return the median milliseconds of calls that take turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, taken in zip(calls, seconds, strict=True):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
    return [round(float(np.median(taken)) * 1000, 2) for taken in seconds]


def mebibytes(name: str) -> int:
    """Return a line of this process's memory as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:")) >> 10


def show(figure: dict[str, Any]) -> None:
    """Print one figure."""
    sys.stdout.write(
        json.dumps({key: round(value, 2) if isinstance(value, float) else value for key, value in figure.items()})
        + "\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        {"times": times, "memory": memory}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
