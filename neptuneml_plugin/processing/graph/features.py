"""The features of all vertex labels and edge types: their encodings and matrices, and what was left out.

Types are settled for the whole graph first, as the terms of all texts make one vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from neptuneml_plugin.arrays import save_blocks
from neptuneml_plugin.artifacts import EdgeType, FeatureSchema
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.configuration.trainingdata import (
    SPLIT_FILES,
)
from neptuneml_plugin.processing.encoders.columns import Bools, Dropped
from neptuneml_plugin.processing.encoders.fitted import Encoder
from neptuneml_plugin.processing.encoders.fitting import Texts, fit
from neptuneml_plugin.processing.encoders.inference import Inferred, infer
from neptuneml_plugin.processing.graph.facts import CONFIGURED, FeatureFacts, facts_of
from neptuneml_plugin.processing.reading.elements import EdgeTable, NodeTable
from neptuneml_plugin.processing.reading.tables import Column, Rows
from neptuneml_plugin.processing.snapshots.previous import ANEW, Previous
from neptuneml_plugin.trainingdata.features import FeatureSpec

#: Names in the graph's data that are not features.
RESERVED = {"labels"} | {f"{prefix}{part}_mask" for prefix in ("", "rev_") for part in SPLIT_FILES}

#: Numbers that are encoded at a time: 8 MiB of float32.
BLOCK = 1 << 21

AS_BEFORE = "as in the previous snapshot"
NOT_BEFORE = "it has no encoder in the previous snapshot; to use it, " + ANEW

Table = NodeTable | EdgeTable


@dataclass(frozen=True)
class Features:
    """The encoded features of one node label or edge type."""

    encoders: tuple[Encoder, ...] = ()
    #: Name -> texts in row order, of features that are left to custom models.
    raw: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    #: One for each feature that the configuration names, in its order, the target left out.
    facts: tuple[FeatureFacts, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def schema(self) -> tuple[FeatureSchema, ...]:
        """Name, type and width of each."""
        return tuple(FeatureSchema(e.name, e.type, e.width, e.column) for e in self.encoders)


@dataclass(frozen=True)
class _Planned:
    """A feature whose type is settled, or that is left out."""

    requested: FeatureSpec
    spec: FeatureSpec
    reason: str
    dropped: str | None = None
    warnings: tuple[str, ...] = ()
    #: Fitted on an earlier snapshot.
    encoder: Encoder | None = None


@dataclass(frozen=True)
class TablePlan:
    """The features of one table."""

    table: Table
    #: Rows that encoders may learn from.
    training: Bools
    features: tuple[_Planned, ...] = ()
    warnings: tuple[str, ...] = ()

    def training_texts(self) -> Iterator[pl.Series]:
        """Read the columns that share the vocabulary."""
        rows = pl.Series(self.training)
        for planned in self.features:
            if planned.spec.type == "text_tfidf" and self.table.file:
                yield self.table.file.column(planned.spec.column).texts.filter(rows)


@dataclass(frozen=True)
class GraphPlan:
    """The features of all tables, in their order, and what texts are encoded with."""

    tables: tuple[TablePlan, ...]
    texts: Texts


def plan_features(
    tables: Sequence[Table],
    training: Sequence[Bools],
    models: Path | None = None,
    previous: Previous | None = None,
) -> GraphPlan:
    """Settle the type of every feature of a graph.

    Args:
        tables: its vertices and edges.
        training: for each table, the rows that encoders may learn from, (rows,).
        models: folder of text models; None: that of the environment, and installed packages.
        previous: an earlier snapshot, whose features and encoders stay.

    Raises:
        InvalidData: a file cannot be read, or a feature of the previous snapshot is not there.
    """
    plans = tuple(
        _plan(table, rows, models)
        if previous is None
        else _plan_again(table, rows, previous.encoders_of(owner(table)))
        for table, rows in zip(tables, training, strict=True)
    )
    return GraphPlan(plans, Texts(lambda: chain.from_iterable(plan.training_texts() for plan in plans), models))


def write_features(folder: Path, plan: TablePlan, texts: Texts) -> Features:
    """Learn the encoders of a label's or type's features, and write what they make of each row.

    Args:
        folder: takes `<position>.npy` per feature.
        plan: the table and its features.
        texts: of the whole graph.

    Raises:
        InvalidData: a cell does not fit its feature's type.
        PreconditionsFailed: a type needs a text model that is not there.
        OSError: a file could not be written.
    """
    source, file = plan.table.source, plan.table.file
    if source is None or file is None:
        return Features()
    folder.mkdir(parents=True)
    done: list[_Encoded] = []
    for planned in plan.features:
        column = file.column(planned.spec.column)
        done.append(_fit(planned, column, plan, texts))
        encoder = done[-1].encoder
        if encoder is not None:
            _write(folder / f"{sum(one.encoder is not None for one in done) - 1}.npy", encoder, column)
    said = [f"{source.file_name}: {warning}" for one in done for warning in one.warnings()]
    return Features(
        tuple(one.encoder for one in done if one.encoder is not None),
        {one.facts.name: one.raw for one in done if one.raw is not None},
        tuple(one.facts for one in done),
        (*plan.warnings, *said),
    )


def owner(table: Table) -> str | EdgeType:
    """Return the label of vertices, the type of edges."""
    return table.label if isinstance(table, NodeTable) else table.source.type


def _write(path: Path, encoder: Encoder, column: Column) -> None:
    rows = max(1, BLOCK // max(1, encoder.width))
    blocks = (encoder.encode(block) for block in column.blocks(rows))
    save_blocks(path, (len(column.values), encoder.width), np.float32, blocks)


def _plan(table: Table, training: Bools, models: Path | None) -> TablePlan:
    source, file = table.source, table.file
    if source is None or file is None:
        return TablePlan(table, training)
    features: list[_Planned] = []
    warnings = []
    for spec in source.features:
        if source.target and source.target.column == spec.column:
            warnings.append(f"{source.file_name}: '{spec.column}' is the target, so it is no feature")
            continue
        taken = {planned.spec.name for planned in features if planned.dropped is None}
        features.append(_settle(spec, _named(spec, taken), file, models))
    return TablePlan(table, training, tuple(features), tuple(warnings))


def _plan_again(table: Table, training: Bools, encoders: Sequence[Encoder]) -> TablePlan:
    """Plan the features of an earlier snapshot; the configuration says no more than where they are."""
    source = table.source
    target = source.target.column if source and source.target else None
    specs = [spec for spec in source.features if spec.column != target] if source else []
    features = []
    for encoder in encoders:
        spec = next((spec for spec in specs if _encodes(encoder, spec)), None)
        if spec is None:
            raise InvalidData(
                f"feature '{encoder.name}' of {owner(table)} is in the previous snapshot, but not in the "
                f"configuration; name the column '{encoder.column}' among its features, or process without a "
                "previous snapshot"
            )
        specs.remove(spec)
        other = f"feature '{spec.column}' stays {encoder.type} as in the previous snapshot, not {spec.type}"
        warnings = (other,) if spec.type not in {"auto", encoder.type} else ()
        settled = replace(spec, name=encoder.name, type=encoder.type)
        features.append(_Planned(spec, settled, AS_BEFORE, None, warnings, encoder))
    others = [_Planned(spec, spec, CONFIGURED, None if spec.type == "none" else NOT_BEFORE) for spec in specs]
    return TablePlan(table, training, (*features, *others))


def _encodes(encoder: Encoder, spec: FeatureSpec) -> bool:
    """Return whether an encoder was fitted for a feature, whose name may have been taken."""
    return encoder.column == spec.column and encoder.name.startswith(spec.name)


def _settle(requested: FeatureSpec, spec: FeatureSpec, file: Rows, models: Path | None) -> _Planned:
    """Say what `auto` stands for."""
    renamed = f"feature '{requested.name}' is called '{spec.name}', as the name is taken"
    warnings = (renamed,) if requested.name != spec.name else ()
    if spec.type != "auto":
        return _Planned(requested, spec, CONFIGURED, warnings=warnings)
    found = infer(spec, file.column(spec.column), models)
    if isinstance(found, Dropped):
        return _Planned(requested, spec, found.reason, found.reason, warnings)
    return _Planned(requested, found.spec, found.reason, None, (*warnings, *_told(found, spec)))


def _told(found: Inferred, spec: FeatureSpec) -> list[str]:
    return [f"feature '{spec.column}' {found.warning}"] if found.warning else []


def _named(spec: FeatureSpec, taken: set[str]) -> FeatureSpec:
    name = spec.name
    while name in RESERVED or name in taken:
        name += "-feature"
    return replace(spec, name=name)


@dataclass(frozen=True)
class _Encoded:
    planned: _Planned
    facts: FeatureFacts
    encoder: Encoder | None = None
    raw: Sequence[str | None] | None = None

    def warnings(self) -> list[str]:
        return [*self.planned.warnings, *([str(self.facts)] if self.facts.notable else [])]


def _fit(planned: _Planned, column: Column, plan: TablePlan, texts: Texts) -> _Encoded:
    spec = planned.spec
    facts = facts_of(
        owner(plan.table), planned.requested, spec, column, reason=planned.reason, dropped=planned.dropped
    )
    if planned.dropped is not None:
        return _Encoded(planned, facts)
    if spec.type == "none":
        return _Encoded(planned, facts, raw=column.texts.to_list())
    encoder = planned.encoder or fit(spec, column, plan.training, texts)
    if isinstance(encoder, Dropped):
        return _Encoded(planned, replace(facts, chosen=None, dropped=encoder.reason))
    return _Encoded(planned, replace(facts, width=encoder.width), encoder)
