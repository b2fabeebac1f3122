"""Parts that link prediction adds to its scores, each with a weight per direction that is fitted on validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from neptuneml_plugin.training.links import Scorer

#: Rows whose scores are held at once.
ROWS_AT_ONCE = 2048


class PairScorer(Protocol):
    """Scores pairs of queries and candidates."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the scores of all candidates: (rows, candidates)."""

    def some(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the scores of some candidates for each row: rows (n,), columns (n, k) to (n, k)."""


class Part(Protocol):
    """What is added in one direction."""

    @property
    def matrix(self) -> Tensor:
        """Its rows are what is added, one or the sum of several to each query: (n, candidates)."""

    def __call__(self, rows: Tensor) -> Tensor:
        """Return what is added to the scores of all candidates, unweighted: (rows, candidates)."""


#: Of targets and of sources, per target type.
PairScorers = Sequence[tuple[PairScorer, PairScorer]]
#: The same; None where there is no such part.
Parts = Sequence[tuple[Part | None, Part | None]]


@dataclass(frozen=True)
class WithPart:
    """A scorer and a weighted part."""

    base: PairScorer
    part: Scorer
    weight: float

    def __call__(self, rows: Tensor) -> Tensor:
        """See `PairScorer`."""
        return torch.add(self.base(rows), self.part(rows), alpha=self.weight)

    def some(self, rows: Tensor, columns: Tensor) -> Tensor:
        """See `PairScorer`."""
        blocks = zip(torch.split(rows, ROWS_AT_ONCE), torch.split(columns, ROWS_AT_ONCE), strict=True)
        added = [self.part(some).gather(1, chosen) for some, chosen in blocks]
        return self.base.some(rows, columns) + self.weight * torch.cat(added)


class Remembered:
    """A scorer, or a part, that works the same rows out once."""

    def __init__(self, score: Scorer) -> None:
        self._score = score
        self._made: dict[bytes, Tensor] = {}

    def __call__(self, rows: Tensor) -> Tensor:
        """See `PairScorer`."""
        key = rows.cpu().numpy().tobytes()
        if key not in self._made:
            self._made[key] = self._score(rows)
        return self._made[key].clone()

    def some(self, rows: Tensor, columns: Tensor) -> Tensor:
        """See `PairScorer`."""
        return self(rows).gather(1, columns)


def with_parts(
    scorers: PairScorers, parts: Sequence[tuple[Scorer | None, Scorer | None]], weights: Sequence[float]
) -> list[tuple[PairScorer, PairScorer]]:
    """Return scorers with the parts of a positive weight, one weight for targets and one for sources."""
    return [
        (_with(pair[0], part[0], weights[0]), _with(pair[1], part[1], weights[1]))
        for pair, part in zip(scorers, parts, strict=True)
    ]


def _with(scorer: PairScorer, part: Scorer | None, weight: float) -> PairScorer:
    return scorer if part is None or not weight else WithPart(scorer, part, weight)
