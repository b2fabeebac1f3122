"""Two instances beside one, first requests beside later ones, repeated ones beside new ones; over real workers.

Run with `python -m tests.benchmarks.instances`; one line of JSON per figure.
"""

import asyncio
import contextlib
import itertools
import json
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
from tests.made_artifacts import Made, make_artifact

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


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as folder:
        slow, links = Path(folder) / "slow", Path(folder) / "links"
        movies = [str(number) for number in range(CANDIDATES)]
        # RotatE's score is no product: each candidate is compared by itself, in one thread.
        made = Made(Task.LINK_PREDICTION, users=USERS, movies=movies[:20_000], scores=Scores.ROTATE)
        make_artifact(slow, made)
        make_artifact(links, Made(Task.LINK_PREDICTION, users=USERS, movies=movies, overrides=_wide()))
        for figure in (
            asyncio.run(two_instances(slow)),
            asyncio.run(first_requests(links)),
            asyncio.run(repeated(links)),
        ):
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
    """Return the seconds of a request by the service's way."""
    began = time.perf_counter()
    answer = await pass_on(body(users), group, client, {})
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
    """Return the rates of one and of two instances, in turn, one request a batch."""
    async with serving(folder, max_batch=1) as one, serving(folder, max_batch=1, instances=2) as two:
        alone = float(np.median([await ask(*one, *users) for users in MANY[:20]]))
        rates = [(await rate(*one), await rate(*two)) for _ in range(ROUNDS)]
    ratios = sorted(both / single for single, both in rates)
    return {
        "benchmark": "two instances beside one",
        "request_ms": round(alone * 1000, 2),
        "one_per_second": [round(single, 1) for single, _ in rates],
        "two_per_second": [round(both, 1) for _, both in rates],
        "ratio": round(ratios[len(ratios) // 2], 2),
    }


async def first_requests(folder: Path) -> dict[str, Any]:
    """Return the first request's milliseconds after each of several starts, with warm-up and without."""
    figures: dict[str, Any] = {"benchmark": "first requests", "starts": STARTS}
    async with aiohttp.ClientSession() as client:  # warm itself: it is the workers' start that counts
        for wish in (WarmUp.NONE, WarmUp.STORED):
            figures |= await _first_and_later(folder, wish, client)
    return figures


async def _first_and_later(folder: Path, wish: WarmUp, client: aiohttp.ClientSession) -> dict[str, float]:
    firsts, later = [], []
    for _ in range(STARTS):
        async with serving(folder, warm_up=wish) as (group, _):
            firsts.append(await ask(group, client, USERS[0]))
            later += [await ask(group, client, user) for user in USERS[1 : LATER + 1]]
    median, p95 = float(np.median(later)), float(np.quantile(firsts, 0.95))
    return {
        f"{wish}_first_p95_ms": round(p95 * 1000, 2),
        f"{wish}_median_ms": round(median * 1000, 2),
        f"{wish}_later_p95_ms": round(float(np.quantile(later, 0.95)) * 1000, 2),
        f"{wish}_ratio": round(p95 / median, 2),
    }


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
    main()
