"""The additive item-item part of link prediction: EASE (Steck, 2019), denoising (Steck, 2020).

score(u, v) gains weight * sum over u's training neighbours j of B[j, v], where B is the linear model of each
candidate's column from all the others that closed form gives. It needs a matrix of candidates by candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from neptuneml_plugin.training.links import Direction, EdgeIndex, directions
from neptuneml_plugin.training.models.parts import ROWS_AT_ONCE

if TYPE_CHECKING:
    from neptuneml_plugin.training.data import TrainingData

#: Candidates beyond which there is no such part: the matrix takes 100 MB, and its inversion seconds.
MAX_ITEMS = 5000
#: Of `B`: its ridge, and the share of a row's edges that is dropped while it is rebuilt; chosen on MovieLens.
REGULARIZATION, DROPPED = 300.0, 0.5
#: Ridges of which a model takes the best on validation; vertices of few edges need less (tests/quality/LOG.md).
RIDGES = (30.0, 100.0, REGULARIZATION)


@dataclass(frozen=True)
class ItemPart:
    """One direction's part."""

    #: Candidates of each query by training edges.
    known: EdgeIndex
    #: B, (candidates, candidates).
    matrix: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """See `parts.Part`."""
        positions, neighbours = self.known.of(rows)
        sums = self.matrix.new_zeros(len(rows), self.matrix.shape[1])
        for start in range(0, len(positions), ROWS_AT_ONCE):
            at = slice(start, start + ROWS_AT_ONCE)
            sums.index_add_(0, positions[at], self.matrix[neighbours[at]])
        return sums


#: Per target type, of targets and of sources; None where there are too many candidates.
ItemParts = Sequence[tuple[ItemPart | None, ItemPart | None]]


def item_parts(
    data: "TrainingData", *, regularization: float = REGULARIZATION, dropped: float = DROPPED
) -> ItemParts:
    """Return the parts of all directions, from the training edges."""
    return [
        (_part(tails, train, regularization, dropped), _part(heads, train, regularization, dropped))
        for (tails, heads), train in _directions(data)
    ]


def parts_of(data: "TrainingData", ridges: Sequence[float]) -> ItemParts:
    """Return the parts of a model, with a ridge for targets and one for sources.

    They stay with the data: a training, its evaluation and its outputs ask for them.
    """

    def part(at: int, way: int, direction: Direction, train: Tensor) -> ItemPart | None:
        ridge = ridges[way]
        return data.once(("item part", at, way, ridge), lambda: _part(direction, train, ridge, DROPPED))

    return [
        (part(at, 0, tails, train), part(at, 1, heads, train))
        for at, ((tails, heads), train) in enumerate(_directions(data))
    ]


def _directions(data: "TrainingData") -> Iterator[tuple[tuple[Direction, Direction], Tensor]]:
    """Yield both directions and the training edges of each target type."""
    for samples in data.samples:
        source, target = data.ends_of(samples.position)
        counts = data.counts[source], data.counts[target]
        yield directions(samples.ends, counts), samples.splits["train"]


def _matrix(edges: EdgeIndex, count: int, regularization: float, dropped: float) -> Tensor:
    """Return B for edges of queries to `count` candidates."""
    from scipy import sparse  # noqa: PLC0415  # takes a while, and few trainings need it

    ones = np.ones(len(edges.indices), dtype=np.float32)
    shape = (len(edges.indptr) - 1, count)
    rows = sparse.csr_array((ones, edges.indices.cpu().numpy(), edges.indptr.cpu().numpy()), shape=shape)
    gram = torch.from_numpy((rows.T @ rows).toarray())
    gram.diagonal().add_(regularization + dropped / (1 - dropped) * gram.diagonal())
    # Positive definite and well conditioned: a fourth of the time of a general inverse in float64.
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    return inverse.div_(-inverse.diagonal().clone()).fill_diagonal_(0).contiguous()


def _part(direction: Direction, train: Tensor, regularization: float, dropped: float) -> ItemPart | None:
    if direction.candidate_count > MAX_ITEMS or not len(train):
        return None
    known = direction.index(train)
    matrix = _matrix(known, direction.candidate_count, regularization, dropped)
    return ItemPart(known, matrix.to(train.device))
