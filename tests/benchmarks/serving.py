"""Stored predictions over HTTP beside the same round trip that answers nothing, edges, and the exact top-k.

Run with `python -m tests.benchmarks.serving`; one line of JSON per figure.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.wire import Reply, render_reply
from tests.invocations import parse_invocation
from tests.made_artifacts import Made, make_artifact
from tests.worker_server import WorkerServer, worker_client

NODES = 20_000
CANDIDATES = 100_000
EDGES = 10_000
WIDTH = 64
BATCHES = (1, 64, 1024, 10_000)
REPEATS = 30


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as folder:
        figures = (
            *asyncio.run(round_trips(Path(folder) / "nodes")),
            edges(Path(folder) / "edges"),
            *top_k(Path(folder) / "links"),
        )
        for figure in figures:
            sys.stdout.write(json.dumps(figure) + "\n")


async def round_trips(folder: Path) -> list[dict[str, Any]]:
    """Return the median milliseconds of a batch, ours and the no-op's."""
    ids = [str(number) for number in range(NODES)]
    make_artifact(folder, Made(movies=ids, training_edges=[(0, 0)]))
    endpoint = Endpoint(WorkerConfig("e", folder, token="t"), *open_predictor(folder))
    nothing = web.Application()
    nothing.router.add_post("/invocations", _nothing)
    figures = []
    async with (
        worker_client(WorkerServer(endpoint)) as ours,
        TestClient(TestServer(nothing)) as theirs,
    ):
        for size in BATCHES:
            body = {"data": {"nodes": [{"nodeId": name} for name in ids[:size]]}}
            stored = await _median(lambda body=body: _ask(ours, body))  # type: ignore[misc]
            columns = {"data": {"globalParameters": {"columns": True}, "items": {"nodeId": ids[:size]}}}
            in_columns = await _median(lambda body=columns: _ask(ours, body))  # type: ignore[misc]
            no_op = await _median(lambda body=body: _ask(theirs, body))  # type: ignore[misc]
            figures.append(
                {
                    "benchmark": "stored predictions",
                    "items": size,
                    "ms": stored,
                    "columns_ms": in_columns,
                    "no_op_ms": no_op,
                }
            )
    endpoint.close()
    return figures


def edges(folder: Path) -> dict[str, Any]:
    """Return the milliseconds of `EDGES` edges, from a request's body to the reply's, beside the bare product."""
    ids = tuple(str(number) for number in range(1000))
    random = np.random.default_rng(0)
    shapes = {
        "nodes/0/embeddings": (len(ids), WIDTH),
        "nodes/1/embeddings": (len(ids), WIDTH),
        "decoder/hidden_weight": (3 * WIDTH, WIDTH),
        "decoder/hidden_bias": (WIDTH,),
        "decoder/output_weight": (WIDTH, 3),
    }
    arrays = {f"{name}.npy": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    make_artifact(folder, Made(Task.EDGE_CLASS, ids, ids, overrides=arrays))
    predictor = open_predictor(folder)[1]
    items = {"headNodeId": random.choice(ids, EDGES).tolist(), "tailNodeId": random.choice(ids, EDGES).tolist()}
    body = json.dumps({"data": {"globalParameters": {"columns": True}, "items": items}}).encode()

    def answer() -> bytes:
        answers = predictor.answer(parse_invocation(body), _never)
        return render_reply(Reply("e", "v", "r", answers, columns=True))

    rows, matrix = random.normal(size=(EDGES, 3 * WIDTH)), random.normal(size=(3 * WIDTH, WIDTH))
    whole, product = _time(answer), _time(lambda: rows @ matrix)
    return {"benchmark": f"edges of width {WIDTH}", "items": EDGES, "ms": whole, "float64_product_ms": product}


def top_k(folder: Path) -> list[dict[str, Any]]:
    """Return milliseconds per item of the exact top 10, beside numpy's float32 product and partition."""
    movies = [str(number) for number in range(CANDIDATES)]
    users = [str(number) for number in range(64)]
    make_artifact(folder, Made(Task.LINK_PREDICTION, users=users, movies=movies))
    predictor = open_predictor(folder)[1]
    queries = np.load(folder / "nodes/0/embeddings.npy")
    vectors = np.load(folder / "nodes/1/candidates.npy")
    figures = []
    for size in (1, 64):
        none = (None,) * size
        items = Items(heads=tuple(users[:size]), head_types=none, tail_types=none, excludes=((),) * size)
        invocation = Invocation(Mode.PREDICT_TAIL, items, topk=10)
        exact = _time(lambda invocation=invocation: predictor.answer(invocation, _never))  # type: ignore[misc]
        plain = _time(lambda size=size: np.argpartition(queries[:size] @ vectors.T, -10, axis=1))  # type: ignore[misc]
        figures.append(
            {"benchmark": f"top 10 of {CANDIDATES}", "items": size, "ms": exact / size, "float32_ms": plain / size}
        )
    return figures


async def _nothing(request: web.Request) -> web.Response:
    await request.json()
    return web.json_response({"answers": []})


async def _ask(client: TestClient[Any, Any], body: dict[str, Any]) -> None:
    async with client.post("/invocations", json=body) as answer:
        await answer.json()


async def _median(call: Callable[[], Awaitable[None]]) -> float:
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        await call()
        seconds.append(time.perf_counter() - began)
    return round(float(np.median(seconds)) * 1000, 3)


def _time(call: Callable[[], Any]) -> float:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return round(float(np.median(seconds)) * 1000, 3)


def _never() -> None:
    """No deadline."""


if __name__ == "__main__":
    main()
