"""Label propagation (Zhu and Ghahramani, 2002)."""

from typing import Any

import dgl.function as fn
import torch
from torch import Tensor, nn
from torch.nn import functional

_POWERS = {"DAD": (-0.5, -0.5), "DA": (0.0, -1.0), "AD": (-1.0, 0.0)}


class LabelPropagation(nn.Module):
    """Y' = alpha S Y + (1 - alpha) Y_0, so many times, on a graph of one type.

    Args:
        num_layers: how many times.
        alpha: share that comes from neighbours.
        adj_norm: S, of the adjacency A and the degrees D: `DAD` D^-1/2 A D^-1/2, `DA` D^-1 A, `AD` A D^-1.
    """

    def __init__(self, num_layers: int, alpha: float, adj_norm: str = "DAD") -> None:
        super().__init__()
        if adj_norm not in _POWERS:
            raise ValueError(f"adj_norm is '{adj_norm}', not one of {', '.join(_POWERS)}")
        self.num_layers, self.alpha, self.adj = num_layers, alpha, adj_norm

    @torch.no_grad()
    def forward(
        self,
        g: Any,
        labels: Tensor,
        mask: Tensor | None = None,
        clamp: bool = True,  # noqa: FBT001, FBT002 - the toolkit's signature
    ) -> Tensor:
        """Return the labels of all nodes, (nodes, classes).

        Args:
            g: the graph.
            labels: classes (nodes,), or their columns (nodes, classes).
            mask: whose labels are known; all by default.
            clamp: keep the values between 0 and 1.
        """
        columns = labels.float() if labels.is_floating_point() else functional.one_hot(labels.view(-1)).float()
        known = columns.clone()
        if mask is not None:
            known = torch.zeros_like(columns)
            known[mask] = columns[mask]
        degrees = g.in_degrees().float().clamp(min=1).to(known.device)[:, None]
        before, after = (degrees**power for power in _POWERS[self.adj])
        said = known
        with g.local_scope():
            for _ in range(self.num_layers):
                g.ndata["said"] = said * before
                g.update_all(fn.copy_u("said", "m"), fn.sum("m", "heard"))
                said = self.alpha * g.ndata["heard"] * after + (1 - self.alpha) * known
                said = said.clamp(0, 1) if clamp else said
        return said
