"""Writes the native graph: ids, ends, features, splits and answers, one type after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.arrays import save_array
from neptuneml_plugin.artifacts import (
    HELD_OUT,
    IDS,
    LATER,
    EdgeSchema,
    EdgeType,
    GraphSchema,
    NodeType,
    edge_folder,
    node_folder,
)
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import write_ids
from neptuneml_plugin.processing.encoders.fitted import FittedEncoders
from neptuneml_plugin.processing.graph.facts import FeatureFacts
from neptuneml_plugin.processing.graph.features import Features, Table, owner, plan_features, write_features
from neptuneml_plugin.processing.reading.elements import Elements, Ints
from neptuneml_plugin.processing.reading.exportschema import ExportSchema
from neptuneml_plugin.processing.snapshots.previous import Previous
from neptuneml_plugin.processing.target import Answers

#: Vertex label or edge type -> feature -> texts in row order.
RawValues = dict[str | EdgeType, Mapping[str, Sequence[str | None]]]


@dataclass(frozen=True)
class Built:
    """What was written."""

    schema: GraphSchema
    encoders: FittedEncoders
    #: What was left out.
    warnings: tuple[str, ...]
    #: One for each feature that the configuration names.
    facts: tuple[FeatureFacts, ...]
    #: What is left to custom models.
    raw: RawValues


def write_graph(
    folder: Path,
    elements: Elements,
    answers: Answers,
    recorded: ExportSchema,
    text_models: Path | None = None,
    previous: Previous | None = None,
) -> Built:
    """Write the arrays that `ProcessedGraph` describes.

    Args:
        folder: takes them.
        elements: the vertices and edges.
        answers: the target and the split.
        recorded: what the export says of its types.
        text_models: folder of text models; None: that of the environment, and installed packages.
        previous: an earlier snapshot, whose encoders stay.

    Raises:
        InvalidData: a cell does not fit its feature's type, or an edge type has the name of another's reverse.
        OSError: a file could not be written.
    """
    refuse_clash([table.source.type for table in elements.edges])
    tables: list[Table] = [*elements.nodes, *elements.edges]
    plan = plan_features(tables, [answers.learnable(table) for table in tables], text_models, previous)
    folders = [folder / node_folder(i) for i in range(len(elements.nodes))]
    folders += [folder / edge_folder(i) for i in range(len(elements.edges))]
    features = []
    for target, table, planned in zip(folders, tables, plan.tables, strict=True):
        features.append(write_features(target / "features", planned, plan.texts))
        _write_answers(target, owner(table), answers)
    for position, node in enumerate(elements.nodes):
        if node.label in answers.held_out:
            folders[position].mkdir(parents=True, exist_ok=True)
            save_array(folders[position] / HELD_OUT, answers.held_out[node.label])
        write_ids(folder / IDS / str(position), node.ids)
    for target, edge in zip(folders[len(elements.nodes) :], elements.edges, strict=True):
        write_ends(target, edge.sources, edge.targets)
        if edge.source.type in answers.later:
            save_array(target / LATER, answers.later[edge.source.type])
    return _built(elements, recorded, features[: len(elements.nodes)], features[len(elements.nodes) :])


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
    facts = tuple(fact for features in (*nodes, *edges) for fact in features.facts)
    raw: RawValues = {kind.label: features.raw for kind, features in zip(node_types, nodes, strict=True)}
    raw |= {kind.type: features.raw for kind, features in zip(edge_types, edges, strict=True)}
    return Built(GraphSchema(tuple(node_types), tuple(edge_types)), encoders, warnings, facts, raw)


def refuse_clash(types: Sequence[EdgeType]) -> None:
    """Refuse edge types that would stand for the reverse of another.

    Raises:
        InvalidData: two types have such names.
    """
    triples = {edge_type.triple for edge_type in types}
    for edge_type in types:
        if edge_type.reverse in triples:
            raise InvalidData(
                f"edge type {edge_type.reverse} has the name of the reverse edges of {edge_type.triple}; rename "
                "one of them, or leave one out of the export"
            )


def write_ends(folder: Path, sources: Ints, targets: Ints) -> None:
    """Write the ends of edges, rows among the nodes of their types.

    Raises:
        OSError: a file could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("sources", sources), ("targets", targets)):
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
