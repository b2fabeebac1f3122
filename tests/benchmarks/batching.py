"""32 clients of one worker: links in micro-batches and one by one, stored predictions beside a no-op server.

Run with `python -m tests.benchmarks.batching`; one line of JSON per figure. Asked: of links among 100,000
candidates at least 2 times as many answers as one by one, with a p99 that is no worse; among 1,682 no fewer; of
stored predictions at least .6 of what the HTTP server answers with nothing to do.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.artifacts import Task
from tests.benchmarks.http_load import Load, load
from tests.made_artifacts import Made, make_artifact

CLIENTS = 32
SECONDS = 4.0
ROUNDS = 3
WIDTH = 128
USERS = 500
TOKEN = "t"

NO_OP = """
from aiohttp import web
import sys
async def nothing(request):
    await request.read()
    return web.Response(body=b'{"answers":[[{"value":"x"}]]}', content_type="application/json")
app = web.Application()
app.router.add_post("/invocations", nothing)
async def main():
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print('{"address": "http://127.0.0.1:%d"}' % runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()
import asyncio
asyncio.run(main())
"""


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as name:
        for candidates in (100_000, 1_682):
            show(links(Path(name) / str(candidates), candidates))
        show(stored(Path(name) / "stored"))


def links(folder: Path, candidates: int) -> dict[str, Any]:
    """Return answers a second in micro-batches and one by one, in turn."""
    users = [str(number) for number in range(USERS)]
    movies = [str(number) for number in range(candidates)]
    random = np.random.default_rng(0)
    arrays = {
        "nodes/0/embeddings": (USERS, WIDTH),
        "nodes/1/embeddings": (candidates, WIDTH),
        "nodes/1/candidates": (candidates, WIDTH),
        "edges/0/relation": (WIDTH,),
    }
    overrides = {f"{name}.npy": random.normal(size=shape).astype(np.float32) for name, shape in arrays.items()}
    make_artifact(folder, Made(Task.LINK_PREDICTION, users=users, movies=movies, overrides=overrides))
    bodies = [
        json.dumps(
            {"mode": "predict_tail", "data": {"globalParameters": {"topk": 10}, "edges": [{"headNodeId": u}]}}
        )
        for u in users
    ]
    with worker(folder, max_batch=1024) as batched, worker(folder, max_batch=1) as single:
        figures = rounds([batched, single], [body.encode() for body in bodies])
    return compared(f"top 10 of {candidates} by {CLIENTS} clients", "batched", "one_by_one", figures)


def stored(folder: Path) -> dict[str, Any]:
    """Return stored predictions a second, and how often a server answers that does nothing."""
    movies = [str(number) for number in range(10_000)]
    make_artifact(folder, Made(movies=movies, training_edges=[(0, 0)]))
    bodies = [json.dumps({"data": {"nodes": [{"nodeId": name}]}}).encode() for name in movies[:500]]
    with worker(folder) as ours, process([sys.executable, "-c", NO_OP]) as no_op:
        figures = rounds([ours, no_op], bodies)
    return compared(f"one stored prediction by {CLIENTS} clients", "stored", "no_op", figures)


def rounds(addresses: Sequence[str], bodies: Sequence[bytes]) -> list[list[Load]]:
    """Load each server in turn, several times; return the figures of each."""
    figures: list[list[Load]] = [[] for _ in addresses]
    for _ in range(ROUNDS):
        for address, found in zip(addresses, figures, strict=True):
            found.append(asyncio.run(load(address, TOKEN, bodies, CLIENTS, SECONDS)))
    return figures


def compared(name: str, ours: str, theirs: str, figures: Sequence[Sequence[Load]]) -> dict[str, Any]:
    """Return the medians of both, and their ratio."""
    rates, p50s, p99s = (
        [float(np.median([getattr(one, member) for one in side])) for side in figures]
        for member in ("per_second", "p50_ms", "p99_ms")
    )
    return {
        "benchmark": name,
        f"{ours}_per_second": rates[0],
        f"{theirs}_per_second": rates[1],
        "ratio": round(rates[0] / rates[1], 2),
        "p50_ms": p50s,
        "p99_ms": p99s,
    }


@contextlib.contextmanager
def worker(folder: Path, **settings: Any) -> Iterator[str]:
    """Yield the address of a worker process."""
    line = json.dumps({"endpoint": "e", "artifact": str(folder), "token": TOKEN, **settings})
    with process([sys.executable, "-m", "neptuneml_plugin.serving.endpoint"], line) as address:
        yield address


@contextlib.contextmanager
def process(command: Sequence[str], line: str = "") -> Iterator[str]:
    """Yield the address that a process reports, which is told `line`, and end it."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        if started.stdin is None or started.stdout is None:
            raise RuntimeError("no pipes")
        started.stdin.write(line + "\n")
        started.stdin.flush()
        try:
            yield json.loads(started.stdout.readline())["address"]
        finally:
            started.terminate()


def show(figure: dict[str, Any]) -> None:
    """Print one figure."""
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
