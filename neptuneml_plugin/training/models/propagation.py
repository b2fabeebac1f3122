"""Predict, then propagate (APPNP; Gasteiger et al., 2019): layers without weights, for as many hops as one likes.

What is learned is made of a vertex alone, and stands before the layers and behind them. These walk: to any edge of
the vertex or to itself, all alike, whatever the edge's type; of a walk each step starts again with some chance.
So that a type of few edges says little, and hops cost no labels.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from neptuneml_plugin.training.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from neptuneml_plugin.training.models.encoder import Described, Hop


class PropagationLayer(nn.Module):
    """One step: h_v' = restart h_v^0 + (1 - restart) (h_v + sum over all edges into v of h_u) / (1 + d_v).

    Messages weigh 1 / (1 + d_v) (`MessageGraph`, `all_edges_alike`), so that what they leave of 1 is v's own part.

    Args:
        ends: source and target node type of each relation.
        restart: weight of the first vectors.
    """

    def __init__(self, ends: Sequence[tuple[int, int]], restart: float) -> None:
        super().__init__()
        self._ends, self._restart = tuple(ends), restart

    def forward(self, vectors: Sequence[Tensor], hop: "Hop", first: Sequence[Tensor]) -> list[Tensor]:
        """Return the new vector of each row; `first` are those that it started with, of the new rows."""
        sums = [torch.zeros_like(h) for h in first]
        received = [h.new_zeros(len(h), 1) for h in first]
        for (source, target), messages in zip(self._ends, hop.messages, strict=True):
            sums[target] = sums[target] + messages.aggregate(vectors[source])
            received[target] = received[target] + messages.received
        own = hop.own(list(vectors))
        return [
            self._restart * start + (1 - self._restart) * (total + (1 - share) * h)
            for start, total, share, h in zip(first, sums, received, own, strict=True)
        ]


def propagates(hyperparameters: Hyperparameters, described: "Described") -> bool:
    """Return whether layers propagate, instead of those of R-GCN."""
    return hyperparameters.restart > 0 and described.task.on_nodes
