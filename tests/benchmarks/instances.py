"""Two instances beside one, first requests beside later ones, repeated ones beside new ones; over real workers.

Run with `python -m tests.benchmarks.instances [--only PART]`; one line of JSON per figure. Beside two instances
stand two processes that do nothing but compute the same answers: what the machine's cores have to give. A first
request is compared with the later ones of the same start too (`paired_ratio`), as the machine may be busier at one
start than at another. All of them come over a connection that is there: a new one costs its client the same,
whether or not the worker has answered before.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from neptuneml_plugin.artifacts import Scores, Task
from neptuneml_plugin.config import ServiceConfig, WarmUp
from neptuneml_plugin.service.endpoints.instances import Instances
from neptuneml_plugin.service.endpoints.passing import pass_on
from neptuneml_plugin.service.endpoints.record import EndpointOptions
from neptuneml_plugin.service.endpoints.workers import Ports
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.wire import Reply, render_reply
from tests.benchmarks.inductive_worker import body as neighbourhood_of
from tests.invocations import parse_invocation
from tests.live_graph import planted_graph
from tests.made_artifacts import Made, make_artifact
from tests.training.graphs import processed, trained

PARTS = ("two", "first", "inductive", "repeated")
CANDIDATES = 100_000
WIDTH = 128
USERS = [str(number) for number in range(2000)]
#: Items of requests that take 10 ms and more.
MANY = [USERS[start : start + 20] for start in range(0, len(USERS), 20)]
CLIENTS = 8
SECONDS = 6.0
ROUNDS = 3
STARTS = 20
#: Requests of a warm worker that a first one is compared with.
LATER = 50


def main(arguments: Sequence[str] = ()) -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.instances")
    parser.add_argument("--only", choices=PARTS, help="one part, and nothing else")
    only = parser.parse_args(arguments).only
    parts = PARTS if only is None else (only,)
    with tempfile.TemporaryDirectory() as folder:
        slow, links = Path(folder) / "slow", Path(folder) / "links"
        movies = [str(number) for number in range(CANDIDATES)]
        if "two" in parts:
            # RotatE's score is no product: each candidate is compared by itself, in one thread.
            made = Made(Task.LINK_PREDICTION, users=USERS, movies=movies[:20_000], scores=Scores.ROTATE)
            make_artifact(slow, made)
            show(asyncio.run(two_instances(slow)))
        if not {"first", "repeated"}.isdisjoint(parts):
            make_artifact(links, Made(Task.LINK_PREDICTION, users=USERS, movies=movies, overrides=_wide()))
        if "first" in parts:
            asks = [body([user]) for user in USERS[: LATER + 1]]
            show({"benchmark": "first requests"} | first_requests(links, asks, (WarmUp.NONE, WarmUp.STORED)))
        if "inductive" in parts:
            asks = inductive_bodies(Path(folder))
            artifact = Path(folder) / "training" / "artifact"
            show({"benchmark": "first inductive requests"} | first_requests(artifact, asks, (WarmUp.INDUCTIVE,)))
        if "repeated" in parts:
            show(asyncio.run(repeated(links)))


def show(figure: dict[str, Any]) -> None:
    """Print one figure."""
    sys.stdout.write(json.dumps(figure) + "\n")
    sys.stdout.flush()


def _wide() -> dict[str, Any]:
    """Return embeddings as wide as models have them."""
    random = np.random.default_rng(0)
    shapes = {
        "nodes/0/embeddings.npy": (len(USERS), WIDTH),
        "nodes/1/embeddings.npy": (CANDIDATES, WIDTH),
        "nodes/1/candidates.npy": (CANDIDATES, WIDTH),
        "edges/0/relation.npy": (WIDTH,),
    }
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@contextlib.asynccontextmanager
async def serving(folder: Path, **options: Any) -> AsyncIterator[tuple[Instances, aiohttp.ClientSession]]:
    config = ServiceConfig(folder)
    group = Instances("e", folder, EndpointOptions(**options), config, Ports(config), lambda *_: None)
    try:
        await group.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            yield group, client
    finally:
        await group.stop()


def body(users: Sequence[str]) -> bytes:
    edges = [{"headNodeId": user} for user in users]
    return json.dumps({"mode": "predict_tail", "data": {"edges": edges}}).encode()


async def ask(group: Instances, client: aiohttp.ClientSession, *users: str) -> float:
    """Return the seconds of a request about users."""
    return await ask_body(group, client, body(users))


async def ask_body(group: Instances, client: aiohttp.ClientSession, asked: bytes) -> float:
    """Return the seconds of a request by the service's way."""
    began = time.perf_counter()
    answer = await pass_on(asked, group, client, {})
    if answer.status != 200:
        raise RuntimeError(answer.body.decode())
    return time.perf_counter() - began


async def rate(group: Instances, client: aiohttp.ClientSession) -> float:
    """Return the requests a second that `CLIENTS` have answered, never twice the same."""
    users, end, answered = itertools.cycle(MANY), time.perf_counter() + SECONDS, 0

    async def keep_asking() -> None:
        nonlocal answered
        while time.perf_counter() < end:
            await ask(group, client, *next(users))
            answered += 1

    await asyncio.gather(*(keep_asking() for _ in range(CLIENTS)))
    return answered / SECONDS


async def two_instances(folder: Path) -> dict[str, Any]:
    """Return the rates of one and of two instances, in turn, and of as many bare processes."""
    async with serving(folder, max_batch=1) as one, serving(folder, max_batch=1, instances=2) as two:
        alone = float(np.median([await ask(*one, *users) for users in MANY[:20]]))
        rates = [
            (
                await rate(*one),
                await rate(*two),
                await asyncio.to_thread(bare_rate, folder, 1),
                await asyncio.to_thread(bare_rate, folder, 2),
            )
            for _ in range(ROUNDS)
        ]
    single, both, bare, bares = (np.array(column) for column in zip(*rates, strict=True))
    return {
        "benchmark": "two instances beside one",
        "request_ms": round(alone * 1000, 2),
        "one_per_second": single.round(1).tolist(),
        "two_per_second": both.round(1).tolist(),
        "ratio": round(float(np.median(both / single)), 2),
        "bare_one_per_second": bare.round(1).tolist(),
        "bare_two_per_second": bares.round(1).tolist(),
        "bare_ratio": round(float(np.median(bares / bare)), 2),
    }


def bare_rate(folder: Path, processes: int) -> float:
    """Return the requests a second that so many processes compute, each by itself, without a service."""
    spawned = multiprocessing.get_context("spawn")
    ready, counts = spawned.Barrier(processes), spawned.SimpleQueue()
    started = [spawned.Process(target=_compute, args=(folder, ready, counts)) for _ in range(processes)]
    for process in started:
        process.start()
    answered = sum(counts.get() for _ in started)
    for process in started:
        process.join()
    return float(answered / SECONDS)


def _compute(folder: Path, ready: Any, counts: Any) -> None:
    """Answer, from body to reply, for `SECONDS` from when all are ready; tell how often."""
    predictor, answered = open_predictor(folder)[1], 0
    invocations = itertools.cycle([parse_invocation(body(users)) for users in MANY])
    predictor.answer(next(invocations), _never)
    ready.wait()
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        answers = predictor.answer(next(invocations), _never)
        render_reply(Reply("e", "v", "r", answers))
        answered += 1
    counts.put(answered)


def _never() -> None:
    """No deadline."""


def inductive_bodies(folder: Path) -> list[bytes]:
    """Train a small model below a folder; return requests that bring the neighbourhood of one vertex each."""
    trained(
        processed(folder, Task.NODE_CLASS, nodes=300, values={"num-epochs": 1, "num-hidden": 64}),
        folder / "training",
    )
    graph = planted_graph(folder / "export")
    return [neighbourhood_of(graph, [f"item-{number}"], 10) for number in range(LATER + 1)]


def first_requests(folder: Path, asks: Sequence[bytes], wishes: Sequence[WarmUp]) -> dict[str, Any]:
    """Return the first request's milliseconds after each of several starts, beside those of later ones.

    Args:
        folder: the artifact.
        asks: bodies; the first one comes first after each start.
        wishes: how the workers are warmed up, one after the other.
    """

    async def measured() -> dict[str, Any]:
        figures: dict[str, Any] = {"starts": STARTS}
        async with aiohttp.ClientSession() as client:  # a warm one: it is the workers' start that counts
            for wish in wishes:
                figures |= await _first_and_later(folder, asks, wish, client)
        return figures

    return asyncio.run(measured())


async def _first_and_later(
    folder: Path, asks: Sequence[bytes], wish: WarmUp, client: aiohttp.ClientSession
) -> dict[str, float]:
    firsts, later, paired = [], [], []
    for _ in range(STARTS):
        async with serving(folder, warm_up=wish) as (group, _):
            await _connect(group, client)
            firsts.append(await ask_body(group, client, asks[0]))
            those = [await ask_body(group, client, each) for each in asks[1:]]
            paired.append(firsts[-1] / float(np.median(those)))
            later += those
    median, p95 = float(np.median(later)), float(np.quantile(firsts, 0.95))
    return {
        f"{wish}_first_p95_ms": round(p95 * 1000, 2),
        f"{wish}_first_median_ms": round(float(np.median(firsts)) * 1000, 2),
        f"{wish}_median_ms": round(median * 1000, 2),
        f"{wish}_later_p95_ms": round(float(np.quantile(later, 0.95)) * 1000, 2),
        f"{wish}_ratio": round(p95 / median, 2),
        f"{wish}_paired_ratio": round(float(np.quantile(paired, 0.95)), 2),
    }


async def _connect(group: Instances, client: aiohttp.ClientSession) -> None:
    """Open the connection to the one worker."""
    (worker,) = group.workers
    if worker.running is None:
        raise RuntimeError("the worker does not run")
    async with client.get(f"{worker.running.address}/health") as answer:
        await answer.read()


async def repeated(folder: Path) -> dict[str, Any]:
    """Return the milliseconds of a new request and of the same again, in turn."""
    async with serving(folder, cache_mib=64) as running:
        new, again = [], []
        for user in USERS[:100]:
            new.append(await ask(*running, user))
            again.append(await ask(*running, user))
    new_ms, again_ms = (float(np.median(seconds)) * 1000 for seconds in (new, again))
    return {
        "benchmark": f"repeated request, {CANDIDATES} candidates",
        "new_ms": round(new_ms, 2),
        "again_ms": round(again_ms, 2),
        "ratio": round(new_ms / again_ms, 1),
    }


if __name__ == "__main__":
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # of the bare processes, as of workers
    main(sys.argv[1:])
