"""Message passing, once, for every encoder: weighted sums over edges as products of sparse matrices.

On CPU a CSR product with its transpose at hand is faster than DGL's kernels, forward and backward, the more the
larger the graph (`tests/quality/LOG.md`), and on a GPU it needs no other build of DGL. A layer is `A_r @ h @ W_r`
per relation. The edges' weights are values of the matrix: leaving edges out changes values, not the structure.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor

from neptuneml_plugin.artifacts import EdgeType, GraphSchema

if TYPE_CHECKING:
    from neptuneml_plugin.training.data import Samples, TrainingData

#: Edges with features that are worked on at a time, few enough for their vectors to stay in a processor's cache.
EDGES_AT_ONCE = 2**13


class Carry(Protocol):
    """What an edge does to the vector h that it carries: h * (a S') + a T', where a is made of its features."""

    def __call__(self, vectors: Tensor, features: Tensor) -> Tensor:
        """Map the sources' vectors, (edges, d), and the edges' features, (edges, w), to (edges, d)."""

    def columns(self, features: Tensor) -> Tensor:
        """Return a of each edge, (edges, k)."""

    def weights(self) -> tuple[Tensor, Tensor]:
        """Return S and T, each (d, k)."""


class Aggregation(Protocol):
    """Carries one relation's messages from sources to targets."""

    def aggregate(self, vectors: Tensor, carry: Carry | None = None) -> Tensor:
        """Return the weighted sum of the sources' vectors: (n_source, d) to (n_target, d).

        `carry` changes each message by its edge's features; only for messages that have them.
        """

    @property
    def received(self) -> Tensor:
        """What the edges into each target weigh together, (n_target, 1)."""


class Messages:
    """One relation's edges with weights, ready to carry messages from sources to targets."""

    def __init__(self, forward: Tensor, backward: Tensor, featured: "FeaturedEdges | None" = None) -> None:
        self._forward = forward
        self._backward = backward
        self._featured = featured

    def aggregate(self, vectors: Tensor, carry: Carry | None = None) -> Tensor:
        """See `Aggregation`."""
        if carry is not None and self._featured is not None:
            return self._featured.aggregate(vectors, carry)
        total: Tensor = _Product.apply(vectors, self._forward, self._backward)
        return total

    @cached_property
    def received(self) -> Tensor:
        """See `Aggregation`; all layers and steps share it."""
        return self._forward @ self._forward.values().new_ones(self._forward.shape[1], 1)


@dataclass(frozen=True)
class FeaturedEdges:
    """A relation's edges, ordered by their targets, whose features change what they carry."""

    sources: Tensor
    targets: Tensor
    weights: Tensor
    #: (edges, w)
    features: Tensor
    #: Rows of the targets' type.
    count: int

    def aggregate(self, vectors: Tensor, carry: Carry) -> Tensor:
        """See `Aggregation`; no vector of an edge is kept for the gradient."""
        columns = carry.columns(self.features) * self.weights[:, None]
        scale, shift = carry.weights()
        scaled: Tensor = _Scaled.apply(vectors, columns, scale, self)
        shifted = columns.new_zeros(self.count, columns.shape[1]).index_add(0, self.targets, columns)
        return scaled + shifted @ shift.T

    def blocks(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield the edges block by block: which these are, their sources and their targets."""
        for start in range(0, len(self.sources), EDGES_AT_ONCE):
            at = slice(start, start + EDGES_AT_ONCE)
            yield at, self.sources[at], self.targets[at]


class _Scaled(torch.autograd.Function):
    """Sum over the edges of each target of h * (a S'): h of the source, (n, d), a of the edge, (edges, k).

    torch's own operations would write some thirty tensors of (edges, d) in a step, which is what takes the time.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, columns: Tensor, scale: Tensor, edges: FeaturedEdges) -> Tensor:
        ctx.save_for_backward(vectors, columns, scale)
        ctx.edges = edges
        sums = vectors.new_zeros(edges.count, vectors.shape[1])
        for at, sources, targets in edges.blocks():
            sums.index_add_(0, targets, (columns[at] @ scale.T).mul_(vectors.index_select(0, sources)))
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        vectors, columns, scale = ctx.saved_tensors
        of_vectors, of_columns, of_scale = (
            torch.zeros_like(vectors),
            torch.empty_like(columns),
            torch.zeros_like(scale),
        )
        for at, sources, targets in ctx.edges.blocks():
            received = gradients[0].index_select(0, targets)
            of_vectors.index_add_(0, sources, (columns[at] @ scale.T).mul_(received))
            received.mul_(vectors.index_select(0, sources))
            of_columns[at] = received @ scale
            of_scale += received.T @ columns[at]
        return of_vectors, of_columns, of_scale, None


class EdgeMessages:
    """The same for few edges and one pass: no structure is built, and no gradient kept.

    Args:
        sources: row of each edge's source, (edges,).
        targets: row of each edge's target, (edges,).
        weights: of each edge, (edges,).
        count: rows of the targets' type.
        features: of each edge, (edges, w), where messages depend on them.
    """

    def __init__(
        self, sources: Tensor, targets: Tensor, weights: Tensor, count: int, features: Tensor | None = None
    ) -> None:
        self._sources, self._targets, self._weights, self._count = sources, targets, weights, count
        self._features = features

    def aggregate(self, vectors: Tensor, carry: Carry | None = None) -> Tensor:
        """See `Aggregation`."""
        sums = vectors.new_zeros(self._count, vectors.shape[1])
        sent = vectors.index_select(0, self._sources)
        if carry is not None and self._features is not None:
            sent = carry(sent, self._features)
        return sums.index_add_(0, self._targets, sent.mul_(self._weights[:, None]))

    @property
    def received(self) -> Tensor:
        """See `Aggregation`."""
        return self._weights.new_zeros(self._count, 1).index_add_(0, self._targets, self._weights[:, None])


AnyMessages = TypeVar("AnyMessages", bound=Aggregation)


@dataclass(frozen=True)
class Order:
    """Edges by the rows of one end: CSR whose values are in the order `edges`."""

    #: Where each row's edges begin, (rows + 1,).
    offsets: Tensor
    #: Rows of the other ends, (edges,).
    others: Tensor
    #: Which edges these are, (edges,).
    edges: Tensor

    @classmethod
    def of(cls, rows: Tensor, others: Tensor, count: int) -> "Order":
        """Order edges by `rows`, of which there are `count`."""
        edges = torch.argsort(rows, stable=True)
        return cls(_offsets(rows, count), others[edges], edges)

    def matrix(self, weights: Tensor, columns: int) -> Tensor:
        """Return the edges' weights, (edges,) as the edges are given, as (rows, columns)."""
        return _csr(self.offsets, self.others, weights[self.edges], (len(self.offsets) - 1, columns))


class Adjacency:
    """The structure of one relation: CSR by target row, and its transpose, over the same edges.

    Args:
        sources: row of each edge's source, (edges,).
        targets: row of each edge's target, (edges,).
        source_count: rows of the sources' type.
        target_count: rows of the targets' type.
        orders: the edges by target and by source, where they are known.
    """

    def __init__(
        self,
        sources: Tensor,
        targets: Tensor,
        source_count: int,
        target_count: int,
        orders: tuple[Order, Order] | None = None,
    ) -> None:
        self._shape = (target_count, source_count)
        self._sources, self._targets = sources, targets
        self._by_target, self._by_source = orders or (
            Order.of(targets, sources, target_count),
            Order.of(sources, targets, source_count),
        )

    def mean(self, kept: Tensor | None = None) -> Messages:
        """Return messages that average over each target's edges; `kept` as `norm` takes it."""
        return self.weighted(self.norm(kept))

    def norm(self, kept: Tensor | None = None, *, symmetric: bool = False) -> Tensor:
        """Return the weight of each edge: (edges,).

        Args:
            kept: (edges,), 1 for an edge that carries a message and 0 for one left out; all by default.
            symmetric: 1 / sqrt(d_source d_target) instead of 1 / d_target.
        """
        if kept is None and not symmetric:
            return self._by_target.offsets.diff().clamp(min=1).float().reciprocal()[self._targets]
        weights = torch.ones_like(self._targets, dtype=torch.float32) if kept is None else kept.float()
        incoming = _degrees(weights, self._targets, self._shape[0])
        if not symmetric:
            return weights / incoming
        return weights * (incoming * _degrees(weights, self._sources, self._shape[1])).rsqrt()

    def degrees(self, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return how many edges carry messages at each source and at each target; `kept` as `norm` takes it."""
        weights = torch.ones_like(self._targets, dtype=torch.float32) if kept is None else kept.float()
        ends = zip((self._sources, self._targets), reversed(self._shape), strict=True)
        out, into = (weights.new_zeros(count).index_add_(0, rows, weights) for rows, count in ends)
        return out, into

    def weighted(self, weights: Tensor, features: Tensor | None = None) -> Messages:
        """Return messages with one weight per edge, and features (edges, w), in the order of the edges given."""
        rows, columns = self._shape
        return Messages(
            self._by_target.matrix(weights, columns),
            self._by_source.matrix(weights, rows),
            None if features is None else self._featured(weights, features),
        )

    def _featured(self, weights: Tensor, features: Tensor) -> FeaturedEdges:
        sources, edges = self._by_target.others, self._by_target.edges
        return FeaturedEdges(sources, self._targets[edges], weights[edges], features[edges], self._shape[0])


def both_ways(
    sources: Tensor, targets: Tensor, source_count: int, target_count: int
) -> tuple[Adjacency, Adjacency]:
    """Return the structure of edges and that of their reverse, which share what is in them."""
    by_target, by_source = Order.of(targets, sources, target_count), Order.of(sources, targets, source_count)
    return (
        Adjacency(sources, targets, source_count, target_count, (by_target, by_source)),
        Adjacency(targets, sources, target_count, source_count, (by_source, by_target)),
    )


class _Product(torch.autograd.Function):
    """A sparse product whose transpose is at hand: torch's own backward would build it in each step."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ vectors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradients[0].contiguous(), None, None


def _csr(offsets: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(offsets, columns, values, shape, check_invariants=False)


def _degrees(weights: Tensor, ends: Tensor, count: int) -> Tensor:
    """Return the degree of each edge's end, at least 1: (edges,)."""
    return weights.new_zeros(count).index_add_(0, ends, weights).clamp(min=1)[ends]


def _offsets(rows: Tensor, count: int) -> Tensor:
    offsets = rows.new_zeros(count + 1)
    offsets[1:] = torch.bincount(rows, minlength=count).cumsum(0)
    return offsets


def channel_ends(schema: GraphSchema, labels: int = 0, target: EdgeType | None = None) -> list[tuple[int, int]]:
    """Return source and target node type of each channel of a `MessageGraph`.

    First each edge type forward and in reverse, then the target's so for each of its label columns.
    """
    forward = {edge.type: (schema.node(edge.type.source), schema.node(edge.type.target)) for edge in schema.edges}
    plain = [each for ends in forward.values() for each in (ends, ends[::-1])]
    if target is None:
        return plain
    return plain + [forward[target]] * labels + [forward[target][::-1]] * labels


class MessageGraph:
    """All relations of a graph; of the target edges only those of the training split carry messages.

    Args:
        symmetric: weigh messages by both ends' degrees instead of taking their mean.
        all_edges_alike: weigh messages by 1 / (1 + the edges of all types at their target), for node tasks.
        labels: what the target edges say beside their presence, finite (edges, k): each column is one more channel
            for each direction, whose messages are weighed by it.
        featured: messages have the features of their edges.
    """

    def __init__(
        self,
        data: "TrainingData",
        *,
        symmetric: bool = False,
        all_edges_alike: bool = False,
        labels: Tensor | None = None,
        featured: bool = False,
    ) -> None:
        self._data, self._labels = data, labels
        self.symmetric, self.all_edges_alike = symmetric, all_edges_alike
        joined = {r.edge_type: _joined(r.features) for r in data.relations[::2]} if featured else {}
        self._features = [joined.get(r.edge_type) for r in data.relations]
        self._adjacencies = [
            adjacency
            for r in data.relations[::2]
            for adjacency in both_ways(
                r.sources, r.targets, data.counts[r.source_type], data.counts[r.target_type]
            )
        ]
        #: Per node type: what each edge into a node weighs where all are alike, (rows,).
        self._alike = [1 / (1 + edges) for edges in _edges_at(data)] if all_edges_alike else []
        self._kept = {} if data.task.on_nodes else {s.position: _carriers(s) for s in data.samples}
        self._all = [self._channels(at, self._kept.get(r.edge_type)) for at, r in enumerate(data.relations)]

    def messages(self, left_out: Mapping[int, Tensor] = MappingProxyType({})) -> list[Messages]:
        """Return the messages of each channel, in both directions without the edges left out, by their type."""
        own = list(self._all)
        for at, relation in enumerate(self._data.relations):
            if relation.edge_type in left_out:
                kept = self._kept[relation.edge_type].index_fill(0, left_out[relation.edge_type], 0)
                own[at] = self._channels(at, kept)
        return in_order(own)

    def weights(self, at: int) -> Tensor:
        """Return the weight of each edge of a relation, 0 for one that carries nothing: (edges,)."""
        return self._weights(at, self._kept.get(self._data.relations[at].edge_type))

    def carriers(self, edge_type: int) -> Tensor | None:
        """Return 1 for each edge of a type that carries messages and 0 for others, (edges,); None: all carry."""
        return self._kept.get(edge_type)

    def labels(self, edge_type: int) -> Tensor | None:
        """Return what the edges of a type say beside their presence, (edges, k), if anything."""
        return self._labels if self._labels is not None and edge_type == self._data.samples[0].position else None

    def features(self, at: int) -> Tensor | None:
        """Return the features of a relation's edges, (edges, w), where messages have them."""
        return self._features[at]

    def degrees(self, edge_type: int) -> tuple[Tensor, Tensor]:
        """Return how many edges of a type carry messages at each source and at each target."""
        at = next(at for at, relation in enumerate(self._data.relations) if relation.edge_type == edge_type)
        return self._adjacencies[at].degrees(self._kept.get(edge_type))

    def _weights(self, at: int, kept: Tensor | None) -> Tensor:
        if self.all_edges_alike:
            relation = self._data.relations[at]
            return self._alike[relation.target_type][relation.targets]
        return self._adjacencies[at].norm(kept, symmetric=self.symmetric)

    def _channels(self, at: int, kept: Tensor | None) -> list[Messages]:
        """Return the messages of a relation: all alike first, then one per column of labels."""
        adjacency, weights = self._adjacencies[at], self._weights(at, kept)
        return channels(adjacency, weights, self.labels(self._data.relations[at].edge_type), self._features[at])


def channels(
    adjacency: Adjacency, weights: Tensor, labels: Tensor | None, features: Tensor | None = None
) -> list[Messages]:
    """Return messages with one weight per edge, then those weighed by each column of the edges' labels too."""
    columns = () if labels is None else labels.T
    return [adjacency.weighted(weights, features), *(adjacency.weighted(weights * column) for column in columns)]


def in_order(channels: Sequence[Sequence[AnyMessages]]) -> list[AnyMessages]:
    """Return the channels of each relation as `channel_ends` orders them."""
    return [first for first, *_ in channels] + [m for _, *others in channels for m in others]


def _joined(features: Mapping[str, Tensor]) -> Tensor | None:
    """Return features side by side, (edges, w); None where there are none."""
    columns = list(features.values())
    return (torch.cat(columns, 1) if len(columns) > 1 else columns[0]) if columns else None


def _edges_at(data: "TrainingData") -> list[Tensor]:
    """Return how many edges of all types each node has, (rows,) per node type."""
    found = [torch.zeros(count, device=data.samples[0].ends[0].device) for count in data.counts]
    for relation in data.relations:
        kind = relation.target_type
        found[kind] += torch.bincount(relation.targets, minlength=data.counts[kind])
    return found


def _carriers(samples: "Samples") -> Tensor:
    """Return 1 for edges that carry messages: those of no split, and those of the training split."""
    kept = torch.ones(len(samples.ends[0]), device=samples.ends[0].device)
    for split in ("valid", "test"):
        kept[samples.splits[split]] = 0
    return kept
