"""Puts elements, features and answers together: the DGL graph and its description."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neptuneml_plugin.artifacts import EdgeSchema, EdgeType, GraphSchema, NodeType
from neptuneml_plugin.dgl_graph import dgl
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.encoders import FittedEncoders
from neptuneml_plugin.processing.exportschema import ExportSchema
from neptuneml_plugin.processing.features import Features, encode_features
from neptuneml_plugin.processing.target import Answers


@dataclass(frozen=True)
class Encoded:
    """Elements with their features, in the same order."""

    elements: Elements
    nodes: tuple[Features, ...]
    edges: tuple[Features, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out."""
        return tuple(warning for features in (*self.nodes, *self.edges) for warning in features.warnings)

    def fitted(self) -> FittedEncoders:
        """Return the encoders by label and type."""
        nodes = {table.label: f.encoders for table, f in zip(self.elements.nodes, self.nodes, strict=True)}
        edges = [(table.source.type, f.encoders) for table, f in zip(self.elements.edges, self.edges, strict=True)]
        return FittedEncoders(nodes, tuple(edges))

    def schema(self, recorded: ExportSchema) -> GraphSchema:
        """Return the graph's schema."""
        nodes = [
            NodeType(table.label, len(table), recorded.id_type(table.label), features.schema)
            for table, features in zip(self.elements.nodes, self.nodes, strict=True)
        ]
        edges = [
            EdgeSchema(table.source.type, len(table), features.schema)
            for table, features in zip(self.elements.edges, self.edges, strict=True)
        ]
        return GraphSchema(tuple(nodes), tuple(edges))


def encode(elements: Elements, answers: Answers) -> Encoded:
    """Learn and apply all encoders; those of the target's type learn from rows that are not held out."""
    return Encoded(
        elements,
        tuple(_encode(table, table.label, answers) for table in elements.nodes),
        tuple(_encode(table, table.source.type, answers) for table in elements.edges),
    )


def _encode(table: NodeTable | EdgeTable, kind: str | EdgeType, answers: Answers) -> Features:
    split = answers.splits.get(kind)
    learnable = np.ones(len(table), dtype=bool) if split is None else split.learnable
    return encode_features(table, learnable)


def build_graph(encoded: Encoded, answers: Answers) -> dgl.DGLGraph:
    """Return the graph that `ProcessedGraph` describes.

    Raises:
        InvalidData: an edge type has the name of another one's reverse.
    """
    elements = encoded.elements
    edges = {}
    for table in elements.edges:
        sources, targets = torch.from_numpy(table.sources), torch.from_numpy(table.targets)
        edges[table.source.type.triple] = (sources, targets)
        edges[table.source.type.reverse] = (targets, sources)
    if len(edges) < 2 * len(elements.edges):
        _name_clash([table.source.type for table in elements.edges])
    graph = dgl.heterograph(edges, num_nodes_dict={table.label: len(table) for table in elements.nodes})
    for node_table, features in zip(elements.nodes, encoded.nodes, strict=True):
        _store(graph.nodes[node_table.label].data, features.matrices or {})
        _store(graph.nodes[node_table.label].data, _answers_of(node_table.label, answers))
    for table, features in zip(elements.edges, encoded.edges, strict=True):
        edge_type = table.source.type
        columns = _answers_of(edge_type, answers)
        _store(graph.edges[edge_type.triple].data, features.matrices or {})
        _store(graph.edges[edge_type.triple].data, columns)
        masks = {f"rev_{name}": column for name, column in columns.items() if name != "labels"}
        _store(graph.edges[edge_type.reverse].data, masks)
    return graph


def _name_clash(types: Sequence[EdgeType]) -> None:
    triples = {edge_type.triple for edge_type in types}
    clash = next(edge_type for edge_type in types if edge_type.reverse in triples)
    raise InvalidData(
        f"edge type {clash.reverse} has the name of the reverse edges of {clash.triple}; rename one of them, or "
        "leave one out of the export"
    )


def _answers_of(kind: str | EdgeType, answers: Answers) -> dict[str, Any]:
    if kind not in answers.splits:
        return {}
    columns: dict[str, Any] = {f"{part}_mask": mask for part, mask in answers.splits[kind].masks().items()}
    if answers.labels is not None:
        columns["labels"] = answers.labels.values
    return columns


def _store(data: Any, columns: Mapping[str, Any]) -> None:
    for name, column in columns.items():
        data[name] = torch.from_numpy(np.ascontiguousarray(column))


def write_info(path: Path, encoded: Encoded, answers: Answers) -> None:
    """Write `info.pkl` as custom models of the original read it (spec/formats.md B.2): builtins only."""
    target = answers.target
    kinds = [target.node] if target.node is not None else [edge.triple for edge in target.edges]
    answered = answers.labels is not None
    info = {
        "node_id_map": {
            table.label: {text: row for row, text in enumerate(table.ids.to_list())}
            for table in encoded.elements.nodes
        },
        "label_map": {kind: dict(enumerate(target.classes)) for kind in kinds if answered},
        "label_properties": {kind: target.property_name for kind in kinds if answered},
        "is_multilabel": target.multi_label,
        "node_feat_meta": {
            table.label: _meta(features)
            for table, features in zip(encoded.elements.nodes, encoded.nodes, strict=True)
        },
        "edge_feat_meta": {
            table.source.type.triple: _meta(features)
            for table, features in zip(encoded.elements.edges, encoded.edges, strict=True)
        },
    }
    with path.open("wb") as file:
        pickle.dump(info, file, protocol=4)


def _meta(features: Features) -> dict[str, dict[str, Any]]:
    return {feature.name: {"type": feature.type, "width": feature.width} for feature in features.schema}
