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
        self._targets = targets
        self._by_target = torch.argsort(targets, stable=True)
        self._by_source = torch.argsort(sources, stable=True)
        self._forward = (_offsets(targets, target_count), sources[self._by_target])
        self._backward = (_offsets(sources, source_count), targets[self._by_source])

    def mean(self, kept: Tensor | None = None) -> Messages:
        """Return messages that average over each target's edges.

        Args:
            kept: (edges,), 1 for an edge that carries a message and 0 for one left out; all by default.
        """
        weights = torch.ones_like(self._targets, dtype=torch.float32) if kept is None else kept.float()
        degrees = weights.new_zeros(self._shape[0]).index_add_(0, self._targets, weights)
        return self.weighted(weights / degrees.clamp(min=1)[self._targets])

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


def _offsets(rows: Tensor, count: int) -> Tensor:
    offsets = rows.new_zeros(count + 1)
    offsets[1:] = torch.bincount(rows, minlength=count).cumsum(0)
    return offsets


class MessageGraph:
    """All relations of a graph; of the target edges only those of the training split carry messages."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data
        self._adjacencies = [
            Adjacency(r.sources, r.targets, data.counts[r.source_type], data.counts[r.target_type])
            for r in data.relations
        ]
        self._kept = {} if data.task.on_nodes else {s.position: _carriers(s) for s in data.samples}
        self._all = [
            adjacency.mean(self._kept.get(relation.edge_type))
            for adjacency, relation in zip(self._adjacencies, data.relations, strict=True)
        ]

    def messages(self, edge_type: int | None = None, left_out: Tensor | None = None) -> list[Messages]:
        """Return the messages, without the `left_out` edges of one type in both directions."""
        if edge_type is None or left_out is None:
            return self._all
        kept = self._kept[edge_type].index_fill(0, left_out, 0)
        return [
            adjacency.mean(kept) if relation.edge_type == edge_type else messages
            for adjacency, relation, messages in zip(
                self._adjacencies, self._data.relations, self._all, strict=True
            )
        ]


def _carriers(samples: Samples) -> Tensor:
    """Return 1 for edges that carry messages: those of no split, and those of the training split."""
    kept = torch.ones(len(samples.ends[0]), device=samples.ends[0].device)
    for split in ("valid", "test"):
        kept[samples.splits[split]] = 0
    return kept
