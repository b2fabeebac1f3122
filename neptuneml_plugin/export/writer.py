"""Columns to Neptune's Gremlin-CSV: ids and texts are always quoted, numbers never, which no CSV library does."""

import hashlib
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.elements import ElementType
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable
from neptuneml_plugin.export.spool import ID, SOURCE, TARGET, Spool, column_name
from neptuneml_plugin.export.values import STRING

SEPARATOR = ";"
_SUFFIX = ".consolidated.csv"
#: Neptune's exporter hashes base names that many file systems would refuse.
_MAX_NAME_BYTES = 250


def file_name(table: TypeTable) -> str:
    """Return a type's file in the export, such as `edges/%28user%29-rated-%28movie%29.consolidated.csv`."""
    # As Java's URLEncoder: it keeps `*` and escapes `~`, unlike Python's.
    base = urllib.parse.quote_plus(table.name, safe="*").replace("~", "%7E") + _SUFFIX
    if len(base) > _MAX_NAME_BYTES:
        base = hashlib.sha1(base.encode(), usedforsecurity=False).hexdigest() + _SUFFIX
    return f"{table.element}/{base}"


def write_csv(spool: Spool, target: Path) -> None:
    """Write the CSV file of every type below `target`.

    Raises:
        UnsupportedOperation: two types would have the same file name.
    """
    _check_names(spool.tables)
    for table in spool.tables:
        path = target / file_name(table)
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.write((",".join(_header(table)) + "\n").encode())
            for frame in spool.frames(table):
                cells = frame.select(_cells(table))
                file.write(cells.write_csv(include_header=False, quote_style="never").encode())


def _check_names(tables: Iterable[TypeTable]) -> None:
    names: dict[str, str] = {}
    for table in tables:
        name = file_name(table)
        if name in names:
            raise UnsupportedOperation(f"{names[name]} and {table.name} would both be written to {name}")
        names[name] = table.name


def _header(table: TypeTable) -> list[str]:
    is_edge = isinstance(table.type, EdgeType)
    tokens = ["~id", "~label", "~from", "~to", "~fromLabels", "~toLabels"] if is_edge else ["~id", "~label"]
    return [*tokens, *(_header_cell(name) for name in table.columns)]


def _header_cell(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if any(sign in name for sign in ',"\r\n') else name


def _cells(table: TypeTable) -> list[pl.Expr]:
    kind: ElementType = table.type
    identifier = _quoted(pl.col(ID))
    if isinstance(kind, EdgeType):
        ends = [_quoted(pl.col(SOURCE)), _quoted(pl.col(TARGET)), _labels(kind.source), _labels(kind.target)]
        tokens = [identifier, _quoted(pl.lit(kind.label)), *ends]
    else:
        tokens = [identifier, _labels(kind)]
    written = [*tokens, *map(_property, table.columns.values())]
    return [cell.alias(str(position)) for position, cell in enumerate(written)]


def _labels(label: str) -> pl.Expr:
    return _quoted(pl.lit(SEPARATOR.join(label.split(MULTI_LABEL_SEPARATOR))))


def _property(column: PropertyColumn) -> pl.Expr:
    cell = pl.col(column_name(column))
    is_text = column.data_type == STRING
    if column.is_multi_value:
        if is_text:
            cell = cell.list.eval(pl.element().str.replace_all(SEPARATOR, "\\" + SEPARATOR, literal=True))
        cell = cell.list.join(SEPARATOR)
    return _quoted(cell) if is_text else cell


def _quoted(text: pl.Expr) -> pl.Expr:
    """Quote a text's cell, inner quotes doubled; nothing at all for the empty text."""
    return pl.when(text != "").then('"' + text.str.replace_all('"', '""', literal=True) + '"')
