"""Rows of a split, of nodes and of edges."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

REVERSE = "rev-"


def node_rows(graph: Any, mask: str, label: str | None) -> Tensor | None:
    """Return the nodes in a mask; None where the graph has none of that name."""
    data = graph.ndata if label is None else graph.nodes[label].data
    return torch.nonzero(data[mask].bool())[:, 0] if mask in data else None


def edge_rows(graph: Any, split: str, kind: Any, *, reverse: bool) -> Any:
    """Return the edges in a split's mask: by type, but for a graph of one type.

    With `reverse`, the mask of reverse edges is that of the edges they turn around.
    """
    name = f"{split}_mask"
    masks = {kind: graph.edges[kind].data[name]} if kind else dict(_by_type(graph, name))
    if reverse and not kind:
        masks |= _by_type(graph, f"rev_{name}")
    rows = {each: torch.nonzero(mask.bool())[:, 0] for each, mask in masks.items()}
    return next(iter(rows.values())) if not kind and len(graph.canonical_etypes) == 1 else rows


def _by_type(graph: Any, name: str) -> dict[Any, Tensor]:
    found = graph.edata.get(name, {}) if isinstance(graph.edata, Mapping) else {}
    if isinstance(found, Mapping):
        return {kind: mask for kind, mask in found.items() if mask is not None}
    return {graph.canonical_etypes[0]: found}
