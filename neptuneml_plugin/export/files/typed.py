"""Columns of an export as Parquet holds them: of the type that all their values have, else as text.

Only what `cells.texts` turns back into the very cells of CSV is typed, so that both formats say the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from neptuneml_plugin.cells import texts
from neptuneml_plugin.export.files.spool import Spool, column_name
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable
from neptuneml_plugin.export.values import BOOLEAN, DATE, NUMBERS

_FLOATS = frozenset({"Float", "Double"})
_INTEGERS = frozenset(NUMBERS) - _FLOATS
_MOMENT = pl.Datetime("us", "UTC")
_INSTANT = "%Y-%m-%dT%H:%M:%S%.f%#z"


@dataclass(frozen=True)
class TypedColumn:
    """One column of a Parquet file."""

    #: Over the columns of the spool's frames.
    values: pl.Expr
    kind: pl.DataType = field(default_factory=pl.String)


def typed_column(spool: Spool, table: TypeTable, column: PropertyColumn) -> TypedColumn:
    """Return a property's column; dates are looked at, as some have more digits than a timestamp."""
    text, found = pl.col(column_name(column)), _of_one_kind(set(column.types))
    if found is not None:
        kind, parse = found
        typed = TypedColumn(*_parsed(text, kind, parse, several=column.is_multi_value))
        if kind != _MOMENT or all(_is_exact(frame, typed, text) for frame in spool.frames(table)):
            return typed
    return TypedColumn(text, pl.List(pl.String) if column.is_multi_value else pl.String())


def _of_one_kind(types: set[str]) -> tuple[pl.DataType, Callable[[pl.Expr], pl.Expr]] | None:
    """Return the type of a column whose values have these data types, and how their texts become it."""
    if not types:
        return None
    if types <= _INTEGERS:
        return pl.Int64(), lambda text: text.cast(pl.Int64)
    if types <= _FLOATS:
        return pl.Float64(), lambda text: text.cast(pl.Float64)
    if types == {BOOLEAN}:
        return pl.Boolean(), lambda text: text == "true"
    if types == {DATE}:
        return _MOMENT, lambda text: text.str.to_datetime(_INSTANT, time_unit="us", time_zone="UTC", strict=False)
    return None


def _parsed(
    text: pl.Expr, kind: pl.DataType, parse: Callable[[pl.Expr], pl.Expr], *, several: bool
) -> tuple[pl.Expr, pl.DataType]:
    return (text.list.eval(parse(pl.element())), pl.List(kind)) if several else (parse(text), kind)


def _is_exact(frame: pl.DataFrame, typed: TypedColumn, text: pl.Expr) -> bool:
    both = frame.select(typed.values.alias("typed"), text.alias("text"))
    return texts(both["typed"]).equals(texts(both["text"]), null_equal=True)
