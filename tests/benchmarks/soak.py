"""Ten minutes near the peak rate, with updates and killed workers: every answer is right, and nothing grows.

Run with `python -m tests.benchmarks.soak [--seconds 600]`; one line of JSON. Two artifacts predict numbers that
tell the version and the vertex, so that an answer of the wrong one, or mixed from both, is seen. The peak is what
the same clients get just before, the median of three turns, and again afterwards, as machines change. Asked: no
wrong answer, no error whatever was killed, and memory that does not grow.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import numpy.typing as npt
import psutil

from neptuneml_plugin.artifacts import Task
from tests.made_artifacts import Made, make_artifact
from tests.running_service import RunningService, eventually_async, running_service

VERTICES = 10_000
#: Added to the row of a vertex, by version: what it is predicted to be.
OFFSETS = (0, 1_000_000)
ITEMS = 4
CLIENTS = 16
#: How often the peak is measured before.
PEAK_TURNS = 3
INSTANCES = 2
SHARE_OF_PEAK = 0.8
ENDPOINT = "e"


@dataclass(frozen=True)
class Plan:
    """What is done meanwhile, in seconds."""

    seconds: float = 600.0
    update_every: float = 30.0
    kill_every: float = 60.0
    sample_every: float = 5.0
    #: How long the peak rate is measured in each turn.
    peak: float = 10.0
    #: How long a version before the newest stays.
    pin: float = 10.0
    #: Updates that it goes on for beyond its time, ten times as long at most, as on a machine with other work.
    least_updates: int = 0


@dataclass
class Seen:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    updates: int = 0
    kills: int = 0
    #: Minutes since the beginning, MiB of the service, MiB of its largest worker, and the service's open files.
    samples: list[tuple[float, float, float, int]] = field(default_factory=list)


def main(arguments: Sequence[str] = ()) -> int:
    """Print the figure; return 1 where an answer was wrong or missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak")
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    plan = Plan(seconds=parser.parse_args(arguments).seconds)
    with tempfile.TemporaryDirectory() as folder:
        figure = soak(Path(folder), plan)
    sys.stdout.write(json.dumps(figure) + "\n")
    return 1 if figure["wrong"] or figure["errors"] else 0


def soak(root: Path, plan: Plan) -> dict[str, Any]:
    """Run the plan over a data root of its own; return what was seen."""
    versions = {_made(root / str(number), offset): offset for number, offset in enumerate(OFFSETS)}
    with running_service(root, pin_seconds=plan.pin) as service:
        return asyncio.run(_Soak(root, plan, service, versions).run())


def _made(folder: Path, offset: int) -> str:
    """Make an artifact whose predictions are the rows and an offset; return its version."""
    predictions = (np.arange(VERTICES) + offset).astype(np.float32).reshape(-1, 1)
    movies = [str(row) for row in range(VERTICES)]
    overrides = {"nodes/1/predictions.npy": predictions}
    made = Made(Task.NODE_REGRESSION, movies=movies, training_edges=[(0, 0)], overrides=overrides)
    return make_artifact(folder, made).version


class _Soak:
    def __init__(self, root: Path, plan: Plan, service: RunningService, versions: dict[str, int]) -> None:
        self._root, self._plan, self._service, self._versions = root, plan, service, versions
        self._random = random.Random(0)
        self._seen = Seen()

    async def run(self) -> dict[str, Any]:
        async with self._session() as self._client:
            await self._serve(0, update=False)
            peaks = [await self._load(self._plan.peak, None) for _ in range(PEAK_TURNS)]
            before, self._seen = self._seen, Seen()
            wanted = float(np.median(peaks)) * SHARE_OF_PEAK
            self._began = time.perf_counter()
            beside = [
                asyncio.create_task(every(seconds, job))
                for seconds, job in (
                    (self._plan.update_every, self._update),
                    (self._plan.kill_every, self._kill),
                    (self._plan.sample_every, self._sample),
                )
            ]
            reached = await self._load(self._plan.seconds, wanted)
            for task in beside:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*beside)  # raises what one of them has failed with
            left = await self._settled()
            during, self._seen = self._seen, Seen()
            afterwards = await self._load(self._plan.peak, None)
        wrong = [*before.wrong, *during.wrong, *self._seen.wrong]
        return {
            "benchmark": f"{self._plan.seconds:.0f} s at {SHARE_OF_PEAK} of the peak",
            "wrong": len(wrong),
            "examples": wrong[:3],
            "errors": dict(before.errors + during.errors + self._seen.errors),
            "peaks_per_second": [round(rate, 1) for rate in peaks],
            "wanted_per_second": round(wanted, 1),
            "per_second": round(reached, 1),
            "peak_afterwards_per_second": round(afterwards, 1),
            **_told(during),
            "workers_left": left,
        }

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession(
            self._service.url, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(60)
        ) as client:
            yield client

    async def _load(self, seconds: float, rate: float | None) -> float:
        """Ask for so long, at a rate or as fast as answers come; return the answers a second."""
        began = time.perf_counter()
        before = len(self._seen.seconds)
        await asyncio.gather(*(self._keep_asking(number, began, seconds, rate) for number in range(CLIENTS)))
        return (len(self._seen.seconds) - before) / (time.perf_counter() - began)

    async def _keep_asking(self, number: int, began: float, seconds: float, rate: float | None) -> None:
        interval = 0.0 if rate is None else CLIENTS / rate
        due = began + interval * number / CLIENTS
        while (now := time.perf_counter()) < began + seconds or (rate is not None and self._is_early(now - began)):
            if now < due:
                await asyncio.sleep(due - now)
            await self._ask()
            due = max(due + interval, time.perf_counter() - 1.0)  # who is late catches up with a second at most

    def _is_early(self, elapsed: float) -> bool:
        return self._seen.updates < self._plan.least_updates and elapsed < 10 * self._plan.seconds

    async def _ask(self) -> None:
        rows = self._random.sample(range(VERTICES), ITEMS)
        body = {"data": {"nodes": [{"nodeId": str(row)} for row in rows]}}
        began = time.perf_counter()
        try:
            async with self._client.post(f"/endpoints/{ENDPOINT}/invocations", json=body) as answer:
                told = await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._seen.errors[type(error).__name__] += 1
            return
        if answer.status != 200:
            self._seen.errors[f"{answer.status} {told['code']}: {told['message']}"] += 1
            return
        self._seen.seconds.append(time.perf_counter() - began)
        judge(self._seen, rows, told, self._versions)

    async def _update(self) -> None:
        await self._serve((self._seen.updates + 1) % len(OFFSETS), update=True)
        self._seen.updates += 1

    async def _serve(self, number: int, *, update: bool) -> None:
        """Create or update the endpoint, and wait until it is of that version."""
        body = {"id": ENDPOINT, "artifactLocation": str(self._root / str(number)), "instanceCount": INSTANCES}
        async with self._client.post("/ml/endpoints", json=body | {"update": update}) as answer:
            if answer.status != 200:
                raise RuntimeError(await answer.text())
        wanted = [*self._versions][number]
        while True:
            async with self._client.get(f"/ml/endpoints/{ENDPOINT}") as answer:
                told = await answer.json()
            if told["status"] == "Failed" or told["endpoint"].get("failureReason"):
                raise RuntimeError(str(told))
            if (told["status"], told["version"]) == ("InService", wanted):
                return
            await asyncio.sleep(0.1)

    async def _kill(self) -> None:
        """Kill any worker: of the newest version or of one before, in service or just being started."""
        self._random.choice(self._service.workers()).kill()
        self._seen.kills += 1

    async def _sample(self) -> None:
        service = psutil.Process(self._service.process.pid)
        workers = [0.0]
        for worker in self._service.workers():
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                workers.append(worker.memory_full_info().uss / 2**20)
        minutes = (time.perf_counter() - self._began) / 60
        self._seen.samples.append(
            (minutes, service.memory_full_info().uss / 2**20, max(workers), service.num_fds())
        )

    async def _settled(self) -> int:
        """Return how many workers are left once all versions but the newest have gone."""
        with contextlib.suppress(TimeoutError):
            await eventually_async(lambda: len(self._service.workers()) == INSTANCES, self._plan.pin + 60)
        return len(self._service.workers())


def _told(seen: Seen) -> dict[str, Any]:
    p50, p99 = np.percentile(np.array(seen.seconds) * 1000, [50, 99])
    minutes, *columns = np.array(seen.samples).T
    service, worker, files = (growth(minutes, column) for column in columns)
    return {
        "requests": len(seen.seconds) + sum(seen.errors.values()),
        "by_version": dict(seen.versions),
        "updates": seen.updates,
        "kills": seen.kills,
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "max_ms": round(max(seen.seconds) * 1000, 2),
        "service_mib": service,
        "largest_worker_mib": worker,
        "service_files": files,
    }


def growth(minutes: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return a quantity's medians at both ends, and the slope of a line through it once it has settled.

    Args:
        minutes: when it was looked at, ascending, twice at least; the first fifth of them settles.
        values: what it was.
    """
    fifth = max(1, len(values) // 5)
    settled = slice(min(fifth, len(values) - 2), None)
    slope = np.polyfit(minutes[settled], values[settled], 1)[0]
    return {
        "begins": round(float(np.median(values[:fifth])), 1),
        "ends": round(float(np.median(values[-fifth:])), 1),
        "per_minute": round(float(slope), 3),
    }


def judge(seen: Seen, rows: Sequence[int], told: Mapping[str, Any], offsets: Mapping[str, int]) -> None:
    """Note whether an answer is what its version predicts of these vertices."""
    version = told["artifactVersion"]
    seen.versions[version] += 1
    expected = [[{"value": float(row + offsets[version])}] for row in rows]
    if told["answers"] != expected:
        seen.wrong.append(f"{told['answers']} in place of {expected}")


async def every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    """Do a job again and again, first after `seconds`, for ever."""
    due = time.monotonic()
    while True:
        due += seconds
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await job()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
