"""The best ten of many candidates by an approximate index beside all of them: time, recall, and what it costs.

Run with `python -m tests.benchmarks.approximate`; one line of JSON per figure. Candidates of width 64 lie about
500 centres. Milliseconds are of one query in one thread, the median of 64. The second index of each size is mapped
by another worker than the one that has made it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import Index
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.memory import own_bytes
from neptuneml_plugin.serving.opening import open_predictor
from tests.made_artifacts import Made, make_artifact

WIDTH, CENTRES, SPREAD = 64, 500, 0.5
CANDIDATES = (20_000, 100_000, 1_000_000)
QUERIES = 64
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def main() -> None:
    """Print every figure, each measured in a process of its own."""
    for candidates in CANDIDATES:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name), candidates)
            for index in (*Index, Index.FAISS):
                command = [sys.executable, "-m", "tests.benchmarks.approximate", name, index]
                subprocess.run(command, env=os.environ | ONE_THREAD, check=True)


def make(folder: Path, candidates: int) -> None:
    """Write a link prediction of `candidates` movies and a few hundred users."""
    users, movies = ([str(number) for number in range(count)] for count in (300, candidates))
    overrides = {
        "nodes/0/embeddings.npy": clustered(len(users), 1),
        "nodes/1/candidates.npy": clustered(candidates, 2),
        "nodes/1/embeddings.npy": np.zeros((candidates, 1), np.float32),
        "edges/0/relation.npy": np.ones(WIDTH, np.float32),
        "edges/0/target_bias.npy": np.zeros(candidates, np.float32),
    }
    make_artifact(folder, Made(Task.LINK_PREDICTION, users=users, movies=movies, overrides=overrides))


def clustered(count: int, seed: int) -> Any:
    """Return vectors about the same centres, whatever the seed."""
    random, centres = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(CENTRES, WIDTH))
    around = SPREAD * random.normal(size=(count, WIDTH))
    return (centres[random.integers(0, CENTRES, count)] + around).astype(np.float32)


def measure(folder: Path, index: Index) -> None:
    """Print what opening and answering take."""
    before, began = own_bytes(), time.perf_counter()
    manifest, predictor = open_predictor(folder, index=index, indices=folder / "indices")
    seconds, mebibytes = time.perf_counter() - began, (own_bytes() - before) >> 20
    taken = []
    for number in range(QUERIES):
        items = Items(heads=(str(number),), head_types=(None,), tail_types=(None,), excludes=((),))
        began = time.perf_counter()
        predictor.answer(Invocation(Mode.PREDICT_TAIL, items, topk=10), lambda: None)
        taken.append(time.perf_counter() - began)
    figure = {
        "benchmark": f"top 10 of {manifest.schema.nodes[1].count:,}",
        "index": [each.kind for each in predictor.indices] or index,
        "ms": round(float(np.median(taken)) * 1000, 2),
        "recall": [each.recall for each in predictor.indices] or 1.0,
        "open_seconds": round(seconds, 1),
        "open_mib": mebibytes,
    }
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), Index(sys.argv[2]))
    else:
        main()
