"""A processed folder as scripts see it: the DGL graph, and what its rows and columns are."""

import pickle
from pathlib import Path
from typing import Any

import dgl
import torch


class GraphLoader:
    """Reads `graph.bin` and `info.pkl`, which this machine's own processing wrote."""

    def __init__(self, path: str) -> None:
        (self.graph,), _ = dgl.load_graphs(str(Path(path) / "graph.bin"))
        with (Path(path) / "info.pkl").open("rb") as file:
            info: dict[str, Any] = pickle.load(file)  # noqa: S301 - of our own processing
        #: Label -> id -> row.
        self.node2id: dict[str, dict[str, int]] = info["node_id_map"]
        #: Target type -> class index -> value.
        self.label_map: dict[Any, dict[int, Any]] = info["label_map"]
        self.label_properties: dict[Any, str] = info["label_properties"]
        self.is_multilabel: bool = info["is_multilabel"]
        self.node_feat_meta: dict[str, dict[str, dict[str, Any]]] = info["node_feat_meta"]
        self.edge_feat_meta: dict[Any, dict[str, dict[str, Any]]] = info["edge_feat_meta"]

    @property
    def id2node(self) -> dict[str, dict[int, str]]:
        """Label -> row -> id."""
        return {label: {row: name for name, row in rows.items()} for label, rows in self.node2id.items()}

    def get_node_features(self) -> dict[str, dict[str, Any]]:
        """Return the features of each label: tensors (rows, width), or lists of texts that are not encoded."""
        return {
            label: {name: _feature(meta, name, self.graph.nodes[label].data) for name, meta in features.items()}
            for label, features in self.node_feat_meta.items()
        }

    def get_edge_features(self) -> dict[Any, dict[str, Any]]:
        """Return the same of edge types."""
        return {
            kind: {name: _feature(meta, name, self.graph.edges[kind].data) for name, meta in features.items()}
            for kind, features in self.edge_feat_meta.items()
        }


def _feature(meta: dict[str, Any], name: str, data: Any) -> Any:
    if meta["type"] == "raw_feat":
        return meta["raw_feat"]
    column: torch.Tensor = data[name]
    return column
