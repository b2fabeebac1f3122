"""Columns to files: Neptune's Gremlin-CSV, its JSON, and Parquet.

In CSV ids and texts are always quoted, numbers never, which no CSV library does.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl
from polars.io.plugins import register_io_source

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.files.spool import ID, SOURCE, TARGET, Spool, column_name
from neptuneml_plugin.export.files.typed import TypedColumn, typed_column
from neptuneml_plugin.export.request.layout import Format, Layout
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable
from neptuneml_plugin.export.values import BOOLEAN, NUMBERS, STRING

#: Data types whose values JSON writes without quotes.
_BARE = frozenset({*NUMBERS, BOOLEAN})
#: Infinity and NaN, which JSON has no numbers for.
_ENDLESS = r"^-?(NaN|Infinity)$"


def write_files(spool: Spool, target: Path, layout: Layout) -> None:
    """Write the file of every type below `target`.

    Raises:
        UnsupportedOperation: two types would have the same file name.
    """
    _check_names(spool.tables, layout)
    for table in spool.tables:
        path = target / layout.file_name(table)
        path.parent.mkdir(exist_ok=True)
        if layout.format is Format.PARQUET:
            _write_parquet(path, spool, table, layout)
        else:
            with path.open("wb") as file:
                write = _write_json if layout.format is Format.JSON else _write_csv
                write(file, spool, table, layout)


def _check_names(tables: Iterable[TypeTable], layout: Layout) -> None:
    names: dict[str, str] = {}
    for table in tables:
        name = layout.file_name(table)
        if name in names:
            raise UnsupportedOperation(f"{names[name]} and {table.name} would both be written to {name}")
        names[name] = table.name


def _write_csv(file: BinaryIO, spool: Spool, table: TypeTable, layout: Layout) -> None:
    cells = list(_cells(table, layout))
    if layout.format is Format.CSV:
        file.write((",".join(_header_cell(cell.name) for cell in cells) + "\n").encode())
    written = [cell.csv.alias(str(position)) for position, cell in enumerate(cells)]
    for frame in spool.frames(table):
        file.write(_lines(frame.select(written)))


def _write_json(file: BinaryIO, spool: Spool, table: TypeTable, layout: Layout) -> None:
    """Write one object per row, without the members that the row lacks."""
    members = pl.concat_str(*_members(table), separator=",", ignore_nulls=True)
    line = pl.concat_str(pl.lit("{"), members, pl.lit("}"))
    for frame in spool.frames(table):
        file.write(_lines(frame.select(line)))


def _lines(cells: pl.DataFrame) -> bytes:
    return cells.write_csv(include_header=False, quote_style="never").encode()


def _write_parquet(path: Path, spool: Spool, table: TypeTable, layout: Layout) -> None:
    tokens = [(cell.name, TypedColumn(cell.text)) for cell in _tokens(table, layout)]
    properties = [(column.name, typed_column(spool, table, column)) for column in table.columns.values()]
    names = [name for name, _ in (*tokens, *properties)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnsupportedOperation(f"{table.name}: '{twice}' would be two columns of one Parquet file; export CSV")
    columns = dict((*tokens, *properties))
    written = [column.values.alias(name) for name, column in columns.items()]

    def frames(*_: object) -> Iterator[pl.DataFrame]:
        return (frame.select(written) for frame in spool.frames(table))

    with path.open("wb") as file:
        schema = {name: column.kind for name, column in columns.items()}
        register_io_source(frames, schema=schema).sink_parquet(file)


@dataclass(frozen=True)
class _Cell:
    """One column of a file: its name, and the text that a row holds there."""

    name: str
    text: pl.Expr
    is_quoted: bool = True

    @property
    def csv(self) -> pl.Expr:
        """The text as CSV holds it: quoted, inner quotes doubled; nothing at all for the empty text."""
        if not self.is_quoted:
            return self.text
        doubled = self.text.str.replace_all('"', '""', literal=True)
        return pl.when(self.text != "").then('"' + doubled + '"')


def _cells(table: TypeTable, layout: Layout) -> Iterator[_Cell]:
    yield from _tokens(table, layout)
    for column in table.columns.values():
        yield _Cell(column.name, _text(column, layout.separator), column.data_type == STRING)


def _tokens(table: TypeTable, layout: Layout) -> Iterator[_Cell]:
    kind = table.type
    yield _Cell("~id", pl.col(ID))
    if isinstance(kind, EdgeType):
        yield _Cell("~label", pl.lit(kind.label))
        yield _Cell("~from", pl.col(SOURCE))
        yield _Cell("~to", pl.col(TARGET))
        yield _Cell("~fromLabels", _labels(kind.source, layout))
        yield _Cell("~toLabels", _labels(kind.target, layout))
    else:
        yield _Cell("~label", _labels(kind, layout))


def _labels(label: str, layout: Layout) -> pl.Expr:
    return pl.lit(layout.separator.join(_parts(label)))


def _parts(label: str) -> list[str]:
    return label.split(MULTI_LABEL_SEPARATOR)


def _text(column: PropertyColumn, separator: str) -> pl.Expr:
    text = _stored(column)
    if not column.is_multi_value:
        return text
    if column.data_type == STRING:
        text = text.list.eval(pl.element().str.replace_all(separator, "\\" + separator, literal=True))
    return text.list.join(separator)


def _header_cell(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(sign in name for sign in ',"\r\n') else name


def _members(table: TypeTable) -> Iterator[pl.Expr]:
    """Return each `"name":value` of a row's JSON; null where the row lacks it."""
    kind = table.type
    yield _member("~id", pl.col(ID))
    if isinstance(kind, EdgeType):
        yield _member("~label", pl.lit(kind.label))
        yield _member("~from", pl.col(SOURCE))
        yield _member("~to", pl.col(TARGET))
        yield _member("~fromLabels", pl.lit(_parts(kind.source)))
        yield _member("~toLabels", pl.lit(_parts(kind.target)))
    else:
        yield _member("~label", pl.lit(_parts(kind)))
    for column in table.columns.values():
        yield _bare_member(column) if column.data_type in _BARE else _member(column.name, _stored(column))


def _member(name: str, value: pl.Expr) -> pl.Expr:
    encoded = pl.struct(value.alias(name)).struct.json_encode()
    return pl.when(value.is_not_null()).then(encoded.str.slice(1).str.head(-1))


def _bare_member(column: PropertyColumn) -> pl.Expr:
    """Return a member whose values stand without quotes, but for those that JSON has no number for."""
    quoted = pl.lit('"${0}"')
    value = _stored(column)
    if column.is_multi_value:
        items = value.list.eval(pl.element().str.replace(_ENDLESS, quoted)).list.join(",")
        value = pl.concat_str(pl.lit("["), items, pl.lit("]"))
    else:
        value = value.str.replace(_ENDLESS, quoted)
    return pl.lit(json.dumps(column.name, ensure_ascii=False) + ":") + value


def _stored(column: PropertyColumn) -> pl.Expr:
    return pl.col(column_name(column))
