"""Writes `graph.bin` and `info.pkl` from a processed folder, for custom models of the original.

Both as spec/formats.md B.2 says: a DGL graph with reverse edges, and a pickle of builtins. Our own stages read
neither. Imports torch and DGL, which processing needs for nothing else.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neptuneml_plugin.arrays import Array
from neptuneml_plugin.artifacts import GRAPH, INFO_PICKLE, FeatureSchema, ProcessedGraph
from neptuneml_plugin.dgl_graph import dgl, save_graph
from neptuneml_plugin.processed import Columns, ProcessedFolder
from neptuneml_plugin.processing.graph.native import RawValues

#: Stands in where a node type has no features: the original's models fail without one.
CONSTANT = FeatureSchema("constant", "none", 1)


def write_for_custom_models(folder: Path, record: ProcessedGraph, raw: RawValues) -> None:
    """Write both files into a folder that has its arrays.

    Args:
        folder: the processed folder.
        record: its description.
        raw: values of features that are not encoded.

    Raises:
        OSError: a file could not be written.
    """
    opened = ProcessedFolder(folder, record)
    save_graph(folder / GRAPH, _graph(opened))
    with (folder / INFO_PICKLE).open("wb") as file:
        pickle.dump(_info(opened, raw), file, protocol=4)


def _graph(opened: ProcessedFolder) -> dgl.DGLGraph:
    schema = opened.record.schema
    edges = {}
    for position, edge in enumerate(schema.edges):
        sources, targets = (torch.from_numpy(end.astype(np.int64)) for end in opened.ends(position))
        edges[edge.type.triple] = (sources, targets)
        edges[edge.type.reverse] = (targets, sources)
    graph = dgl.heterograph(edges, num_nodes_dict={node.label: node.count for node in schema.nodes})
    for position, node in enumerate(schema.nodes):
        columns = opened.node(position)
        constant = {} if columns.features else {CONSTANT.name: np.ones((node.count, 1), np.float32)}
        _store(graph.nodes[node.label].data, {**columns.features, **constant, **_answers(columns)})
    for position, edge in enumerate(schema.edges):
        columns = opened.edge(position)
        _store(graph.edges[edge.type.triple].data, {**columns.features, **_answers(columns)})
        masks = {f"rev_{part}_mask": mask for part, mask in columns.masks.items()}
        _store(graph.edges[edge.type.reverse].data, masks)
    return graph


def _answers(columns: Columns) -> dict[str, Array]:
    masks = {f"{part}_mask": mask for part, mask in columns.masks.items()}
    return masks if columns.labels is None else masks | {"labels": columns.labels}


def _store(data: Any, columns: Mapping[str, Array]) -> None:
    for name, column in columns.items():
        data[name] = torch.from_numpy(np.asarray(column))


def _info(opened: ProcessedFolder, raw: RawValues) -> dict[str, Any]:
    target, schema = opened.record.target, opened.record.schema
    kinds = [target.node] if target.node is not None else [edge.triple for edge in target.edges]
    answered = target.property_name is not None
    return {
        "node_id_map": {
            node.label: dict(zip(opened.ids(position).texts(), range(node.count), strict=True))
            for position, node in enumerate(schema.nodes)
        },
        "label_map": {kind: dict(enumerate(target.classes)) for kind in kinds if answered},
        "label_properties": {kind: target.property_name for kind in kinds if answered},
        "is_multilabel": target.multi_label,
        "node_feat_meta": {
            node.label: _meta(node.features or (CONSTANT,), raw.get(node.label, {})) for node in schema.nodes
        },
        "edge_feat_meta": {
            edge.type.triple: _meta(edge.features, raw.get(edge.type, {})) for edge in schema.edges
        },
    }


def _meta(features: Sequence[FeatureSchema], raw: Mapping[str, Sequence[str | None]]) -> dict[str, dict[str, Any]]:
    encoded: dict[str, dict[str, Any]] = {f.name: {"type": f.type, "width": f.width} for f in features}
    return encoded | {name: {"type": "raw_feat", "raw_feat": list(values)} for name, values in raw.items()}
