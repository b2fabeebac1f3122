"""Knowledge-graph embeddings: a vector per node and per relation, and a score function.

A score asks: from a query and a relation to a candidate. The relation moves the query, and what comes out is
compared with each candidate. Asking for heads has a relation of its own (reciprocal relations: Lacroix et al.,
"Canonical Tensor Decomposition for Knowledge Base Completion", 2018), so both ways of asking are one formula.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from neptuneml_plugin.artifacts import Scores
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.training.hyperparameters import Hyperparameters
from neptuneml_plugin.training.models.encoder import Described, Encoder, Hop, Vectors

#: Differences of complex numbers held at once: few enough to stay in a processor's cache.
_BLOCK_NUMBERS = 2**18
_TINY = 1e-12


@dataclass(frozen=True)
class ScoreFunction:
    """How one model scores; vectors are (n, d), relations (n, w)."""

    scores: Scores
    #: (queries, relations) -> moved queries (n, d).
    move: Callable[[Tensor, Tensor], Tensor]
    #: (moved queries (q, d), candidates (c, d)) -> scores (q, c).
    compare: Callable[[Tensor, Tensor], Tensor]
    #: (moved queries (n, d), candidates of each (n, k, d)) -> scores (n, k).
    compare_each: Callable[[Tensor, Tensor], Tensor]
    #: Numbers of a relation, w, for each number of a node.
    relation_share: float
    #: (relations, w) -> first relations.
    initial: Callable[[int, int], Tensor]
    #: Absolute values whose cubes the regularisation sums: of a vector of a node, and of a relation.
    sizes: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]

    @property
    def is_distance(self) -> bool:
        """Whether a score is a negative distance, which a margin (`gamma`) makes sense for."""
        return self.scores in {Scores.ROTATE, Scores.TRANSE}

    @property
    def most_candidates(self) -> int:
        """Candidates beyond which all of them cost too much in every step."""
        return 5_000 if self.is_distance else 50_000


def _multiply(queries: Tensor, relations: Tensor) -> Tensor:
    return queries * relations


def _multiply_complex(queries: Tensor, relations: Tensor) -> Tensor:
    """Multiply complex numbers, given as all real parts followed by all imaginary ones."""
    (a, b), (c, d) = queries.chunk(2, -1), relations.chunk(2, -1)
    return torch.cat([a * c - b * d, a * d + b * c], -1)


def _rotate(queries: Tensor, angles: Tensor) -> Tensor:
    return _multiply_complex(queries, torch.cat([angles.cos(), angles.sin()], -1))


def _add(queries: Tensor, relations: Tensor) -> Tensor:
    return queries + relations


def _products(moved: Tensor, candidates: Tensor) -> Tensor:
    return moved @ candidates.T


def _products_each(moved: Tensor, candidates: Tensor) -> Tensor:
    return torch.einsum("nd,nkd->nk", moved, candidates)


def _city_blocks(moved: Tensor, candidates: Tensor) -> Tensor:
    return -torch.cdist(moved, candidates, p=1)


def _city_blocks_each(moved: Tensor, candidates: Tensor) -> Tensor:
    return -(moved[:, None] - candidates).abs().sum(-1)


def _rotated(moved: Tensor, candidates: Tensor) -> Tensor:
    total: Tensor = _Moduli.apply(moved, candidates)
    return -total


def _rotated_each(moved: Tensor, candidates: Tensor) -> Tensor:
    return -_moduli(moved[:, None] - candidates).sum(-1)


def _moduli(vectors: Tensor) -> Tensor:
    """Return the absolute values of complex numbers: (..., d) to (..., d / 2)."""
    real, imaginary = vectors.chunk(2, -1)
    return torch.sqrt(real**2 + imaginary**2 + _TINY)


class _Moduli(torch.autograd.Function):
    """Sums of absolute differences of complex numbers, (q, d) and (c, d) to (q, c), in blocks of queries.

    Torch's own operations hold every difference, (q, c, d), several times.
    """

    @staticmethod
    def forward(ctx: Any, moved: Tensor, candidates: Tensor) -> Tensor:
        ctx.save_for_backward(moved, candidates)
        return torch.cat([_differences(block, candidates)[2].sum(-1) for block in _blocks(moved, candidates)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        moved, candidates = ctx.saved_tensors
        of_moved, of_candidates = [], torch.zeros_like(candidates)
        blocks = _blocks(moved, candidates)
        for block, gradient in zip(blocks, torch.split(gradients[0], len(blocks[0])), strict=True):
            real, imaginary, moduli = _differences(block, candidates)
            weights = torch.div(gradient[:, :, None], moduli, out=moduli)
            parts = real.mul_(weights), imaginary.mul_(weights)
            of_moved.append(torch.cat([part.sum(1) for part in parts], -1))
            of_candidates -= torch.cat([part.sum(0) for part in parts], -1)
        return torch.cat(of_moved), of_candidates


def _blocks(moved: Tensor, candidates: Tensor) -> Sequence[Tensor]:
    return torch.split(moved, max(1, _BLOCK_NUMBERS // max(1, candidates.numel())))


def _differences(moved: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return real parts, imaginary parts and absolute values of all differences, (q, c, d / 2) each."""
    (a, b), (c, d) = moved.chunk(2, -1), candidates.chunk(2, -1)
    real, imaginary = a[:, None] - c, b[:, None] - d
    return real, imaginary, (real * real).addcmul_(imaginary, imaginary).add_(_TINY).sqrt_()


def _small(count: int, width: int) -> Tensor:
    return torch.randn(count, width) * 0.1


def _angles(count: int, width: int) -> Tensor:
    return (torch.rand(count, width) * 2 - 1) * math.pi


#: Real factors (Yang et al., 2015), complex ones (Trouillon et al., 2016), rotations (Sun et al., 2019) and
#: translations (Bordes et al., 2013). A rotation has no size.
SCORE_FUNCTIONS: Mapping[str, ScoreFunction] = {
    "distmult": ScoreFunction(
        Scores.PRODUCT, _multiply, _products, _products_each, 1, _small, (torch.abs, torch.abs)
    ),
    "complex": ScoreFunction(
        Scores.COMPLEX, _multiply_complex, _products, _products_each, 1, _small, (_moduli, _moduli)
    ),
    "rotate": ScoreFunction(
        Scores.ROTATE, _rotate, _rotated, _rotated_each, 0.5, _angles, (_moduli, torch.zeros_like)
    ),
    "transe": ScoreFunction(
        Scores.TRANSE, _add, _city_blocks, _city_blocks_each, 1, _small, (torch.abs, torch.abs)
    ),
}  # fmt: skip


class NodeVectors(Encoder):
    """The learned vector of every node, without a layer: features and messages say nothing."""

    def __init__(self, described: Described, hyperparameters: Hyperparameters) -> None:
        hp = dataclasses.replace(hyperparameters, num_layer=0, node_features=False, separate_roles=False)
        super().__init__(described, hp, 0)

    def along(
        self,
        hops: Sequence[Hop],
        features: Sequence[Mapping[str, Tensor]],
        learned: Sequence[Tensor | None] | None = None,
        joined: Sequence[Tensor] | None = None,
    ) -> Vectors:
        """See `Encoder`."""
        given = learned or [None] * len(self.inputs)
        return [layer({}, own) for layer, own in zip(self.inputs, given, strict=True)]


@dataclass(frozen=True)
class RelationScorer:
    """The scores of one relation, asked for in one way."""

    function: ScoreFunction
    #: (query rows, d)
    queries: Tensor
    #: (w,)
    relation: Tensor
    #: (candidate rows, d)
    candidates: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the scores of all candidates: (rows, candidates)."""
        return self.function.compare(self._moved(rows), self.candidates)

    def some(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the scores of some candidates for each row: rows (n,), columns (n, k) to (n, k)."""
        return self.function.compare_each(self._moved(rows), functional.embedding(columns, self.candidates))

    def _moved(self, rows: Tensor) -> Tensor:
        return self.function.move(functional.embedding(rows, self.queries), self.relation[None])


class KgeDecoder(nn.Module):
    """A score function and its relations: row 2t asks for targets of edge type t, row 2t + 1 for sources."""

    def __init__(self, name: str, width: int, types: int) -> None:
        super().__init__()
        self.function = SCORE_FUNCTIONS[name]
        if self.function.scores in {Scores.COMPLEX, Scores.ROTATE} and width % 2:
            raise InvalidParameter(f"num-hidden is {width}; model '{name}' needs an even number")
        self.relations = nn.Parameter(self.function.initial(2 * types, int(width * self.function.relation_share)))

    def scorers(
        self, sources: Tensor, targets: Tensor, position: int = 0
    ) -> tuple[RelationScorer, RelationScorer]:
        """Return the scorers of targets and of sources, from the embeddings of both ends' types."""
        tails, heads = self.relations[2 * position], self.relations[2 * position + 1]
        return (
            RelationScorer(self.function, sources, tails, targets),
            RelationScorer(self.function, targets, heads, sources),
        )
