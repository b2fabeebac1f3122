"""A network over a vertex's own features and the mean of its neighbours'."""

from typing import Any

import torch
from torch import Tensor, nn


def inputs(graph: Any, label: str) -> Tensor:
    """Return what the network reads of each vertex of a label: (rows, width)."""
    columns = [own_features(graph, label)]
    for source, kind, target in graph.canonical_etypes:
        if target == label:
            sources, targets = graph.edges(etype=(source, kind, target))
            features = own_features(graph, source)
            sums = torch.zeros(graph.num_nodes(label), features.shape[1]).index_add_(0, targets, features[sources])
            counts = torch.bincount(targets, minlength=graph.num_nodes(label)).clamp(min=1)
            columns.append(sums / counts[:, None])
    return torch.cat(columns, 1)


def own_features(graph: Any, label: str) -> Tensor:
    """Return the encoded features of a label, side by side."""
    data = graph.nodes[label].data
    names = sorted(name for name in data if name != "labels" and not name.endswith("_mask"))
    return torch.cat([data[name].float() for name in names], 1)


class Network(nn.Module):
    """Two layers; the first one's output is the embedding."""

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, classes)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings (rows, hidden) and scores (rows, classes)."""
        embeddings = torch.relu(self.first(rows))
        return embeddings, self.second(embeddings)
