"""A load test: every configuration under the same load, the one to recommend, and that one measured again."""

from collections.abc import AsyncIterator, Sequence
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
from neptuneml_plugin.loadtest.load import Load, run_load
from neptuneml_plugin.loadtest.workers import running_workers
from neptuneml_plugin.stage import Progress

#: Load that goes before each measurement, uncounted, at most.
WARM_UP_SECONDS = 1.0


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
    #: How long the recommendation is measured again; 0: it is not.
    confirm_seconds: float = 5.0


@dataclass(frozen=True)
class Result:
    """What a load test found."""

    subject: str
    settings: Settings
    rows: tuple[Row, ...]
    #: The recommended one; None where none is within the limits.
    chosen: Row | None
    confirmation: Confirmation | None


async def run(subject: Subject, bodies: Sequence[bytes], settings: Settings, progress: Progress) -> Result:
    """Measure, choose, and measure the choice again.

    Raises:
        InvalidData: the artifact cannot be served.
        FailureByQuery: a worker died, or does not answer the first body.
    """
    load, found = settings.load, []
    for number, variant in enumerate(subject.variants):
        progress(f"{variant or subject.name}: {load.users} users", number / (len(subject.variants) + 1))
        found.append(await _measure(subject, variant, bodies, load))
    rows = tuple(row(measurement, settings.wanted) for measurement in found)
    chosen = choose(rows)
    confirmation = None
    if chosen is not None and settings.confirm_seconds > 0:
        progress(f"{chosen.measurement.name}: again", len(subject.variants) / (len(subject.variants) + 1))
        again = Load(chosen.step.users, duration_seconds=settings.confirm_seconds)
        measured = await _measure(subject, chosen.measurement.configuration, bodies, again)
        confirmation = Confirmation(chosen.step, measured.steps[-1])
    return Result(subject.name, settings, rows, chosen, confirmation)


async def _measure(
    subject: Subject, variant: Configuration | None, bodies: Sequence[bytes], load: Load
) -> Measurement:
    async with _answering(subject, variant) as addresses:
        with closing(Client(addresses)) as client:
            await client.try_out(bodies[0])
            await run_load(client, bodies, _warm_up(load))
            before = await client.batches()
            seen = await run_load(client, bodies, load)
            after = await client.batches()
    instances = subject.instances if variant is None else variant.instances
    return Measurement(variant, seen.steps, instances, seen.stopped, _mean_batch(before, after))


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


def _mean_batch(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])
