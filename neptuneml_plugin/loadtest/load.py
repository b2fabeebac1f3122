"""A load: users who come one after the other, each asking again as soon as it has its answer."""

import asyncio
import itertools
import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from neptuneml_plugin.loadtest.clients import Client
from neptuneml_plugin.loadtest.figures import Part, Sample, part, percentile

#: Steps that the time is cut into while users come, at most, and how short they may be.
RAMP_STEPS = 10
SHORTEST_STEP_SECONDS = 1.0
#: How often the limits are looked at, and the time that is looked at each time.
LOOK_SECONDS = 0.25
LOOKED_AT_SECONDS = 1.0
#: Answers that a p99 must at least be of, to be judged.
FEWEST_JUDGED = 10
#: A user whose request has failed waits this long.
AFTER_ERROR_SECONDS = 0.1
#: A rate is steady where it differs by this share at most from that of the time before, each so long.
STEADY_WITHIN = 0.05
STEADY_SECONDS = 1.0


@dataclass(frozen=True)
class Load:
    """Who asks, for how long, and when it is enough."""

    users: int = 32
    #: Users that come each second; 0: all at once.
    spawn_rate: float = 0.0
    #: How long all of them ask.
    duration_seconds: float = 10.0
    #: p99 of a second beyond which the load is stopped.
    max_p99_ms: float | None = None
    #: Requests that fail beyond which the load is stopped.
    max_errors: int | None = None

    @property
    def ramp_seconds(self) -> float:
        """How long it takes until all users are there."""
        return (self.users - 1) / self.spawn_rate if self.spawn_rate > 0 else 0.0

    @property
    def seconds(self) -> float:
        """How long it lasts unless it is stopped."""
        return self.ramp_seconds + self.duration_seconds

    def begins(self, user: int) -> float:
        """Return when a user comes, of those counted from 0."""
        return user / self.spawn_rate if self.spawn_rate > 0 else 0.0

    def present(self, seconds: float) -> int:
        """Return how many users are there after some seconds."""
        if self.spawn_rate <= 0:
            return self.users
        return min(self.users, math.floor(seconds * self.spawn_rate + 1e-9) + 1)


@dataclass(frozen=True)
class Seen:
    """What a load saw."""

    parts: tuple[Part, ...]
    stopped: str | None = None


async def run_load(client: Client, bodies: Sequence[bytes], load: Load, *, until_steady: bool = False) -> Seen:
    """Put the load on a client and return what was seen.

    Args:
        client: asks.
        bodies: what is asked, in turn.
        load: who asks, and for how long.
        until_steady: end it as soon as the rate stays the same.
    """
    running = _Running(client, bodies, load, until_steady=until_steady)
    users = [asyncio.create_task(running.user(number)) for number in range(load.users)]
    try:
        stopped = await running.watch()
        elapsed = running.elapsed
    finally:
        for task in users:
            task.cancel()
        ended = await asyncio.gather(*users, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result
    return Seen(parts(running.samples, load, elapsed), stopped)


class _Running:
    """A load while it lasts; samples are in the order of their ends."""

    def __init__(self, client: Client, bodies: Sequence[bytes], load: Load, *, until_steady: bool) -> None:
        self.samples: list[Sample] = []
        self._client, self._load, self._until_steady = client, load, until_steady
        self._bodies = itertools.cycle(bodies)
        self._failed = 0
        self._began = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    async def user(self, number: int) -> None:
        """Ask, until cancelled."""
        await asyncio.sleep(self._load.begins(number))
        while True:
            began = time.perf_counter()
            error = await self._client.ask(next(self._bodies))
            ended = time.perf_counter()
            self.samples.append(Sample(ended - self._began, ended - began, error))
            if error is not None:
                self._failed += 1
                await asyncio.sleep(AFTER_ERROR_SECONDS)

    async def watch(self) -> str | None:
        """Return at the end, or with the reason when a limit is passed."""
        while (left := self._load.seconds - self.elapsed) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            reason = self._reason()
            if reason is not None or (self._until_steady and is_steady(self.samples, self.elapsed)):
                return reason
        return None

    def _reason(self) -> str | None:
        limits = self._load
        if limits.max_errors is not None and self._failed > limits.max_errors:
            return f"{self._failed:,} errors are more than {limits.max_errors:,}"
        if limits.max_p99_ms is None:
            return None
        since = bisect_left(self.samples, self.elapsed - LOOKED_AT_SECONDS, key=_ended)
        recent = sorted(sample.seconds for sample in self.samples[since:] if sample.error is None)
        if len(recent) < FEWEST_JUDGED:
            return None
        p99 = 1000 * percentile(recent, 0.99)
        return f"p99 of {p99:.1f} ms is more than {limits.max_p99_ms:g}" if p99 > limits.max_p99_ms else None


def is_steady(samples: Sequence[Sample], now: float) -> bool:
    """Return whether as many requests have ended lately as in the time before, nearly.

    Args:
        samples: ascending by their ends.
        now: seconds since the load began.
    """
    if now < 2 * STEADY_SECONDS:
        return False
    low, middle = (bisect_left(samples, now - back * STEADY_SECONDS, key=_ended) for back in (2, 1))
    earlier, later = middle - low, len(samples) - middle
    return earlier > 0 and abs(later - earlier) <= STEADY_WITHIN * earlier


def parts(samples: Sequence[Sample], load: Load, elapsed: float) -> tuple[Part, ...]:
    """Return the parts of the time: while users came, and when all were there.

    Args:
        samples: ascending by their ends.
        load: what it was.
        elapsed: how long it lasted, which is shorter where it was stopped.
    """
    found = []
    for low, high in itertools.pairwise(_edges(load, elapsed)):
        within = samples[bisect_right(samples, low, key=_ended) : bisect_right(samples, high, key=_ended)]
        found.append(part(within, load.present(high), high - low))
    return tuple(found)


def _edges(load: Load, elapsed: float) -> list[float]:
    """Return where parts begin and end, which is the same for the same load until it is stopped."""
    count = min(RAMP_STEPS, math.floor(load.ramp_seconds / SHORTEST_STEP_SECONDS))
    ramp = [load.ramp_seconds * part / count for part in range(count + 1)] if count else [load.ramp_seconds]
    reached = [edge for edge in ramp if edge < elapsed]
    return [*(reached or [0.0]), elapsed]


def _ended(sample: Sample) -> float:
    return sample.ended
