"""Scores of edges from the vectors of their ends: of pairs, or of all edges of a graph."""

from typing import Any

import torch
from torch import Tensor, nn


class DistmultDecoder(nn.Module):
    """Scores pairs by sum(u * relation * v).

    Args:
        in_units: width of a vector.
        num_rels: number of edge types.
    """

    def __init__(self, in_units: int, num_rels: int = 1) -> None:
        super().__init__()
        self.w_relation = nn.Parameter(torch.empty(num_rels, in_units))
        nn.init.xavier_uniform_(self.w_relation)

    def forward(self, u: Tensor, v: Tensor, etype_ids: Tensor | None = None) -> Tensor:
        """Map vectors of both ends, (pairs, d), and the numbers of the types, (pairs,), to (pairs,)."""
        if etype_ids is None and len(self.w_relation) > 1:
            raise ValueError(f"there are {len(self.w_relation)} edge types; etype_ids says which a pair is of")
        relation = self.w_relation[0] if etype_ids is None else self.w_relation[etype_ids]
        return (u * relation * v).sum(-1)


class DotProductDecoder(nn.Module):
    """Scores pairs by the product of their ends."""

    def forward(self, u: Tensor, v: Tensor, _: Tensor | None = None) -> Tensor:
        """Map vectors of both ends, (pairs, d), to (pairs,)."""
        return (u * v).sum(-1)


class GraphDistmultDecoder(nn.Module):
    """Scores the edges of a graph by sum(u * relation * v), types numbered as the graph does."""

    def __init__(self, in_units: int, num_rels: int = 1) -> None:
        super().__init__()
        self.w_relation = nn.Parameter(torch.empty(num_rels, in_units))
        nn.init.xavier_uniform_(self.w_relation)

    def forward(self, graph: Any, h: Any) -> Any:
        """Return the scores of all edges, (edges,), by type where there are several; `h` as `_scored` says."""
        return _scored(graph, h, self.w_relation)


class GraphDotProductDecoder(nn.Module):
    """Scores the edges of a graph by the product of their ends."""

    def forward(self, graph: Any, h: Any) -> Any:
        """See `GraphDistmultDecoder`."""
        return _scored(graph, h, None)


def _scored(graph: Any, h: Any, relations: Tensor | None) -> Any:
    """Return the scores of edges; `h` is (nodes, d), by node type where there are several."""
    found = {}
    for number, kind in enumerate(graph.canonical_etypes):
        sources, targets = graph.edges(etype=kind)
        u, v = ((h if isinstance(h, Tensor) else h[label]) for label in (kind[0], kind[2]))
        moved = u[sources] if relations is None else u[sources] * relations[number]
        found[kind] = (moved * v[targets]).sum(-1)
    return found if len(found) > 1 else next(iter(found.values()))
