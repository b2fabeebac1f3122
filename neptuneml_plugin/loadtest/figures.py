"""What a load measured: rate, percentiles of the latency, errors by class."""

import itertools
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

#: Share of requests that may fail where a configuration is still to be recommended.
MOST_ERRORS = 0.001


@dataclass(frozen=True)
class Sample:
    """One request."""

    #: When its answer was there, seconds since the load began.
    ended: float
    #: How long it took.
    seconds: float
    #: Code of what went wrong; None where nothing did.
    error: str | None = None


@dataclass(frozen=True)
class Part:
    """What ended within a part of a load's time."""

    #: Who asked at its end.
    users: int
    seconds: float
    #: How long each answer took.
    milliseconds: "array[float]" = field(default_factory=lambda: array("d"))
    #: Code -> requests that failed so.
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Step:
    """What was seen over a time."""

    #: Who asked at its end.
    users: int
    seconds: float
    answers: int
    #: Of answers; None where there are none.
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    #: Code -> requests that failed so.
    errors: Mapping[str, int] = field(default_factory=dict)
    #: Answers a second in each turn.
    rates: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds if self.seconds > 0 else 0.0

    @property
    def spread(self) -> float | None:
        """Half the distance between the slowest and the fastest turn, as a share of the rate; None of one turn."""
        if len(self.rates) < 2 or not self.answers:
            return None
        return (max(self.rates) - min(self.rates)) / 2 / self.rate

    @property
    def failed(self) -> int:
        """Requests without an answer."""
        return sum(self.errors.values())

    def problem(self, p99_ms: float | None) -> str | None:
        """Return why it cannot be recommended: errors, no answers, a p99 above `p99_ms` (None: any will do)."""
        if self.failed > MOST_ERRORS * (self.answers + self.failed):
            return "too many errors"
        if self.p99_ms is None:
            return "no answers"
        return "p99 too high" if p99_ms is not None and self.p99_ms > p99_ms else None


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the least value that at least `share` (0..1] of the values do not exceed: the nearest rank.

    Args:
        ordered: ascending, at least one.
        share: such as .99.
    """
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def part(samples: Iterable[Sample], users: int, seconds: float) -> Part:
    """Return what ended within some seconds."""
    found = Part(users, seconds)
    for sample in samples:
        if sample.error is None:
            found.milliseconds.append(1000 * sample.seconds)
        else:
            found.errors[sample.error] += 1
    return found


def step(turns: Sequence[Part]) -> Step:
    """Return the figures of one part of a load, of all turns in which it was put on, together."""
    ordered = sorted(itertools.chain.from_iterable(turn.milliseconds for turn in turns))
    p50, p95, p99 = (percentile(ordered, share) if ordered else None for share in (0.5, 0.95, 0.99))
    return Step(
        users=max(turn.users for turn in turns),
        seconds=sum(turn.seconds for turn in turns),
        answers=len(ordered),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        errors=dict(sum((turn.errors for turn in turns), Counter())),
        rates=tuple(len(turn.milliseconds) / turn.seconds for turn in turns if turn.seconds > 0),
    )
