"""The exact top 10 of 100,000 candidates of width 128 beside bare torch, and memory at 1,000,000.

Run with `python -m tests.benchmarks.topk`; one line of JSON per figure, for products and for the distances of
TransE (L1 and L2) and RotatE. Torch does what its user would write: a product, `cdist`, or the moduli of complex
differences (in blocks of candidates, as they would not fit otherwise), and `topk`. Asked: at most 1.2 times what
torch takes, for one query and for 32, in float32, one thread each, in turn; and at 1,000,000 no more memory of its
own than for the scores of a bare product, which are 122 MiB (what is mapped from files, the operating system may
drop).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import Scores, Task
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from tests.made_artifacts import Made, make_artifact

WIDTH = 128
QUERIES = (1, 32)
#: Products take little time and vary; distances take a hundred times as much.
ROUNDS = {Scores.PRODUCT: 41, Scores.TRANSE: 21, Scores.TRANSE_L2: 21, Scores.ROTATE: 3}
#: Candidates whose complex differences from all queries torch holds at once.
TORCH_BLOCK = 1 << 12
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Print every figure, each measured in a process of its own."""
    for scores in ROUNDS:
        for what, candidates in (("times", 100_000), ("memory", 1_000_000)):
            with tempfile.TemporaryDirectory() as name:
                make(Path(name), candidates, scores)
                command = [sys.executable, "-m", "tests.benchmarks.topk", what, name, scores]
                subprocess.run(command, env=os.environ | ONE_THREAD, check=True)


def make(folder: Path, candidates: int, scores: Scores) -> None:
    """Write a link prediction of `candidates` movies."""
    random = np.random.default_rng(0)
    users, movies = ([str(number) for number in range(size)] for size in (max(QUERIES), candidates))
    arrays = {
        "nodes/0/embeddings.npy": random.normal(size=(len(users), WIDTH)),
        "nodes/1/candidates.npy": random.normal(size=(candidates, WIDTH)),
        "edges/0/relation.npy": random.normal(size=WIDTH // 2 if scores is Scores.ROTATE else WIDTH),
    }
    overrides = {file: array.astype(np.float32) for file, array in arrays.items()}
    make_artifact(
        folder, Made(Task.LINK_PREDICTION, users=users, movies=movies, scores=scores, overrides=overrides)
    )


def times(folder: Path, scores: Scores) -> None:
    """Print milliseconds of a batch, ours and torch's."""
    import torch  # not beside what memory is measured of

    torch.set_num_threads(1)
    predictor = open_predictor(folder)[1]
    users, vectors = (
        torch.from_numpy(np.load(folder / f"nodes/{name}.npy")) for name in ("0/embeddings", "1/candidates")
    )
    for size in QUERIES:
        ask = partial(predictor.answer, invocation(size), lambda: None)
        ours, torchs = medians(ask, bare(scores, users[:size], vectors), rounds=ROUNDS[scores])
        show(
            {
                "benchmark": "top 10 of 100,000",
                "scores": scores,
                "queries": size,
                "ms": ours,
                "torch_ms": torchs,
                "ratio": ours / torchs,
            }
        )


def bare(scores: Scores, queries: Any, vectors: Any) -> Callable[[], Any]:
    """Return what a user of torch would write."""
    import torch

    if scores is Scores.PRODUCT:
        return lambda: torch.topk(queries @ vectors.T, 10)
    if scores in {Scores.TRANSE, Scores.TRANSE_L2}:
        norm = 1 if scores is Scores.TRANSE else 2
        return lambda: torch.topk(torch.cdist(queries, vectors, p=norm), 10, largest=False)
    asked, complexes = (torch.complex(*each.chunk(2, dim=1)) for each in (queries, vectors))

    def nearest() -> Any:
        blocks = [(block - asked[:, None]).abs().sum(2) for block in torch.split(complexes, TORCH_BLOCK)]
        return torch.topk(torch.cat(blocks, 1), 10, largest=False)

    return nearest


def memory(folder: Path, scores: Scores) -> None:
    """Print what memory answers take beside what is mapped, and their milliseconds."""
    predictor = open_predictor(folder)[1]
    for size in QUERIES:
        (milliseconds,) = medians(partial(predictor.answer, invocation(size), lambda: None), rounds=1)
        peak, mapped = mebibytes("VmHWM"), mebibytes("RssFile")
        show(
            {
                "benchmark": "top 10 of 1,000,000",
                "scores": scores,
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


def medians(*calls: Callable[[], Any], rounds: int) -> list[float]:
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
        {"times": times, "memory": memory}[sys.argv[1]](Path(sys.argv[2]), Scores(sys.argv[3]))
    else:
        main()
