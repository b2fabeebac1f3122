"""Reads one file, CSV or Parquet: its header, its cells as they are, and its cells as text."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from neptuneml_plugin.errors import InvalidData, nearest
from neptuneml_plugin.processing.reading.widths import refuse_uneven

#: How the name of a Parquet file ends; all others are CSV.
PARQUET = ".parquet"


def header(path: Path, delimiter: str) -> list[str]:
    """Return the column names of a file.

    Raises:
        InvalidData: no header, a name twice, or not UTF-8; not Parquet.
    """
    if path.suffix == PARQUET:
        return list(_parquet_schema(path))
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file, delimiter=delimiter), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None
    if not names:
        raise _unreadable(path, "the header is missing")
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise InvalidData(f"{path}: column '{repeated[0]}' stands twice in the header; rename one of them")
    return names


def check_columns(path: Path, delimiter: str, wanted: Sequence[str]) -> None:
    """Refuse a file that lacks a column.

    Raises:
        InvalidData: a column is missing, or the header cannot be read.
    """
    names = header(path, delimiter)
    for name in wanted:
        if name not in names:
            raise InvalidData(f"{path} has no column '{name}'{nearest(name, names)}")


def check_rows(path: Path, delimiter: str) -> None:
    """Refuse a CSV file that has a row of another width than its header.

    Raises:
        InvalidData: with the row.
    """
    if path.suffix != PARQUET:
        refuse_uneven(path, delimiter, len(header(path, delimiter)))


def read_cells(path: Path, delimiter: str, wanted: Sequence[str], rows: int | None = None) -> pl.DataFrame:
    """Return columns: of CSV as text, of Parquet as they are; null where the cell is empty, or no such column.

    Args:
        path: the file.
        delimiter: between the cells of CSV.
        wanted: the columns.
        rows: read so many at most.

    Raises:
        InvalidData: the file is not CSV as RFC 4180 says, or not Parquet.
    """
    names = [name for name in wanted if name in header(path, delimiter)]
    try:
        if path.suffix == PARQUET:
            kinds = _parquet_schema(path)
            cells = pl.scan_parquet(path, glob=False, n_rows=rows).select(_cell(path, n, kinds[n]) for n in names)
        else:
            cells = _scan_csv(path, delimiter, rows).select(_text(name) for name in names)
        frame = cells.collect(engine="streaming") if names else _no_columns(path, delimiter)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from None
    absent = [pl.lit(None).alias(name) for name in wanted if name not in names]
    return frame.with_columns(absent).select(wanted) if absent else frame


def scan_texts(path: Path, delimiter: str, wanted: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """Return what expressions make of the cells as text, a piece of the file at a time.

    Args:
        path: the file.
        delimiter: between the cells of CSV.
        wanted: name of the result -> expression over columns of text, null where the cell is empty.

    Raises:
        InvalidData: the file is not CSV as RFC 4180 says, or not Parquet.
    """
    columns = sorted({column for expression in wanted.values() for column in expression.meta.root_names()})
    try:
        if path.suffix == PARQUET:
            cells = pl.scan_parquet(path, glob=False).select(pl.col(columns).cast(pl.String))
        else:
            cells = _scan_csv(path, delimiter)
        return cells.select(map(_text, columns)).select(**wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from None


def row_count(path: Path, delimiter: str) -> int:
    """Return how many rows a file has."""
    table = pl.scan_parquet(path, glob=False) if path.suffix == PARQUET else _scan_csv(path, delimiter)
    return int(table.select(pl.len()).collect(engine="streaming").item())


def _no_columns(path: Path, delimiter: str) -> pl.DataFrame:
    """Return a frame with as many rows as the file and nothing in them."""
    return pl.DataFrame({"": pl.repeat(None, row_count(path, delimiter), dtype=pl.Null, eager=True)})


def _text(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)


def _scan_csv(path: Path, delimiter: str, rows: int | None = None) -> pl.LazyFrame:
    names = header(path, delimiter)
    # Polars leaves doubled quotes in a header as they are, so the names are ours.
    return pl.scan_csv(
        path, separator=delimiter, infer_schema=False, glob=False, with_column_names=lambda _: names, n_rows=rows
    )


def _cell(path: Path, name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column of Parquet: text, a number, a truth value, a moment in UTC, or lists of these.

    Raises:
        InvalidData: it is none of them.
    """
    column = pl.col(name)
    if isinstance(kind, pl.Array):
        column, kind = column.arr.to_list(), pl.List(kind.inner)
    if isinstance(kind, pl.List):
        items = column.list.eval(_value(path, name, kind.inner, pl.element()).drop_nulls())
        first = items.list.first().cast(pl.String)
        return pl.when((items.list.len() > 1) | (first != "")).then(items).alias(name)
    value = _value(path, name, kind, column)
    return (pl.when(value != "").then(value) if kind == pl.String else value).alias(name)


def _value(path: Path, name: str, kind: object, value: pl.Expr) -> pl.Expr:
    if isinstance(kind, pl.Datetime):
        return value.dt.convert_time_zone("UTC") if kind.time_zone else value.dt.replace_time_zone("UTC")
    if not isinstance(kind, pl.DataType) or kind.is_nested() or kind in {pl.Binary, pl.Object}:
        raise InvalidData(
            f"{path}, column '{name}': holds {kind}; write texts, numbers, truth values, dates, or lists of them"
        )
    is_kept = kind in {pl.Boolean, pl.String} or (kind.is_numeric() and not kind.is_decimal())
    return value if is_kept else value.cast(pl.String)


def _parquet_schema(path: Path) -> Mapping[str, pl.DataType]:
    try:
        return pl.read_parquet_schema(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, reason: object) -> InvalidData:
    form = "Parquet" if path.suffix == PARQUET else "CSV in UTF-8"
    return InvalidData(f"{path} cannot be read as {form}: {str(reason).splitlines()[0]}")
