"""The target: its answers and the split of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import EdgeType, Target, Task
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.exportschema import ExportSchema
from neptuneml_plugin.processing.labels import Labels, read_labels
from neptuneml_plugin.processing.splits import Split, link_split, random_split
from neptuneml_plugin.processing.tables import Column, CsvFile, first_null, header, read_columns
from neptuneml_plugin.processing.trainingdata import (
    DEFAULT_SPLIT,
    LINK_PREDICTION,
    EdgeSource,
    LabelSpec,
    NodeSource,
    Rates,
    TrainingData,
)

_EXAMPLES = 3
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


def read_answers(folder: Path, data: TrainingData, elements: Elements, schema: ExportSchema, seed: int) -> Answers:
    """Read the target's values and split its rows.

    Raises:
        InvalidData: no answers, no training rows, or custom split files that do not fit.
    """
    if data.task is Task.LINK_PREDICTION:
        answers = _links(folder, data, elements, seed)
    else:
        tables: list[NodeTable | EdgeTable] = [*elements.nodes, *elements.edges]
        table = next(table for table in tables if table.source is data.target)
        answers = _values(folder, data.task, table, schema, seed)
    if not any(split.train.any() for split in answers.splits.values()):
        raise InvalidData(f"{folder}: no row of the target is left to train on; check its values and the split")
    return answers


def _links(folder: Path, data: TrainingData, elements: Elements, seed: int) -> Answers:
    named = any(source.target for source in data.edges)
    chosen = [edge for edge in elements.edges if edge.source.target or not named]
    splits: dict[str | EdgeType, Split] = {}
    rates = DEFAULT_SPLIT
    for edge in chosen:
        spec = edge.source.target or _ALL_LINKS
        rates = spec.split_rate
        if spec.split_files:
            splits[edge.source.type], _ = _custom_split(folder, edge.source, edge.file, spec)
        else:
            splits[edge.source.type] = link_split(edge.sources, edge.targets, rates, seed)
    target = Target(edges=tuple(edge.source.type for edge in chosen))
    return Answers(Task.LINK_PREDICTION, target, rates, splits)


def _values(folder: Path, task: Task, table: NodeTable | EdgeTable, schema: ExportSchema, seed: int) -> Answers:
    source, file = table.source, table.file
    if source is None or source.target is None or file is None:
        raise InvalidData(f"{folder}: the target's file is gone")
    spec = source.target
    kind = source.label if isinstance(source, NodeSource) else source.type
    values, split = file.column(spec.column).values, None
    if spec.split_files:
        split, overrides = _custom_split(folder, source, file, spec)
        values = overrides.to_frame("new").select(pl.coalesce("new", values)).to_series()
    column = Column(values, source.file_name, spec.column)
    labels = read_labels(spec, column, schema.data_types.get((kind, spec.column)))
    if split is None:
        split = random_split(labels.known, spec.split_rate, seed, labels.groups)
    else:
        split = Split(**{part: mask & labels.known for part, mask in split.masks().items()})
    target = Target(
        node=source.label if isinstance(source, NodeSource) else None,
        edges=(source.type,) if isinstance(source, EdgeSource) else (),
        property_name=spec.column,
        data_type=labels.data_type,
        multi_label=labels.multi_label,
        classes=labels.classes,
    )
    return Answers(task, target, spec.split_rate, {kind: split}, labels)


def _custom_split(
    folder: Path, source: NodeSource | EdgeSource, file: CsvFile, spec: LabelSpec
) -> tuple[Split, pl.Series]:
    """Return the split that the files give, and the answers that they override (null elsewhere).

    Edges are matched by both ends, so parallel edges go together.
    """
    keys = [source.id_column] if isinstance(source, NodeSource) else [source.source_column, source.target_column]
    rows = file.read(keys)
    taken = np.zeros(len(rows), dtype=bool)
    split = Split(taken, taken, taken)
    overrides = pl.Series([None] * len(rows), dtype=pl.String)
    for part, file_name in spec.split_files.items():
        listed = _split_file(folder, file_name, source.delimiter, keys, spec.column)
        _all_known(listed, rows, keys, file_name, source.file_name)
        found = rows.join(listed, on=keys, how="left", maintain_order="left", nulls_equal=False)
        mask = found["listed"].fill_null(value=False).to_numpy()
        if (mask & taken).any():
            row = rows.row(int(np.argmax(mask & taken)))
            raise InvalidData(f"{file_name}: {row} is also in another split file; each may be in one")
        split, taken = replace(split, **{part: mask}), taken | mask
        overrides = overrides.to_frame("old").select(pl.coalesce(found["answer"], "old")).to_series()
    return split, overrides


def _split_file(folder: Path, file_name: str, delimiter: str, keys: list[str], target: str) -> pl.DataFrame:
    """Return the keys that a file lists, with `listed` and, where it has the target's column, `answer`."""
    path = folder / file_name
    has_answer = bool(target) and target in header(path, delimiter)
    frame = read_columns(path, delimiter, [*keys, target] if has_answer else keys)
    for key in keys:
        row = first_null(frame[key])
        if row is not None:
            raise Column(frame[key], file_name, key).fail(row, "the id is missing; every row needs one")
    answer = pl.col(target) if has_answer else pl.lit(None, dtype=pl.String)
    return frame.select(*keys, answer.alias("answer"), listed=True).unique(keys, keep="last", maintain_order=True)


def _all_known(listed: pl.DataFrame, rows: pl.DataFrame, keys: list[str], file_name: str, main: str) -> None:
    unknown = listed.join(rows, on=keys, how="anti", maintain_order="left").select(keys)
    if len(unknown):
        examples = ", ".join(str(row) for row in unknown.head(_EXAMPLES).rows())
        raise InvalidData(
            f"{file_name}: {len(unknown)} of {len(listed)} rows are not in {main} (such as {examples}); remove "
            "them, or export the same graph again"
        )
