"""Link prediction over whole candidate sets: known edges, the loss, and filtered ranks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: Scores held at once, in cells of a (queries, candidates) matrix.
BLOCK_CELLS = 2**24
#: The same while ranking, which only reads them: few enough to stay in a processor's cache.
RANKED_CELLS = 2**21


class EdgeIndex:
    """Edges by one of their ends, as CSR: `indptr` (rows + 1,) and `indices`, ascending within a row."""

    def __init__(self, rows: Tensor, neighbours: Tensor, count: int, neighbour_count: int) -> None:
        keys = torch.unique(rows * neighbour_count + neighbours)
        self.indices = keys % neighbour_count
        self.indptr = rows.new_zeros(count + 1)
        self.indptr[1:] = torch.bincount(keys // neighbour_count, minlength=count).cumsum(0)

    def of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the edges of the rows given: (position in `rows`, neighbour)."""
        starts, lengths = self.indptr[rows], self.indptr[rows + 1] - self.indptr[rows]
        positions = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), lengths)
        ends = lengths.cumsum(0)
        within = torch.arange(len(positions), device=rows.device) - (ends - lengths)[positions]
        return positions, self.indices[starts[positions] + within]


@dataclass(frozen=True)
class Direction:
    """One way to ask: from a query end to candidates at the other end."""

    queries: Tensor
    candidates: Tensor
    query_count: int
    candidate_count: int

    @property
    def edges(self) -> Tensor:
        """The positions of all edges."""
        return torch.arange(len(self.queries), device=self.queries.device)

    def index(self, edges: Tensor) -> EdgeIndex:
        """Return the chosen edges by their query end."""
        return EdgeIndex(self.queries[edges], self.candidates[edges], self.query_count, self.candidate_count)


def directions(ends: tuple[Tensor, ...], counts: tuple[int, int]) -> tuple[Direction, Direction]:
    """Return the two ways to ask for an edge: its target, and its source."""
    sources, targets = ends
    return Direction(sources, targets, *counts), Direction(targets, sources, counts[1], counts[0])


def pooled(several: Sequence[Direction], edges: Sequence[Tensor]) -> Direction:
    """Return chosen edges of several types between the same node types as those of one type.

    A query of the n-th type is n * `query_count` + its row.
    """
    count = several[0].query_count
    chosen = list(enumerate(zip(several, edges, strict=True)))
    return Direction(
        torch.cat([direction.queries[rows] + at * count for at, (direction, rows) in chosen]),
        torch.cat([direction.candidates[rows] for _, (direction, rows) in chosen]),
        count * len(several),
        several[0].candidate_count,
    )


#: Rows of queries -> scores of all candidates, (queries, candidates).
Scorer = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LinkScorer:
    """score = query . candidate + biases; the relation is multiplied into the queries."""

    #: (query rows, d)
    queries: Tensor
    query_bias: Tensor
    #: (candidate rows, d)
    candidates: Tensor
    candidate_bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the scores of all candidates: (rows, candidates)."""
        products = functional.embedding(rows, self.queries) @ self.candidates.T
        return products + self.query_bias.index_select(0, rows)[:, None] + self.candidate_bias

    def some(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the scores of some candidates for each row: rows (n,), columns (n, k) to (n, k)."""
        queries = functional.embedding(rows, self.queries)
        candidates = functional.embedding(columns, self.candidates)
        biases = self.query_bias.index_select(0, rows)[:, None] + functional.embedding(
            columns, self.candidate_bias[:, None]
        ).squeeze(2)
        return torch.einsum("nd,nkd->nk", queries, candidates) + biases


def softmax_loss(score: LinkScorer, direction: Direction, batch: Tensor, known: EdgeIndex) -> Tensor:
    """Return the mean negative log-likelihood of a batch of edges among all candidates.

    Other known edges of a query are no negatives. Edges with the same query share one row of scores.
    """
    queries, row = torch.unique(direction.queries[batch], return_inverse=True)
    positive = score.some(direction.queries[batch], direction.candidates[batch][:, None])[:, 0]
    vectors = functional.embedding(queries, score.queries)
    others: Tensor = _LogSumExp.apply(vectors, score.candidates, score.candidate_bias, known.of(queries))
    others = (others + score.query_bias.index_select(0, queries)).index_select(0, row)
    return (torch.logaddexp(others, positive) - positive).mean()


class _LogSumExp(torch.autograd.Function):
    """log of the sum over candidates c, but those left out, of exp(q . c + bias): one matrix, changed in place.

    The same from torch's own operations holds six such matrices and takes three times as long.
    """

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, candidates: Tensor, bias: Tensor, left_out: tuple[Tensor, Tensor]
    ) -> Tensor:
        scores = torch.addmm(bias, queries, candidates.T)
        scores[left_out] = float("-inf")
        # Where every candidate is left out there is no negative: the sum is that of exp(-large).
        highest = scores.amax(1, keepdim=True).clamp(min=-1e30)
        total = scores.sub_(highest).exp_().sum(1, keepdim=True).clamp(min=1e-30)
        ctx.save_for_backward(queries, candidates)
        ctx.shares = scores.div_(total)
        return (highest + total.log())[:, 0]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        queries, candidates = ctx.saved_tensors
        shares = ctx.shares.mul_(gradients[0][:, None])
        return shares @ candidates, shares.T @ queries, shares.sum(0), None


def sampled_loss(
    score: LinkScorer, direction: Direction, batch: Tensor, negatives: int, *, shared: bool
) -> Tensor:
    """Return the mean negative log-likelihood of a batch of edges among random candidates."""
    rows, wanted = direction.queries[batch], direction.candidates[batch]
    positive = score.some(rows, wanted[:, None])
    drawn = torch.randint(direction.candidate_count, (1 if shared else len(batch), negatives), device=rows.device)
    if shared:
        others = functional.embedding(rows, score.queries) @ functional.embedding(drawn[0], score.candidates).T
        others = others + score.query_bias.index_select(0, rows)[:, None] + score.candidate_bias[drawn[0]]
    else:
        others = score.some(rows, drawn)
    others = others.masked_fill(drawn == wanted[:, None], float("-inf"))
    return (torch.cat([positive, others], 1).logsumexp(1) - positive[:, 0]).mean()


def drawn_loss(score: LinkScorer, wanted: Tensor, drawn: Tensor, each: int | None = None) -> Tensor:
    """Return the mean negative log-likelihood of edges among random candidates.

    Args:
        score: its queries are the edges', its candidates their own ends and then those drawn.
        wanted: rows of the edges' own ends, (edges,).
        drawn: rows of the candidates drawn, (n,).
        each: how many of those drawn an edge is told from, others for each edge; None: all.
    """
    edges = torch.arange(len(wanted), device=wanted.device)
    positive = score.some(edges, edges[:, None])
    scores = score(edges)[:, len(wanted) :].masked_fill(drawn == wanted[:, None], float("-inf"))
    if each is not None:
        scores = scores.gather(1, torch.randint(len(drawn), (len(wanted), each), device=wanted.device))
    return (torch.cat([positive, scores], 1).logsumexp(1) - positive[:, 0]).mean()


def filtered_ranks(
    score: Scorer, direction: Direction, edges: Tensor, known: EdgeIndex, *, itself: bool = False
) -> Tensor:
    """Return the rank of each edge among the candidates that are not known edges of its query: (edges,) float64.

    A tie counts as half a place, so a constant scorer ranks in the middle. With `itself`, the edges ranked are
    not among the known ones, and each is one of the candidates.
    """
    ranks = torch.empty(len(edges), dtype=torch.float64)
    for block in _blocks(direction, edges):
        queries, row = torch.unique(direction.queries[edges[block]], return_inverse=True)
        scores = score(queries)
        wanted = scores[row, direction.candidates[edges[block]]]
        scores[known.of(queries)] = float("-inf")
        each = scores[row]
        # Sums of floats, which are exact here, take half the time of counts of booleans.
        cells = torch.empty_like(each)
        better = torch.gt(each, wanted[:, None], out=cells).sum(1)
        # A known edge is masked, so it is not among its own ties.
        ties = torch.eq(each, wanted[:, None], out=cells).sum(1) - int(itself)
        ranks[block.cpu()] = (1 + better + ties / 2).double().cpu()
    return ranks


def _blocks(direction: Direction, edges: Tensor) -> Iterator[Tensor]:
    """Split edges, ordered by query, so that a block's scores fit."""
    order = torch.argsort(direction.queries[edges], stable=True)
    yield from torch.split(order, max(1, RANKED_CELLS // max(1, direction.candidate_count)))
