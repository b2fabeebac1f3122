"""What an export learns of a graph while it reads: counts, types and cardinalities, per label and property."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType
from neptuneml_plugin.export.block import Block, Cells, same_id_class
from neptuneml_plugin.export.elements import Element, ElementType
from neptuneml_plugin.export.values import BOOLEAN, DATE, NUMBERS, STRING

_WIDENING = (*NUMBERS, DATE)


def widen(first: str, second: str) -> str:
    """Return the data type that holds values of both."""
    if first == second:
        return first
    if {first, second} & {STRING, BOOLEAN}:
        return STRING
    return max(first, second, key=_WIDENING.index)


@dataclass
class PropertyColumn:
    """One property of one element type, as far as it has been seen."""

    name: str
    index: int
    #: Data type -> number of values.
    types: Counter[str] = field(default_factory=Counter)
    records: int = 0
    smallest: int = 1
    largest: int = 1

    def observe(self, cells: Cells) -> None:
        """Take the values of a block."""
        present = cells.values.drop_nulls()
        is_list = present.dtype == pl.List
        sizes = present.list.len() if is_list else None
        smallest, largest = (int(sizes.min()), int(sizes.max())) if sizes is not None else (1, 1)  # type: ignore[arg-type]
        self.smallest = smallest if self.records == 0 else min(self.smallest, smallest)
        self.largest = max(self.largest, largest) if self.records else largest
        self.records += len(present)
        if isinstance(cells.types, str):
            self._count(cells.types, int(sizes.sum()) if sizes is not None else len(present))
            return
        types = cells.types.drop_nulls()
        flat = types.explode().drop_nulls() if is_list else types
        for name, count in flat.to_frame("type").group_by("type", maintain_order=True).len().iter_rows():
            self._count(name, count)

    def _count(self, name: str, values: int) -> None:
        if values:
            self.types[name] += values

    @property
    def data_type(self) -> str | None:
        """The narrowest data type that holds every value; None where only empty lists were seen."""
        inferred: str | None = None
        for name in self.types:
            inferred = name if inferred is None else widen(inferred, name)
        return inferred

    @property
    def is_multi_value(self) -> bool:
        """Whether an element had several values, or none, of this property."""
        return self.smallest != 1 or self.largest != 1


@dataclass
class TypeTable:
    """One node label or edge type, as far as it has been seen: the columns in first-seen order."""

    type: ElementType
    count: int = 0
    columns: dict[str, PropertyColumn] = field(default_factory=dict)
    #: Java class of the ids; None before the first element.
    id_type: str | None = None

    @property
    def element(self) -> Element:
        """Whether nodes or edges."""
        return Element.EDGE if isinstance(self.type, EdgeType) else Element.NODE

    @property
    def name(self) -> str:
        """The fully qualified label: `Person`, `Admin;Person`, `(user)-rated-(movie)`."""
        return str(self.type)

    def observe(self, block: Block) -> None:
        """Take a block of this type.

        Raises:
            UnsupportedOperation: ids of two Java classes under one label (decision 30).
        """
        self.id_type = same_id_class(self.name, self.id_type, block.id_type)
        self.count += len(block.ids)
        for cells in block.properties:
            if cells.name not in self.columns:
                self.columns[cells.name] = PropertyColumn(cells.name, len(self.columns))
            self.columns[cells.name].observe(cells)

    def is_nullable(self, column: PropertyColumn) -> bool:
        """Whether some element lacks the property."""
        return column.records < self.count


class Tables:
    """The tables of all types that have been seen."""

    def __init__(self) -> None:
        self._tables: dict[ElementType, TypeTable] = {}

    def add(self, block: Block) -> TypeTable:
        """Take a block; return the table of its type.

        Raises:
            UnsupportedOperation: ids of two Java classes under one label.
        """
        table = self._tables.setdefault(block.type, TypeTable(block.type))
        table.observe(block)
        return table

    @property
    def all(self) -> list[TypeTable]:
        """Nodes, then edges, each in first-seen order."""
        return sorted(self._tables.values(), key=lambda table: table.element is Element.EDGE)


def describe(tables: Iterable[TypeTable]) -> dict[str, Any]:
    """Return `config.json`: Neptune's schema, with the ids' class beside each label."""
    described: dict[str, Any] = {element.value: [] for element in Element}
    for table in tables:
        described[table.element].append(
            {
                "label": _label(table.type),
                "idType": table.id_type,
                "properties": [_describe_column(table, column) for column in table.columns.values()],
            }
        )
    return described


def statistics(tables: Iterable[TypeTable]) -> dict[str, Any]:
    """Return the member `stats` of `stats.json`."""
    known = list(tables)
    details = {
        element.value: [_statistics(table) for table in known if table.element is element] for element in Element
    }
    values = sum(column.types.total() for table in known for column in table.columns.values())
    counts = {element: sum(t.count for t in known if t.element is element) for element in Element}
    return {
        "nodes": counts[Element.NODE],
        "edges": counts[Element.EDGE],
        "properties": values,
        "details": details,
    }


def _label(kind: ElementType) -> Any:
    if isinstance(kind, EdgeType):
        ends = {"~fromLabels": _parts(kind.source), "~toLabels": _parts(kind.target)}
        return {"~label": kind.label, **ends}
    parts = _parts(kind)
    return parts if len(parts) > 1 else kind


def _parts(label: str) -> list[str]:
    return label.split(MULTI_LABEL_SEPARATOR)


def _describe_column(table: TypeTable, column: PropertyColumn) -> dict[str, Any]:
    return {
        "property": column.name,
        "dataType": column.data_type or "None",
        "isMultiValue": column.is_multi_value,
        "isNullable": table.is_nullable(column),
        "allTypes": list(column.types),
    }


def _statistics(table: TypeTable) -> dict[str, Any]:
    labels: Any = (
        {"from": _parts(table.type.source), "edge": table.type.label, "to": _parts(table.type.target)}
        if isinstance(table.type, EdgeType)
        else _parts(table.type)
    )
    properties = [
        {
            "name": column.name,
            "count": column.types.total(),
            "numberOfRecords": column.records,
            "minCardinality": column.smallest,
            "maxCardinality": column.largest,
            "isNullable": table.is_nullable(column),
            "dataTypes": {
                "inferred": column.data_type or "None",
                "counts": [{name: count} for name, count in column.types.items()],
            },
        }
        for column in table.columns.values()
    ]
    return {"description": table.name, "labels": labels, "count": table.count, "properties": properties}
