"""Message passing, once, for every encoder: weighted sums over edges as products of sparse matrices.

On CPU a CSR product with its transpose at hand is faster than DGL's kernels, forward and backward, the more the
larger the graph (`tests/quality/LOG.md`), and on a GPU it needs no other build of DGL. A layer is `A_r @ h @ W_r`
per relation. The edges' weights are values of the matrix: leaving edges out changes values, not the structure.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from neptuneml_plugin.training.data import Samples, TrainingData


class Messages:
    """One relation's edges with weights, ready to carry messages from sources to targets."""

    def __init__(self, forward: Tensor, backward: Tensor) -> None:
        self._forward = forward
        self._backward = backward

    def aggregate(self, vectors: Tensor) -> Tensor:
        """Return the weighted sum of the sources' vectors: (n_source, d) to (n_target, d)."""
        total: Tensor = _Product.apply(vectors, self._forward, self._backward)
        return total


class Adjacency:
    """The structure of one relation: CSR by target row, and its transpose, over the same edges."""

    def __init__(self, sources: Tensor, targets: Tensor, source_count: int, target_count: int) -> None:
        self._shape = (target_count, source_count)
        self._sources, self._targets = sources, targets
        self._by_target = torch.argsort(targets, stable=True)
        self._by_source = torch.argsort(sources, stable=True)
        self._forward = (_offsets(targets, target_count), sources[self._by_target])
        self._backward = (_offsets(sources, source_count), targets[self._by_source])

    def mean(self, kept: Tensor | None = None) -> Messages:
        """Return messages that average over each target's edges; `kept` as `norm` takes it."""
        return self.weighted(self.norm(kept))

    def norm(self, kept: Tensor | None = None, *, symmetric: bool = False) -> Tensor:
        """Return the weight of each edge: (edges,).

        Args:
            kept: (edges,), 1 for an edge that carries a message and 0 for one left out; all by default.
            symmetric: 1 / sqrt(d_source d_target) instead of 1 / d_target.
        """
        weights = torch.ones_like(self._targets, dtype=torch.float32) if kept is None else kept.float()
        incoming = _degrees(weights, self._targets, self._shape[0])
        if not symmetric:
            return weights / incoming
        return weights * (incoming * _degrees(weights, self._sources, self._shape[1])).rsqrt()

    def weighted(self, weights: Tensor) -> Messages:
        """Return messages with one weight per edge, in the order of the edges given."""
        rows, columns = self._shape
        return Messages(
            _csr(*self._forward, weights[self._by_target], (rows, columns)),
            _csr(*self._backward, weights[self._by_source], (columns, rows)),
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


def channel_ends(data: TrainingData, labels: int) -> list[tuple[int, int]]:
    """Return source and target node type of each channel of a `MessageGraph` with so many label columns."""
    plain = [(relation.source_type, relation.target_type) for relation in data.relations]
    target = data.samples[0].position
    labelled = [ends for ends, r in zip(plain, data.relations, strict=True) if r.edge_type == target]
    return plain + [ends for ends in labelled for _ in range(labels)]


class MessageGraph:
    """All relations of a graph; of the target edges only those of the training split carry messages.

    Args:
        symmetric: weigh messages by both ends' degrees instead of taking their mean.
        labels: what the target edges say beside their presence, finite (edges, k): each column is one more channel
            for each direction, whose messages are weighed by it.
    """

    def __init__(self, data: TrainingData, *, symmetric: bool = False, labels: Tensor | None = None) -> None:
        self._data, self._symmetric, self._labels = data, symmetric, labels
        self._adjacencies = [
            Adjacency(r.sources, r.targets, data.counts[r.source_type], data.counts[r.target_type])
            for r in data.relations
        ]
        self._kept = {} if data.task.on_nodes else {s.position: _carriers(s) for s in data.samples}
        self._all = [self._channels(at, self._kept.get(r.edge_type)) for at, r in enumerate(data.relations)]

    def messages(self, edge_type: int | None = None, left_out: Tensor | None = None) -> list[Messages]:
        """Return the messages of each channel, without the `left_out` edges of one type in both directions."""
        channels = self._all
        if edge_type is not None and left_out is not None:
            kept = self._kept[edge_type].index_fill(0, left_out, 0)
            channels = [
                self._channels(at, kept) if relation.edge_type == edge_type else self._all[at]
                for at, relation in enumerate(self._data.relations)
            ]
        return [first for first, *_ in channels] + [m for _, *others in channels for m in others]

    def _channels(self, at: int, kept: Tensor | None) -> list[Messages]:
        """Return the messages of a relation: all alike first, then one per column of labels."""
        adjacency, columns = self._adjacencies[at], []
        weights = adjacency.norm(kept, symmetric=self._symmetric)
        if self._labels is not None and self._data.relations[at].edge_type == self._data.samples[0].position:
            columns = [weights * column for column in self._labels.T]
        return [adjacency.weighted(each) for each in (weights, *columns)]


def _carriers(samples: Samples) -> Tensor:
    """Return 1 for edges that carry messages: those of no split, and those of the training split."""
    kept = torch.ones(len(samples.ends[0]), device=samples.ends[0].device)
    for split in ("valid", "test"):
        kept[samples.splits[split]] = 0
    return kept
