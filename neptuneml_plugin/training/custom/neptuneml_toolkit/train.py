"""What training scripts call."""

import os
from typing import Any

import torch
from torch import Tensor

from .splits import REVERSE, edge_rows, node_rows
from .utils import get_available_devices

__all__ = [
    "get_all_forward_edges",
    "get_available_devices",
    "get_edge_labels",
    "get_node_labels",
    "get_train_eids",
    "get_train_nids",
    "get_training_config",
    "get_valid_eids",
    "get_valid_nids",
]


def get_training_config() -> tuple[str, str, list[int]]:
    """Return the folder of the data, the one that takes the model, and the devices."""
    return os.environ["SM_CHANNEL_TRAIN"], os.environ["SM_MODEL_DIR"], get_available_devices()


def get_train_nids(g: Any, target_ntype: str | None = None) -> Tensor | None:
    """Return the training nodes."""
    return node_rows(g, "train_mask", target_ntype)


def get_valid_nids(g: Any, target_ntype: str | None = None) -> Tensor | None:
    """Return the validation nodes."""
    return node_rows(g, "valid_mask", target_ntype)


def get_node_labels(g: Any, target_ntype: str | None = None) -> Tensor:
    """Return the labels of all nodes of a type."""
    labels: Tensor = (g.ndata if target_ntype is None else g.nodes[target_ntype].data)["labels"]
    return labels


def get_train_eids(g: Any, target_etype: Any = None, include_reverse_etypes: bool = True) -> Any:  # noqa: FBT001, FBT002
    """Return the training edges, by type."""
    return edge_rows(g, "train", target_etype, reverse=include_reverse_etypes)


def get_valid_eids(g: Any, target_etype: Any = None, include_reverse_etypes: bool = False) -> Any:  # noqa: FBT001, FBT002
    """Return the validation edges, by type."""
    return edge_rows(g, "valid", target_etype, reverse=include_reverse_etypes)


def get_edge_labels(g: Any, target_etype: Any = None) -> Any:
    """Return the labels of all edges of a type."""
    return (g.edata if target_etype is None else g.edges[target_etype].data)["labels"]


def get_all_forward_edges(g: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return sources, targets and numbers of the types of all edges that are not reverse ones."""
    numbered = [(number, kind) for number, kind in enumerate(g.canonical_etypes) if REVERSE not in kind[1]]
    ends = [(*g.edges(etype=kind), number) for number, kind in numbered]
    sources, targets = (torch.cat([each[at] for each in ends]) for at in (0, 1))
    return sources, targets, torch.cat([torch.full_like(each[0], each[2]) for each in ends])
