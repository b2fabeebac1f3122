"""Blocks of rows in columns: what every reader hands over, and what the export works on from then on.

A column is put together from *parts*, the values of one data type each in the order of the rows, so that nothing
looks at one value after another but the conversion of what a driver has decoded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.cells import texts
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.elements import ElementType, Keys, Row
from neptuneml_plugin.export.values import STRING, java_class, java_text, storage, stored

#: Values per row; -1: the row lacks the property.
Sizes = npt.NDArray[np.int64]
_ABSENT = -1


@dataclass(frozen=True)
class Cells:
    """One property of a block's rows."""

    name: str
    #: String, or List(String) where a row has several values or none; null where a row lacks the property.
    values: pl.Series
    #: The data type of all values, or a column as `values` that holds each one's.
    types: str | pl.Series

    def where(self, mask: pl.Series) -> "Cells":
        """Return the rows for which `mask` is true."""
        types = self.types if isinstance(self.types, str) else self.types.filter(mask)
        return replace(self, values=self.values.filter(mask), types=types)


@dataclass(frozen=True)
class Block:
    """Rows of one node label or one edge type."""

    type: ElementType
    #: Java class of the ids.
    id_type: str
    #: Texts of the ids.
    ids: pl.Series
    #: Texts of the ids of sources and of targets; empty for vertices.
    ends: tuple[pl.Series, ...]
    #: In the order in which the rows show them.
    properties: tuple[Cells, ...]

    def only(self, names: Keys) -> "Block":
        """Return the block with these properties alone; None: all."""
        kept = tuple(cells for cells in self.properties if names is None or cells.name in names)
        return replace(self, properties=kept)

    def where(self, mask: pl.Series) -> "Block":
        """Return the rows for which `mask`, (rows,) of booleans, is true."""
        return replace(
            self,
            ids=self.ids.filter(mask),
            ends=tuple(end.filter(mask) for end in self.ends),
            properties=tuple(cells.where(mask) for cells in self.properties),
        )


def cells(
    name: str, sizes: Sizes | None, parts: Mapping[str, pl.Series], codes: npt.NDArray[np.uint8] | None = None
) -> Cells:
    """Put a property's column together.

    Args:
        name: key of the property.
        sizes: values per row; None: one each.
        parts: data type -> values, as `values.storage` has them.
        codes: (values,) position in `parts` of each value; None where there is one part.
    """
    if codes is None:
        ((kind, values),) = parts.items() or [(STRING, pl.Series([], dtype=pl.String))]
        return Cells(name, _by_row(texts(values), sizes), kind)
    order = np.empty(len(codes), dtype=np.uint32)
    order[np.argsort(codes, kind="stable")] = np.arange(len(codes), dtype=np.uint32)
    flat = pl.concat([texts(values) for values in parts.values()]).gather(order)
    types = pl.Series(list(parts), dtype=pl.String).gather(codes.astype(np.uint32))
    return Cells(name, _by_row(flat, sizes), _by_row(types, sizes))


def _by_row(flat: pl.Series, sizes: Sizes | None) -> pl.Series:
    if sizes is None:
        return flat
    single = sizes == 1
    if bool((single | (sizes == _ABSENT)).all()):
        positions = pl.Series(np.cumsum(single) - 1).set(pl.Series(~single), None)
        return flat.gather(positions)
    owners = pl.DataFrame({"row": np.repeat(np.arange(len(sizes)), np.maximum(sizes, 0)), "value": flat})
    lists = owners.group_by("row", maintain_order=True).agg("value")
    rows = pl.DataFrame({"row": np.arange(len(sizes)), "size": sizes}).join(lists, on="row", how="left")
    none = pl.lit([], dtype=pl.List(pl.String))
    found = pl.when(pl.col("size") == 0).then(none).otherwise(pl.col("value"))
    return rows.select(found.alias("value")).to_series()


def in_blocks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Return a sequence in slices of `size` items, the last one shorter."""
    return (items[start : start + size] for start in range(0, len(items), size))


class BlockBuilder:
    """Takes rows of any types and gives one block for each type, in first-seen order."""

    def __init__(self) -> None:
        self._rows: dict[ElementType, _Rows] = {}

    def add(self, row: Row) -> None:
        """Take one row."""
        rows = self._rows.get(row.type)
        if rows is None:
            rows = self._rows[row.type] = _Rows(row.type)
        rows.add(row)

    def blocks(self) -> Iterator[Block]:
        """Return the rows as blocks."""
        return (rows.block() for rows in self._rows.values())


class _Rows:
    """Rows of one type."""

    def __init__(self, kind: ElementType) -> None:
        self._type = kind
        self._id_type: str | None = None
        self._ids: list[str] = []
        self._ends: tuple[list[str], ...] = ([], []) if isinstance(kind, EdgeType) else ()
        self._columns: dict[str, _Column] = {}

    def add(self, row: Row) -> None:
        found = java_class(row.id)
        if found != self._id_type:
            self._id_type = same_id_class(str(self._type), self._id_type, found)
        number = len(self._ids)
        self._ids.append(java_text(row.id))
        for column, end in zip(self._ends, row.ends, strict=True):
            column.append(java_text(end))
        for name, value in row.properties.items():
            values = _present(value)
            if values is not None:
                if name not in self._columns:
                    self._columns[name] = _Column()
                self._columns[name].add(number, values)

    def block(self) -> Block:
        return Block(
            self._type,
            self._id_type or STRING,
            pl.Series(self._ids, dtype=pl.String),
            tuple(pl.Series(ends, dtype=pl.String) for ends in self._ends),
            tuple(column.cells(name, len(self._ids)) for name, column in self._columns.items()),
        )


class _Column:
    """Values of one property, as they come."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._parts: dict[str, list[Any]] = {}
        self._codes: list[int] = []

    def add(self, row: int, values: list[Any]) -> None:
        self._pad(row)
        self._sizes.append(len(values))
        for value in values:
            kind, own = stored(value)
            part = self._parts.get(kind)
            if part is None:
                part = self._parts[kind] = []
            part.append(own)
            self._codes.append(list(self._parts).index(kind) if len(self._parts) > 1 else 0)

    def cells(self, name: str, rows: int) -> Cells:
        self._pad(rows)
        parts = {kind: pl.Series(values, dtype=storage(kind)) for kind, values in self._parts.items()}
        codes = np.array(self._codes, dtype=np.uint8) if len(parts) > 1 else None
        return cells(name, np.array(self._sizes, dtype=np.int64), parts, codes)

    def _pad(self, rows: int) -> None:
        self._sizes += [_ABSENT] * (rows - len(self._sizes))


def _present(value: Any) -> list[Any] | None:
    """Return a property's values, those of collections in it included; None where it has none to write."""
    if not isinstance(value, list):
        return None if value is None else [value]
    flat = list(_flat(value))
    return flat or ([] if _holds_empty(value) else None)


def _holds_empty(value: Any) -> bool:
    return isinstance(value, list) and (not value or any(map(_holds_empty, value)))


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        elif value is not None:
            yield value


def same_id_class(name: str, known: str | None, found: str) -> str:
    """Return the class of the ids of a type.

    Raises:
        UnsupportedOperation: ids of two Java classes in one type (decision 30).
    """
    if known not in {None, found}:
        raise UnsupportedOperation(
            f"{name} has ids of classes {known} and {found}; ids of one label must be of one class"
        )
    return found
