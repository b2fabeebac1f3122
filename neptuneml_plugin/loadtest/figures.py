"""What a load measured: rate, percentiles of the latency, errors by class."""

import math
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

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds if self.seconds > 0 else 0.0

    @property
    def failed(self) -> int:
        """Requests without an answer."""
        return sum(self.errors.values())

    def fits(self, p99_ms: float | None) -> bool:
        """Return whether there were answers, hardly any errors, and a p99 of `p99_ms` at most (None: any)."""
        few_errors = self.failed <= MOST_ERRORS * (self.answers + self.failed)
        return self.p99_ms is not None and few_errors and (p99_ms is None or self.p99_ms <= p99_ms)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the least value that at least `share` (0..1] of the values do not exceed: the nearest rank.

    Args:
        ordered: ascending, at least one.
        share: such as .99.
    """
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def step(samples: Iterable[Sample], users: int, seconds: float) -> Step:
    """Return the figures of what ended within some seconds."""
    held = list(samples)
    ordered = sorted(1000 * sample.seconds for sample in held if sample.error is None)
    p50, p95, p99 = (percentile(ordered, share) if ordered else None for share in (0.5, 0.95, 0.99))
    errors = Counter(sample.error for sample in held if sample.error is not None)
    return Step(users, seconds, len(ordered), p50, p95, p99, dict(errors))
