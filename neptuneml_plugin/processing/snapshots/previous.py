"""The processed folder of an earlier snapshot, which a later one goes on from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neptuneml_plugin.artifacts import (
    ENCODERS,
    EdgeSchema,
    EdgeType,
    NodeType,
    ProcessedGraph,
    Target,
    Task,
    edge_folder,
    node_folder,
)
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processed import Columns, ProcessedFolder, open_processed
from neptuneml_plugin.processing.configuration.sources import (
    NodeSource,
)
from neptuneml_plugin.processing.configuration.trainingdata import (
    SPLIT_FILES,
    TrainingData,
)
from neptuneml_plugin.processing.encoders.fitted import Encoder, FittedEncoders, read_encoders
from neptuneml_plugin.processing.reading.exportschema import ExportSchema
from neptuneml_plugin.processing.splits.split import Bools, Ints, Split

Kind = str | EdgeType
#: What to do where a model is to know of a change.
ANEW = "process without a previous snapshot and train again"


@dataclass(frozen=True)
class Previous:
    """An earlier snapshot: its graph, and the encoders that it was encoded with."""

    opened: ProcessedFolder
    encoders: FittedEncoders

    @property
    def record(self) -> ProcessedGraph:
        """Its description."""
        return self.opened.record

    @property
    def edges(self) -> list[EdgeSchema]:
        """Its edge types, those that processing made left out."""
        return [edge for edge in self.record.schema.edges if not edge.built]

    def encoders_of(self, kind: Kind) -> tuple[Encoder, ...]:
        """Return the encoders of a vertex label or edge type, in the order of its features."""
        if isinstance(kind, str):
            return self.encoders.nodes.get(kind, ())
        return dict(self.encoders.edges).get(kind, ())

    def folder_of(self, kind: Kind) -> Path:
        """Return where the arrays of a vertex label or edge type are."""
        schema = self.record.schema
        position = node_folder(schema.node(kind)) if isinstance(kind, str) else edge_folder(schema.edge(kind))
        return self.opened.folder / position

    def split_of(self, kind: Kind, rows: Ints) -> Split:
        """Return the parts of rows of the previous snapshot, (rows,); row -1 was in none."""
        columns = self._columns(kind)
        masks = [_at(columns.masks[part], rows) for part in SPLIT_FILES if part in columns.masks]
        return Split(*masks) if masks else Split(*[np.zeros(len(rows), dtype=bool)] * len(SPLIT_FILES))

    def held_out(self, label: str, rows: Ints) -> Bools:
        """Return which rows of the previous snapshot's vertices were held out, (rows,)."""
        mask = self.opened.held_out(self.record.schema.node(label))
        return np.zeros(len(rows), dtype=bool) if mask is None else _at(mask, rows)

    def _columns(self, kind: Kind) -> Columns:
        schema = self.record.schema
        if isinstance(kind, str):
            return self.opened.node(schema.node(kind))
        return self.opened.edge(schema.edge(kind))


def _at(mask: Bools, rows: Ints) -> Bools:
    found = np.zeros(len(rows), dtype=bool)
    found[rows >= 0] = mask[rows[rows >= 0]]
    return found


def open_previous(folder: Path) -> Previous:
    """Open the folder of an earlier snapshot.

    Raises:
        InvalidData: it is no whole processed folder.
    """
    return Previous(open_processed(folder), read_encoders(folder / ENCODERS))


def same_ids(previous: Previous, recorded: ExportSchema) -> ExportSchema:
    """Return what the export recorded, labels without vertices as they were before.

    Raises:
        InvalidData: the ids of a label have another class than before.
    """
    before = {node.label: node.id_type for node in previous.record.schema.nodes}
    for label, id_type in recorded.id_types.items():
        if before.get(label, id_type) != id_type:
            raise InvalidData(
                f"the ids of '{label}' are of the class {id_type}, in {previous.opened.folder} {before[label]}; "
                f"{ANEW}"
            )
    return replace(recorded, id_types=before | dict(recorded.id_types))


def require_same_target(previous: Previous, data: TrainingData) -> None:
    """Refuse a configuration whose target is another one.

    Raises:
        InvalidData: the task, or what it predicts of which elements, differs.
    """
    before, source = previous.record.target, data.target
    wanted = Target()
    if isinstance(source, NodeSource):
        wanted = Target(node=source.label)
    elif source is not None:
        wanted = Target(edges=(source.type,))
    spec = source.target if source else None
    name = spec.column if spec else None
    if data.task is Task.LINK_PREDICTION:
        wanted = replace(wanted, edges=_links(previous, data))
    if spec and (spec.separator is not None) != before.multi_label:
        raise InvalidData(
            f"target '{spec.column}' has {'several classes' if spec.separator else 'one class'} in a row, in "
            f"{previous.opened.folder} {'several' if before.multi_label else 'one'}; set its separator alike"
        )
    if (data.task, wanted.node, wanted.edges, name) != (
        previous.record.task,
        before.node,
        before.edges,
        before.property_name,
    ):
        raise InvalidData(
            f"the configuration asks for {_asked(data.task, wanted.node, wanted.edges, name)}, "
            f"{previous.opened.folder} was processed for "
            f"{_asked(previous.record.task, before.node, before.edges, before.property_name)}; "
            "give both the same target, or process without a previous snapshot"
        )


def _links(previous: Previous, data: TrainingData) -> tuple[EdgeType, ...]:
    """Return the types whose links are asked for, in the order of the previous snapshot; by default all of it."""
    named = {edge.type for edge in data.edges if edge.target}
    known = [edge.type for edge in previous.edges]
    return (*[kind for kind in known if kind in named or not named], *sorted(named - set(known), key=str))


def _asked(task: Task, node: str | None, edges: Sequence[EdgeType], name: str | None) -> str:
    of = f"'{node}'" if node is not None else ", ".join(map(str, edges))
    return f"{task} of {of}" + (f", property '{name}'" if name else "")


def types_by_kind(previous: Previous) -> dict[Kind, NodeType | EdgeSchema]:
    """Return the types of the previous snapshot, those that processing made left out."""
    nodes: dict[Kind, NodeType | EdgeSchema] = {node.label: node for node in previous.record.schema.nodes}
    return nodes | {edge.type: edge for edge in previous.edges}
