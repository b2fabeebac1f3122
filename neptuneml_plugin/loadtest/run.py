"""A load test: every configuration under the same load, the one to recommend, and that one measured again.

What a machine gives moves by itself, over seconds and over minutes: other processes, and other guests of the same
host, take time and caches. So each configuration is measured in several turns apart from each other, forward
through the list and back again, and its figures are those of all its turns.
"""

import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from neptuneml_plugin.loadtest.choosing import (
    Configuration,
    Confirmation,
    Measurement,
    Row,
    Wanted,
    choose,
    row,
)
from neptuneml_plugin.loadtest.clients import Address, Client
from neptuneml_plugin.loadtest.figures import step
from neptuneml_plugin.loadtest.load import Load, Seen, run_load
from neptuneml_plugin.loadtest.workers import running_workers
from neptuneml_plugin.stage import Progress, part_of

#: Load that goes before each turn, uncounted, until its rate is steady; so long at most.
WARM_UP_SECONDS = 5.0


@dataclass(frozen=True)
class Subject:
    """What is tested: an endpoint as it is served, or an artifact in several configurations."""

    name: str
    #: Where an endpoint is asked; empty: workers of the test's own are started.
    addresses: tuple[Address, ...] = ()
    #: Processes behind these.
    instances: int = 1
    artifact: Path | None = None
    configurations: tuple[Configuration, ...] = ()

    @property
    def variants(self) -> tuple[Configuration | None, ...]:
        """What is measured; None: as it is served."""
        return (None,) if self.addresses else self.configurations


@dataclass(frozen=True)
class Settings:
    """How it is tested."""

    load: Load
    wanted: Wanted
    #: How often each configuration is measured, and the recommended one again.
    turns: int = 2
    #: How long each turn is in which the recommended configuration is measured again; 0: it is not.
    confirm_seconds: float = 10.0

    def seconds(self, subject: Subject) -> float:
        """Return how long a test takes, at most, beside the time in which workers start."""
        loads = [self.load] * len(subject.variants)
        if self.confirm_seconds > 0 and not subject.addresses:
            loads.append(self.again(self.load.users))
        return self.turns * sum(_warm_up(load).seconds + load.seconds for load in loads)

    def again(self, users: int) -> Load:
        """Return the load under which the recommended configuration is measured again."""
        return Load(users, duration_seconds=self.confirm_seconds)


@dataclass(frozen=True)
class Result:
    """What a load test found."""

    subject: str
    settings: Settings
    rows: tuple[Row, ...]
    #: The recommended one; None where none is within the limits.
    chosen: Row | None
    #: None where the endpoint was measured as it is served, too: its turns are all that there is to repeat.
    confirmation: Confirmation | None


async def run(subject: Subject, bodies: Sequence[bytes], settings: Settings, progress: Progress) -> Result:
    """Measure, choose, and measure the choice again.

    Raises:
        InvalidData: the artifact cannot be served.
        FailureByQuery: a worker died, or does not answer the first body.
    """
    variants, count = subject.variants, settings.turns
    share = len(variants) / (len(variants) + 1)
    runner = _Runner(subject, bodies, count)
    found = await runner.measure(variants, settings.load, part_of(progress, 0.0, share))
    rows = tuple(row(measurement, settings.wanted) for measurement in found)
    chosen = choose(rows)
    confirmation = None
    if chosen is not None and chosen.measurement.configuration is not None and settings.confirm_seconds > 0:
        again, progress = settings.again(chosen.step.users), part_of(progress, share, 1.0)
        progress("the recommended one again", 0.0)
        (measured,) = await runner.measure([chosen.measurement.configuration], again, progress)
        confirmation = Confirmation(chosen.step, measured.steps[-1])
    return Result(subject.name, settings, rows, chosen, confirmation)


@dataclass(frozen=True)
class _Turn:
    """What one load on one configuration saw."""

    seen: Seen
    #: Items that workers answered, and in how many batches; None where they do not say.
    batches: tuple[float, float] | None


class _Runner:
    """Measures configurations in turns."""

    def __init__(self, subject: Subject, bodies: Sequence[bytes], turns: int) -> None:
        self._subject, self._bodies, self._turns = subject, bodies, turns

    async def measure(
        self, variants: Sequence[Configuration | None], load: Load, progress: Progress
    ) -> list[Measurement]:
        """Return what each of them did in all turns; one that a limit has stopped has no further turn."""
        done: list[list[_Turn]] = [[] for _ in variants]
        order = list(_order(len(variants), self._turns))
        for number, (turn, at) in enumerate(order):
            variant = variants[at]
            if any(each.seen.stopped for each in done[at]):
                continue
            name = variant or self._subject.name
            progress(f"{name}: {load.users} users, turn {turn + 1} of {self._turns}", number / len(order))
            done[at].append(await self._turn(variant, load))
        return [self._measurement(variant, turns) for variant, turns in zip(variants, done, strict=True)]

    async def _turn(self, variant: Configuration | None, load: Load) -> _Turn:
        async with _answering(self._subject, variant) as addresses:
            with closing(Client(addresses)) as client:
                await client.try_out(self._bodies[0])
                await run_load(client, self._bodies, _warm_up(load), until_steady=True)
                before = await client.batches()
                seen = await run_load(client, self._bodies, load)
                after = await client.batches()
        return _Turn(seen, _between(before, after))

    def _measurement(self, variant: Configuration | None, turns: Sequence[_Turn]) -> Measurement:
        same_parts = itertools.zip_longest(*(turn.seen.parts for turn in turns))
        steps = tuple(step([part for part in parts if part is not None]) for parts in same_parts)
        stopped = next((turn.seen.stopped for turn in turns if turn.seen.stopped is not None), None)
        instances = self._subject.instances if variant is None else variant.instances
        return Measurement(variant, steps, instances, stopped, _mean_batch(turns))


def _order(variants: int, turns: int) -> Iterator[tuple[int, int]]:
    """Yield turn and place in the list of what is measured next: forward, then back, and so on."""
    for turn in range(turns):
        places = range(variants)
        yield from ((turn, at) for at in (reversed(places) if turn % 2 else places))


def _warm_up(load: Load) -> Load:
    seconds = min(WARM_UP_SECONDS, load.duration_seconds / 2)
    return Load(load.present(0.0), duration_seconds=seconds, max_errors=load.max_errors)


@asynccontextmanager
async def _answering(subject: Subject, variant: Configuration | None) -> AsyncIterator[Sequence[Address]]:
    if variant is None or subject.artifact is None:
        yield subject.addresses
        return
    async with running_workers(subject.artifact, variant) as addresses:
        yield addresses


def _between(before: tuple[float, float] | None, after: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if before is None or after is None else (after[0] - before[0], after[1] - before[1])


def _mean_batch(turns: Sequence[_Turn]) -> float | None:
    counts = [turn.batches for turn in turns if turn.batches is not None]
    batches = sum(batches for _, batches in counts)
    return sum(items for items, _ in counts) / batches if batches > 0 else None
