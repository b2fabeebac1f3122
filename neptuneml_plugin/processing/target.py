"""The target: its answers and the split of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import EdgeType, SplitReport, Target, Task
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.sources import (
    EdgeSource,
    LabelSpec,
    NodeSource,
    Rates,
)
from neptuneml_plugin.processing.configuration.trainingdata import (
    DEFAULT_SPLIT,
    TrainingData,
)
from neptuneml_plugin.processing.labels import Labels, read_labels
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.reading.exportschema import ExportSchema
from neptuneml_plugin.processing.snapshots.arranging import Arranged
from neptuneml_plugin.processing.splits import splitreport
from neptuneml_plugin.processing.splits.dealing import Dealt, deal_edges, deal_nodes
from neptuneml_plugin.processing.splits.later import Timed, later_edges
from neptuneml_plugin.processing.splits.redealing import deal_edges_again, deal_nodes_again
from neptuneml_plugin.processing.splits.split import Bools, Split
from neptuneml_plugin.processing.splits.splitfiles import read_split
from neptuneml_plugin.trainingdata.splits import INDUCTIVE, LINK_PREDICTION, TIME

_ALL_LINKS = LabelSpec("", LINK_PREDICTION, DEFAULT_SPLIT)


@dataclass(frozen=True)
class Answers:
    """What is predicted, and which rows say what."""

    task: Task
    target: Target
    split_rate: Rates
    #: Target type -> its split: one vertex label, or one or more edge types.
    splits: Mapping[str | EdgeType, Split] = field(default_factory=dict)
    #: None for link prediction.
    labels: Labels | None = None
    #: Vertex label -> vertices that training must not see at all, (rows,); inductive splits only.
    held_out: Mapping[str, Bools] = field(default_factory=dict)
    #: One per target type.
    reports: tuple[SplitReport, ...] = ()
    warnings: tuple[str, ...] = ()
    #: Edge type -> edges later than the training rows, (edges,); splits by time only.
    later: Mapping[EdgeType, Bools] = field(default_factory=dict)

    def learnable(self, table: NodeTable | EdgeTable) -> Bools:
        """Return the rows that encoders may learn from, (rows,)."""
        kind = table.label if isinstance(table, NodeTable) else table.source.type
        split = self.splits.get(kind)
        rows = np.ones(len(table), dtype=bool) if split is None else split.learnable
        if isinstance(table, NodeTable):
            return rows & ~self.held_out[table.label] if table.label in self.held_out else rows
        for label, ends in ((table.source.type.source, table.sources), (table.source.type.target, table.targets)):
            if label in self.held_out:
                rows = rows & ~self.held_out[label][ends]
        return rows


def read_answers(
    folder: Path,
    data: TrainingData,
    elements: Elements,
    schema: ExportSchema,
    seed: int,
    arranged: Arranged | None = None,
) -> Answers:
    """Read the target's values and split its rows.

    Args:
        folder: the export.
        data: its configuration.
        elements: the vertices and edges.
        schema: what the export says of its types.
        seed: of the split.
        arranged: where the elements stood in the previous snapshot, if there is one.

    Raises:
        InvalidData: no answers, no training rows, or custom split files that do not fit.
    """
    if data.task is Task.LINK_PREDICTION:
        answers = _links(folder, data, elements, seed, arranged)
    else:
        tables: list[NodeTable | EdgeTable] = [*elements.nodes, *elements.edges]
        table = next(table for table in tables if table.source is data.target)
        answers = _values(folder, data.task, table, elements, schema, seed, arranged)
    if not any(split.train.any() for split in answers.splits.values()):
        parts = splitreport.NAMES.items()
        rows = ", ".join(f"{name} {sum(report.rows[part] for report in answers.reports)}" for part, name in parts)
        raise InvalidData(
            f"{folder}: no row of the target is left to train on ({rows}); check its values, and its split "
            "rate or split files"
        )
    return _with_later(answers, elements)


def _with_later(answers: Answers, elements: Elements) -> Answers:
    """Note which edges came about after the training rows of a split by time."""
    tables: list[NodeTable | EdgeTable] = [*elements.nodes, *elements.edges]
    by_kind = {table.label if isinstance(table, NodeTable) else table.source.type: table for table in tables}
    specs = {kind: table.source.target for kind, table in by_kind.items() if table.source}
    timed = [Timed(by_kind[kind], specs.get(kind) or _ALL_LINKS, split) for kind, split in answers.splits.items()]
    found = later_edges(elements, timed)
    counts = {str(kind): int(rows.sum()) for kind, rows in found.edges.items()}
    reports = tuple(replace(report, later=counts if report.kind == TIME else {}) for report in answers.reports)
    warnings = (*answers.warnings, *found.warnings)
    return replace(answers, later=found.edges, reports=reports, warnings=warnings)


def _links(folder: Path, data: TrainingData, elements: Elements, seed: int, arranged: Arranged | None) -> Answers:
    named = any(source.target for source in data.edges)
    chosen = [edge for edge in elements.edges if edge.source.target or not named]
    splits: dict[str | EdgeType, Split] = {}
    held_out: dict[str, Bools] = {}
    reports: dict[str | EdgeType, SplitReport] = {}
    warnings: list[str] = []
    for together in _groups(chosen):
        spec = together[0].source.target or _ALL_LINKS
        dealt = _dealt_links(folder, together, elements, spec, seed, arranged)
        held_out |= dealt.held_out
        ends = np.cumsum([len(edge) for edge in together]).tolist()
        for edge, end in zip(together, ends, strict=True):
            split = dealt.split.part(end - len(edge), end)
            found = splitreport.report(edge, spec, dealt, split, None, seed)
            splits[edge.source.type], reports[edge.source.type] = split, found
            warnings += splitreport.doubts(found, spec, ())
            warnings += _twins(edge, elements, spec, split)
            warnings += splitreport.mirrored(edge, elements, split) if spec.split.keep_pairs and named else []
    kinds = tuple(edge.source.type for edge in chosen)
    return Answers(
        Task.LINK_PREDICTION,
        Target(edges=kinds),
        (chosen[-1].source.target or _ALL_LINKS).split_rate,
        {kind: splits[kind] for kind in kinds},
        held_out=held_out,
        reports=tuple(reports[kind] for kind in kinds),
        warnings=tuple(warnings),
    )


def _groups(edges: Sequence[EdgeTable]) -> list[list[EdgeTable]]:
    """Return the target types in groups that are dealt out together.

    Vertices are held out of all types alike, and a pair of vertices may be joined either way under one label.

    Raises:
        InvalidData: types of one group ask for different splits.
    """
    groups: dict[object, list[EdgeTable]] = {}
    specs = [edge.source.target or _ALL_LINKS for edge in edges]
    inductive = any(spec.split.kind == INDUCTIVE for spec in specs)
    for edge, spec in zip(edges, specs, strict=True):
        kind = edge.source.type
        mirrors = spec.split.keep_pairs and not spec.split_files
        key = (frozenset((kind.source, kind.target)), kind.label) if mirrors else kind
        groups.setdefault(None if inductive else key, []).append(edge)
    for group in groups.values():
        _same_split(group)
    return list(groups.values())


def _same_split(group: Sequence[EdgeTable]) -> None:
    first, *others = group
    wanted = first.source.target or _ALL_LINKS
    for other in others:
        spec = other.source.target or _ALL_LINKS
        if (spec.split, spec.split_rate, spec.split_files) != (
            wanted.split,
            wanted.split_rate,
            wanted.split_files,
        ):
            why = "an inductive split holds out vertices of all target types alike"
            if INDUCTIVE not in {wanted.split.kind, spec.split.kind}:
                why = 'they join the same vertices, so pairs stay together; or say "keep_pairs": false in both'
            raise InvalidData(
                f"{first.source.type.triple} and {other.source.type.triple} are dealt out together but ask for "
                f"different splits; give both the same split and split_rate: {why}"
            )


def _dealt_links(
    folder: Path,
    edges: Sequence[EdgeTable],
    elements: Elements,
    spec: LabelSpec,
    seed: int,
    arranged: Arranged | None,
) -> Dealt:
    if spec.split_files:
        return Dealt(read_split(folder, edges[0].source, edges[0].file, spec)[0])
    count = sum(len(edge) for edge in edges)
    deal = deal_edges if arranged is None else partial(deal_edges_again, arranged)
    return deal(edges, elements, spec, np.ones(count, dtype=bool), np.zeros(count, dtype=np.int64), seed)


def _values(
    folder: Path,
    task: Task,
    table: NodeTable | EdgeTable,
    elements: Elements,
    schema: ExportSchema,
    seed: int,
    arranged: Arranged | None,
) -> Answers:
    source, file = table.source, table.file
    if source is None or source.target is None or file is None:
        raise InvalidData(f"{folder}: the target's file is gone")
    spec = source.target
    kind = source.label if isinstance(source, NodeSource) else source.type
    column, given = file.column(spec.column), None
    if spec.split_files:
        given, overrides = read_split(folder, source, file, spec)
        values = overrides.to_frame("new").select(pl.coalesce("new", column.texts)).to_series()
        column = replace(column, values=values)
    before = arranged.previous.record.target if arranged else None
    data_type = before.data_type if before else schema.data_types.get((kind, spec.column))
    labels = read_labels(spec, column, data_type, before.classes if before else ())
    dealt = _dealt(table, elements, spec, labels, given, seed, arranged)
    found = splitreport.report(table, spec, dealt, dealt.split, labels, seed)
    warnings = [*splitreport.doubts(found, spec, labels.classes), *splitreport.copies(table, spec)]
    warnings += splitreport.new_classes(labels, spec)
    if isinstance(table, EdgeTable):
        warnings += _twins(table, elements, spec, dealt.split)
    target = Target(
        node=source.label if isinstance(source, NodeSource) else None,
        edges=(source.type,) if isinstance(source, EdgeSource) else (),
        property_name=spec.column,
        data_type=labels.data_type,
        multi_label=labels.multi_label,
        classes=labels.classes,
    )
    return Answers(
        task, target, spec.split_rate, {kind: dealt.split}, labels, dealt.held_out, (found,), tuple(warnings)
    )


def _dealt(
    table: NodeTable | EdgeTable,
    elements: Elements,
    spec: LabelSpec,
    labels: Labels,
    given: Split | None,
    seed: int,
    arranged: Arranged | None,
) -> Dealt:
    if given is not None:
        split = given.among(labels.known)
        inductive = spec.split.kind == INDUCTIVE and isinstance(table, NodeTable)
        return Dealt(split, {table.label: ~split.learnable} if inductive and isinstance(table, NodeTable) else {})
    if isinstance(table, NodeTable):
        deal = deal_nodes if arranged is None else partial(deal_nodes_again, arranged)
        return deal(table, spec, labels.known, labels.groups, seed)
    deal_all = deal_edges if arranged is None else partial(deal_edges_again, arranged)
    return deal_all([table], elements, spec, labels.known, labels.groups, seed)


def _twins(edge: EdgeTable, elements: Elements, spec: LabelSpec, split: Split) -> list[str]:
    """Warn of pairs that custom split files tear apart."""
    if not spec.split_files or not spec.split.keep_pairs:
        return []
    torn = splitreport.torn_pairs(edge, elements, split)
    return [splitreport.torn_warning(edge.source.file_name, torn)] if torn else []
