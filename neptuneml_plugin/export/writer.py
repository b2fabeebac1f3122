"""Rows to Neptune's Gremlin-CSV, in bounded memory.

Columns, and whether a property has several values, are known only when the last row has been read. So each type's
rows go to a temporary file of JSON lines first, in first-seen column order and ragged; a second streaming pass
pads and formats them. Python's `csv` cannot write the result: ids and texts are always quoted, numbers never.
"""

import contextlib
import hashlib
import json
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.schema import STRING, PropertyColumn, TypeTable
from neptuneml_plugin.export.source import Element, ElementType, Row
from neptuneml_plugin.export.values import java_text

SEPARATOR = ";"
_SUFFIX = ".consolidated.csv"
#: Neptune's exporter hashes base names that many file systems would refuse.
_MAX_NAME_BYTES = 250

_to_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode

#: One line of a temporary file: id, ids of the ends, cells (None, or the texts of the values).
_Record = tuple[str, list[str], list[list[str] | None]]


def file_name(table: TypeTable) -> str:
    """Return a type's file in the export, such as `edges/%28user%29-rated-%28movie%29.consolidated.csv`."""
    # As Java's URLEncoder: it keeps `*` and escapes `~`, unlike Python's.
    base = urllib.parse.quote_plus(table.name, safe="*").replace("~", "%7E") + _SUFFIX
    if len(base) > _MAX_NAME_BYTES:
        base = hashlib.sha1(base.encode(), usedforsecurity=False).hexdigest() + _SUFFIX
    return f"{table.element}/{base}"


class Spool:
    """Takes rows of all types in any order; `write` then makes the CSV files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tables: dict[ElementType, TypeTable] = {}
        self._buffers: dict[ElementType, list[str]] = {}

    @property
    def tables(self) -> list[TypeTable]:
        """What is known of each type: nodes, then edges, each in first-seen order."""
        return sorted(self._tables.values(), key=lambda table: table.element is Element.EDGE)

    def add(self, row: Row) -> None:
        """Take one row."""
        table = self._tables.get(row.type)
        if table is None:
            table = self._tables[row.type] = TypeTable(row.type)
            self._buffers[row.type] = []
        table.observe_id(row.id)
        cells: list[list[str] | None] = [None] * len(table.columns)
        for name, value in row.properties.items():
            values = _values(value)
            if values is None:
                continue
            column = table.column(name)
            column.observe(values)
            if column.index == len(cells):
                cells.append(None)
            cells[column.index] = [java_text(item) for item in values]
        record = (java_text(row.id), [java_text(end) for end in row.ends], cells)
        self._buffers[row.type].append(_to_json(record))

    def flush(self) -> None:
        """Write what has been taken to the temporary files."""
        for kind, lines in self._buffers.items():
            if lines:
                with self._temporary(kind).open("a", encoding="utf-8", newline="\n") as file:
                    file.write("\n".join(lines) + "\n")
                lines.clear()

    def write(self, target: Path) -> None:
        """Write the CSV file of every type below `target`.

        Raises:
            UnsupportedOperation: two types would have the same file name.
        """
        self.flush()
        names: dict[str, str] = {}
        for table in self.tables:
            name = file_name(table)
            if name in names:
                raise UnsupportedOperation(f"{names[name]} and {table.name} would both be written to {name}")
            names[name] = table.name
            path = target / name
            path.parent.mkdir(exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as file, self._records(table.type) as records:
                _write_rows(file, table, records)
            self._temporary(table.type).unlink()

    def _temporary(self, kind: ElementType) -> Path:
        return self._folder / f"{list(self._tables).index(kind)}.jsonl"

    @contextlib.contextmanager
    def _records(self, kind: ElementType) -> Iterator[Iterator[_Record]]:
        with self._temporary(kind).open(encoding="utf-8", newline="\n") as file:
            yield map(json.loads, file)


def _values(value: Any) -> list[Any] | None:
    """Return a property's values; None where it has none that could be written."""
    if value is None:
        return None
    if not isinstance(value, list):
        return [value]
    present = [item for item in value if item is not None]
    return present if present or not value else None


def _write_rows(file: TextIO, table: TypeTable, records: Iterable[_Record]) -> None:
    columns = list(table.columns.values())
    formats = [_cell_format(column) for column in columns]
    tokens = _token_columns(table.type)
    file.write(",".join([*tokens, *(_header(column.name) for column in columns)]) + "\n")
    label, end_labels = _fixed_cells(table.type)
    padding = [""] * len(columns)
    for identifier, ends, cells in records:
        written = ["" if cell is None else form(cell) for form, cell in zip(formats, cells, strict=False)]
        padded = written + padding[len(written) :]
        file.write(",".join([quoted(identifier), label, *map(quoted, ends), *end_labels, *padded]) + "\n")


def _token_columns(kind: ElementType) -> list[str]:
    if isinstance(kind, EdgeType):
        return ["~id", "~label", "~from", "~to", "~fromLabels", "~toLabels"]
    return ["~id", "~label"]


def _fixed_cells(kind: ElementType) -> tuple[str, list[str]]:
    if isinstance(kind, EdgeType):
        return quoted(kind.label), [_labels_cell(kind.source), _labels_cell(kind.target)]
    return _labels_cell(kind), []


def _labels_cell(label: str) -> str:
    return quoted(SEPARATOR.join(label.split(MULTI_LABEL_SEPARATOR)))


def _header(name: str) -> str:
    return quoted(name) if any(sign in name for sign in ',"\r\n') else name


def quoted(text: str) -> str:
    """Return a text's cell: always quoted, inner quotes doubled; nothing at all for the empty text."""
    return '"' + text.replace('"', '""') + '"' if text else ""


def _cell_format(column: PropertyColumn) -> Callable[[list[str]], str]:
    is_text = column.data_type == STRING
    if column.is_multi_value:
        return _joined_texts if is_text else SEPARATOR.join
    return (lambda values: quoted(values[0])) if is_text else (lambda values: values[0])


def _joined_texts(values: list[str]) -> str:
    return quoted(SEPARATOR.join(value.replace(SEPARATOR, "\\" + SEPARATOR) for value in values))
