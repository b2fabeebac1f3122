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
from neptuneml_plugin.training.links import Scorer
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
    #: Numbers of which one absolute value is made, which is regularised: of a node, of a relation; 0: of none.
    sizes: tuple[int, int]

    @property
    def is_distance(self) -> bool:
        """Whether a score is a negative distance, which a margin (`gamma`) makes sense for."""
        return self.scores in {Scores.ROTATE, Scores.TRANSE, Scores.TRANSE_L2}

    @property
    def most_candidates(self) -> int:
        """Candidates beyond which all of them cost too much in every step."""
        return 5_000 if self.is_distance else 50_000


def _multiply(queries: Tensor, relations: Tensor) -> Tensor:
    return queries * relations


def _multiply_complex(queries: Tensor, relations: Tensor) -> Tensor:
    """Multiply complex numbers, given as all real parts followed by all imaginary ones."""
    product: Tensor = _ComplexProduct.apply(queries, relations.expand_as(queries))
    return product


class _ComplexProduct(torch.autograd.Function):
    """Torch's own operations on the parts move each number three times as often."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return _complex_product(left, right, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        return _complex_product(gradients[0], right, -1), _complex_product(gradients[0], left, -1)


def _complex_product(left: Tensor, right: Tensor, sign: int) -> Tensor:
    """Multiply by complex numbers, or with `sign` -1 by their conjugates."""
    (a, b), (c, d) = left.chunk(2, -1), right.chunk(2, -1)
    product = torch.empty_like(left, memory_format=torch.contiguous_format)
    real, imaginary = product.chunk(2, -1)
    torch.mul(a, c, out=real).addcmul_(b, d, value=-sign)
    torch.mul(b, c, out=imaginary).addcmul_(a, d, value=sign)
    return product


def cubes(vectors: Tensor, size: int) -> Tensor:
    """Return the sum of the cubes of absolute values (N3: Lacroix et al., 2018).

    Args:
        vectors: (n, d).
        size: numbers that have one absolute value: 1 for real numbers, 2 for complex ones.
    """
    total: Tensor = _Cubes.apply(vectors, size)
    return total


class _Cubes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, size: int) -> Tensor:
        first, *others = vectors.chunk(size, -1)
        squares = first * first
        for other in others:
            squares.addcmul_(other, other)
        sizes = squares.sqrt()
        ctx.save_for_backward(vectors, sizes)
        return squares.mul_(sizes).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        vectors, sizes = ctx.saved_tensors
        parts = vectors.shape[-1] // sizes.shape[-1]
        return vectors * (sizes * (3 * gradients[0])).repeat(1, parts), None


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


def _straight(moved: Tensor, candidates: Tensor) -> Tensor:
    return -torch.cdist(moved, candidates)


def _straight_each(moved: Tensor, candidates: Tensor) -> Tensor:
    return -((moved[:, None] - candidates).square().sum(-1) + _TINY).sqrt()


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
        Scores.PRODUCT, _multiply, _products, _products_each, 1, _small, (1, 1)
    ),
    "complex": ScoreFunction(
        Scores.COMPLEX, _multiply_complex, _products, _products_each, 1, _small, (2, 2)
    ),
    "rotate": ScoreFunction(
        Scores.ROTATE, _rotate, _rotated, _rotated_each, 0.5, _angles, (2, 0)
    ),
    "transe": ScoreFunction(
        Scores.TRANSE, _add, _city_blocks, _city_blocks_each, 1, _small, (1, 1)
    ),
}  # fmt: skip
_EUCLIDEAN = ScoreFunction(Scores.TRANSE_L2, _add, _straight, _straight_each, 1, _small, (1, 1))


def score_function(model: str, hyperparameters: Hyperparameters) -> ScoreFunction:
    """Return how a model of `SCORE_FUNCTIONS` scores with its hyperparameters."""
    is_euclidean = model == "transe" and hyperparameters.distance_norm == 2
    return _EUCLIDEAN if is_euclidean else SCORE_FUNCTIONS[model]


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


def pooled_scorer(scorers: Sequence[Scorer], count: int) -> Scorer:
    """Return one scorer for several types: it takes rows n * `count` + row for the n-th, ascending."""

    def by_type(rows: Tensor) -> Tensor:
        kinds, lengths = torch.unique_consecutive(rows // count, return_counts=True)
        parts = zip(kinds.tolist(), torch.split(rows % count, lengths.tolist()), strict=True)
        return torch.cat([scorers[kind](part) for kind, part in parts])

    if len(scorers) == 1:
        return scorers[0]
    relations = [scorer for scorer in scorers if isinstance(scorer, RelationScorer)]
    if len(relations) < len(scorers):
        return by_type
    first, moves = relations[0], torch.stack([scorer.relation for scorer in relations])

    def at_once(rows: Tensor) -> Tensor:
        moved = first.function.move(functional.embedding(rows % count, first.queries), moves[rows // count])
        return first.function.compare(moved, first.candidates)

    return at_once


class KgeDecoder(nn.Module):
    """A score function and its relations: row 2t asks for targets of edge type t, row 2t + 1 for sources."""

    def __init__(self, name: str, hyperparameters: Hyperparameters, types: int) -> None:
        super().__init__()
        width = hyperparameters.num_hidden
        self.function = score_function(name, hyperparameters)
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
