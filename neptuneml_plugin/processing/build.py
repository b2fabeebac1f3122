"""Writes the native graph: ids, ends, features, splits and answers, one type after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.arrays import save_array
from neptuneml_plugin.artifacts import IDS, EdgeSchema, EdgeType, GraphSchema, NodeType, edge_folder, node_folder
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import write_ids
from neptuneml_plugin.processing.elements import EdgeTable, Elements, Ints
from neptuneml_plugin.processing.encoders import FittedEncoders
from neptuneml_plugin.processing.exportschema import ExportSchema
from neptuneml_plugin.processing.features import Features, write_features
from neptuneml_plugin.processing.target import Answers


@dataclass(frozen=True)
class Built:
    """What was written."""

    schema: GraphSchema
    encoders: FittedEncoders
    #: What was left out.
    warnings: tuple[str, ...]


def write_graph(folder: Path, elements: Elements, answers: Answers, recorded: ExportSchema) -> Built:
    """Write the arrays that `ProcessedGraph` describes.

    Raises:
        InvalidData: a cell does not fit its feature's type, or an edge type has the name of another's reverse.
        OSError: a file could not be written.
    """
    _refuse_clash([table.source.type for table in elements.edges])
    nodes, edges = [], []
    for position, node in enumerate(elements.nodes):
        target = folder / node_folder(position)
        nodes.append(write_features(target / "features", node, _learnable(node.label, len(node), answers)))
        _write_answers(target, node.label, answers)
        write_ids(folder / IDS / str(position), node.ids.to_list())
    for position, edge in enumerate(elements.edges):
        target = folder / edge_folder(position)
        edges.append(write_features(target / "features", edge, _learnable(edge.source.type, len(edge), answers)))
        _write_answers(target, edge.source.type, answers)
        _write_ends(target, edge)
    return _built(elements, recorded, nodes, edges)


def _built(
    elements: Elements, recorded: ExportSchema, nodes: Sequence[Features], edges: Sequence[Features]
) -> Built:
    node_types = [
        NodeType(table.label, len(table), recorded.id_type(table.label), features.schema)
        for table, features in zip(elements.nodes, nodes, strict=True)
    ]
    edge_types = [
        EdgeSchema(table.source.type, len(table), features.schema)
        for table, features in zip(elements.edges, edges, strict=True)
    ]
    encoders = FittedEncoders(
        {kind.label: features.encoders for kind, features in zip(node_types, nodes, strict=True)},
        tuple((kind.type, features.encoders) for kind, features in zip(edge_types, edges, strict=True)),
    )
    warnings = tuple(warning for features in (*nodes, *edges) for warning in features.warnings)
    return Built(GraphSchema(tuple(node_types), tuple(edge_types)), encoders, warnings)


def _refuse_clash(types: Sequence[EdgeType]) -> None:
    triples = {edge_type.triple for edge_type in types}
    for edge_type in types:
        if edge_type.reverse in triples:
            raise InvalidData(
                f"edge type {edge_type.reverse} has the name of the reverse edges of {edge_type.triple}; rename "
                "one of them, or leave one out of the export"
            )


def _learnable(kind: str | EdgeType, rows: int, answers: Answers) -> npt.NDArray[np.bool_]:
    """Return the rows that encoders may learn from: those of the target's type that are not held out."""
    split = answers.splits.get(kind)
    return np.ones(rows, dtype=bool) if split is None else split.learnable


def _write_ends(folder: Path, table: EdgeTable) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("sources", table.sources), ("targets", table.targets)):
        save_array(folder / f"{name}.npy", _narrow(rows))


def _narrow(rows: Ints) -> npt.NDArray[np.int32 | np.int64]:
    fits = not len(rows) or int(rows.max()) <= np.iinfo(np.int32).max
    return rows.astype(np.int32 if fits else np.int64)


def _write_answers(folder: Path, kind: str | EdgeType, answers: Answers) -> None:
    split = answers.splits.get(kind)
    if split is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for part, mask in split.masks().items():
        save_array(folder / f"{part}_mask.npy", mask)
    if answers.labels is not None:
        save_array(folder / "labels.npy", answers.labels.values)
