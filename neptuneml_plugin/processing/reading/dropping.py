"""Leaves out the rows that a feature with `on_error: drop-row` says to: vertices with their edges, and edges."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.columns import Bools, finite_numbers, list_length, number_matrix
from neptuneml_plugin.processing.encoders.datetimes import dates_of
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.trainingdata.features import DROP_ROW, FeatureSpec


def drop_rows(elements: Elements) -> tuple[Elements, tuple[str, ...]]:
    """Return the elements that stay, and what was left out.

    Raises:
        InvalidData: no edge stays.
    """
    before: list[NodeTable | EdgeTable] = [*elements.nodes, *elements.edges]
    if not any(spec.on_error == DROP_ROW for table in before for spec in _features(table)):
        return elements, ()
    kept = {table.label: _kept(table) for table in elements.nodes}
    nodes = tuple(_stay(table, kept[table.label]) for table in elements.nodes)
    edges = tuple(_stay_connected(table, kept) for table in elements.edges)
    if not any(len(table) for table in edges):
        left_out = "; ".join(_notes(before, [*nodes, *edges]))
        raise InvalidData(f"no edge is left: {left_out}; choose on_error 'coerce' or 'impute' for these features")
    return Elements(nodes, edges), tuple(_notes(before, [*nodes, *edges]))


def fits(spec: FeatureSpec, column: Column) -> Bools:
    """Return which rows have a value that the feature's type can encode, (rows,)."""
    if spec.type in {"numerical", "vector", "bucket_numerical"}:
        if spec.separator is not None:
            matrix = number_matrix(column, spec.separator, list_length(spec, column), coerce=True)
            whole: Bools = np.all(np.isfinite(matrix), axis=1)
            return whole
        return finite_numbers(column, coerce=True).is_not_null().to_numpy()
    values = dates_of(column, coerce=True) if spec.type == "datetime" else column.values
    return values.is_not_null().to_numpy()


def _features(table: NodeTable | EdgeTable) -> tuple[FeatureSpec, ...]:
    return table.source.features if table.source else ()


def _kept(table: NodeTable | EdgeTable) -> Bools:
    rows = np.ones(len(table), dtype=bool)
    for spec in _features(table):
        if spec.on_error == DROP_ROW and table.file:
            rows &= fits(spec, table.file.column(spec.column))
    return rows


def _stay(table: NodeTable, rows: Bools) -> NodeTable:
    file = table.file and table.file.at(_positions(rows))
    return replace(table, ids=table.ids.filter(pl.Series(rows)), file=file)


def _stay_connected(table: EdgeTable, kept: Mapping[str, Bools]) -> EdgeTable:
    source, target = kept[table.source.type.source], kept[table.source.type.target]
    rows = _kept(table) & source[table.sources] & target[table.targets]
    # A vertex's new row is the number of those kept before it.
    sources, targets = (np.cumsum(ends) - 1 for ends in (source, target))
    file = table.file.at(_positions(rows))
    return EdgeTable(table.source, file, sources[table.sources[rows]], targets[table.targets[rows]])


def _positions(rows: Bools) -> pl.Series:
    return pl.Series(np.flatnonzero(rows))


def _notes(before: list[NodeTable | EdgeTable], after: list[NodeTable | EdgeTable]) -> list[str]:
    return [
        f"{old.source.file_name}: {len(old) - len(new)} of {len(old)} rows are left out (on_error 'drop-row')"
        for old, new in zip(before, after, strict=True)
        if old.source and len(new) < len(old)
    ]
