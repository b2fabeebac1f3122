"""What an export learns of a graph while it reads: counts, types and cardinalities, per label and property."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.export.source import Element, ElementType
from neptuneml_plugin.export.values import java_class

BOOLEAN, STRING, DATE = "Boolean", "String", "Date"
#: In widening order: of two types the later one holds both.
NUMBERS = ("Byte", "Short", "Integer", "Long", "Float", "Double")
_WIDENING = (*NUMBERS, DATE)


def data_type(value: Any) -> str:
    """Return a value's data type; every class beside Neptune's counts as String."""
    name = java_class(value)
    return name if name in _WIDENING or name == BOOLEAN else STRING


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

    def observe(self, values: list[Any]) -> None:
        """Take the values of one element."""
        size = len(values)
        if self.records == 0:
            self.smallest = self.largest = size
        elif size < self.smallest:
            self.smallest = size
        elif size > self.largest:
            self.largest = size
        self.records += 1
        for value in values:
            self.types[data_type(value)] += 1

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
        return qualified_name(self.type)

    def observe_id(self, identifier: Any) -> None:
        """Take the id of one more element.

        Raises:
            UnsupportedOperation: ids of two Java classes under one label (decision 30).
        """
        found = java_class(identifier)
        if self.id_type is None:
            self.id_type = found
        elif found != self.id_type:
            raise _mixed_ids(self.name, self.id_type, found)
        self.count += 1

    def column(self, name: str) -> PropertyColumn:
        """Return the column of a property, a new one at its first value."""
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = PropertyColumn(name, len(self.columns))
        return column

    def is_nullable(self, column: PropertyColumn) -> bool:
        """Whether some element lacks the property."""
        return column.records < self.count


def qualified_name(kind: ElementType) -> str:
    """Return the fully qualified label of an element type."""
    return f"({kind.source})-{kind.label}-({kind.target})" if isinstance(kind, EdgeType) else kind


def check_ids(label: str, ids: Iterable[Any]) -> None:
    """Refuse ids whose text does not tell them apart (decision 30).

    Raises:
        UnsupportedOperation: two ids with the same text, or ids of two Java classes.
    """
    by_type: dict[type, list[Any]] = {}
    for identifier in ids:
        by_type.setdefault(type(identifier), []).append(identifier)
    if len(by_type) < 2:
        return
    seen: dict[str, str] = {}
    for identifier in (identifier for group in by_type.values() for identifier in group):
        text, name = str(identifier), java_class(identifier)
        if text in seen:
            raise UnsupportedOperation(
                f"label '{label}' has two ids with the text '{text}', of classes {seen[text]} and {name}; "
                "ids of one label must differ as text"
            )
        seen[text] = name
    first, second = list(dict.fromkeys(seen.values()))[:2]
    raise _mixed_ids(label, first, second)


def _mixed_ids(label: str, first: str, second: str) -> UnsupportedOperation:
    return UnsupportedOperation(
        f"label '{label}' has ids of classes {first} and {second}; ids of one label must be of one class"
    )


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
