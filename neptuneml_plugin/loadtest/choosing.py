"""Configurations, how many instances of each a wanted rate needs, and which one to recommend."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from neptuneml_plugin.loadtest.figures import Step

#: Rates nearer to each other than this are taken as equal: the next run may turn them around.
NOISE = 0.05
#: How far the recommendation may lie from what is then measured.
HOLDS_WITHIN = 0.15


@dataclass(frozen=True)
class Configuration:
    """How an endpoint is served; None where the worker's own default stands."""

    #: Worker processes.
    instances: int = 1
    #: Of numpy's products, in each process.
    threads: int = 1
    max_batch: int | None = None
    max_delay_us: int | None = None
    cache_mib: int | None = None

    def __str__(self) -> str:
        told = {name: value for name, value in self.said().items() if (name, value) != ("threads", 1)}
        return ", ".join(f"{_NAMES[name]} {value}" for name, value in told.items())

    def said(self) -> dict[str, int]:
        """Return what is not left to the worker."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def for_worker(self) -> dict[str, int]:
        """Return the settings of each worker that it says (`WorkerConfig`)."""
        return {name: value for name, value in self.said().items() if name not in ("instances", "threads")}

    @property
    def cost(self) -> tuple[int, int, int, int]:
        """What it takes of a machine, and of callers' patience: less is better."""
        return self.instances, self.threads, self.cache_mib or 0, self.max_delay_us or 0


#: Field of a configuration -> member of `POST /ml/endpoints`, where an endpoint has it.
MEMBERS = {
    "instances": "instanceCount",
    "max_batch": "maxBatch",
    "max_delay_us": "maxDelayMicros",
    "cache_mib": "cacheMib",
}

_NAMES = {
    "instances": "instances",
    "threads": "threads",
    "max_batch": "batch",
    "max_delay_us": "delay µs",
    "cache_mib": "cache MiB",
}


@dataclass(frozen=True)
class Wanted:
    """What the endpoint is to do."""

    rps: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What one configuration did under load."""

    #: None: an endpoint as it is served.
    configuration: Configuration | None
    #: While users came, and last, unless it was stopped before, when all were there.
    steps: tuple[Step, ...]
    #: Processes that answered.
    instances: int = 1
    #: Why it was stopped before its time.
    stopped: str | None = None
    #: Items that the workers answered together.
    mean_batch: float | None = None

    @property
    def name(self) -> str:
        """What tables and charts call it."""
        return "as served" if self.configuration is None else str(self.configuration)

    def best(self, p99_ms: float | None) -> Step | None:
        """Return the last step where it fits, as it is the longest, else the one of the highest rate that does."""
        fitting = [each for each in self.steps if each.problem(p99_ms) is None]
        if not fitting:
            return None
        return fitting[-1] if fitting[-1] is self.steps[-1] else max(fitting, key=lambda each: each.rate)


@dataclass(frozen=True)
class Row:
    """One line of the table of recommendations."""

    measurement: Measurement
    #: What it can do within the limits, else what it did last.
    step: Step
    #: Why it is not within the limits; None where it is.
    problem: str | None
    #: Instances for the wanted rate; None where none is wanted, or it does not fit.
    needed: int | None

    @property
    def fits(self) -> bool:
        """Whether it is within the limits."""
        return self.problem is None

    @property
    def is_enough(self) -> bool:
        """Whether the wanted rate was seen, and need not be inferred."""
        return self.needed is not None and self.needed <= self.measurement.instances

    @property
    def cost(self) -> tuple[int, ...]:
        """See `Configuration`."""
        configuration = self.measurement.configuration
        return () if configuration is None else configuration.cost


def grid(choices: Mapping[str, Sequence[int]]) -> Iterator[Configuration]:
    """Yield every combination of the values given, by the names of `Configuration`'s fields."""
    given = {name: tuple(dict.fromkeys(values)) for name, values in choices.items() if values}
    for values in itertools.product(*given.values()):
        settings: dict[str, Any] = dict(zip(given, values, strict=True))
        yield Configuration(**settings)


def instances_needed(rps: float, rate: float, instances: int) -> int:
    """Return how many instances give `rps`, where `instances` together give `rate`, both above 0.

    Beyond what was measured this assumes that each gives as much as those did.
    """
    return max(1, math.ceil(rps * instances / rate - 1e-9))


def row(measurement: Measurement, wanted: Wanted) -> Row:
    """Return a measurement's line of the table."""
    best = measurement.best(wanted.p99_ms)
    shown = best or measurement.steps[-1]
    is_known = best is not None and wanted.rps is not None
    needed = instances_needed(wanted.rps or 0.0, shown.rate, measurement.instances) if is_known else None
    return Row(measurement, shown, shown.problem(wanted.p99_ms), needed)


def choose(rows: Sequence[Row]) -> Row | None:
    """Return the recommended one; None where none fits.

    For a wanted rate: the cheapest of those that were seen to give it, else the one that needs the fewest
    instances. Otherwise: the cheapest of those with the highest rate.
    """
    fitting = [each for each in rows if each.fits]
    if not fitting:
        return None
    enough = [each for each in fitting if each.is_enough]
    if enough:
        return min(enough, key=lambda each: (each.cost, -each.step.rate))
    if all(each.needed is not None for each in fitting):
        return min(fitting, key=lambda each: (each.needed or 0, each.cost, -each.step.rate))
    highest = max(each.step.rate for each in fitting)
    level = [each for each in fitting if each.step.rate >= (1 - NOISE) * highest]
    return min(level, key=lambda each: (each.cost, -each.step.rate))


@dataclass(frozen=True)
class Confirmation:
    """The recommended configuration, measured again."""

    predicted: Step
    measured: Step

    @property
    def difference(self) -> float:
        """By which share of the prediction the measured rate is higher."""
        return self.measured.rate / self.predicted.rate - 1

    @property
    def holds(self) -> bool:
        """Whether the prediction was right."""
        return abs(self.difference) <= HOLDS_WITHIN
