"""Small graphs held in memory, by the names that the golden cases use."""

import uuid
from typing import Any

from gremlin_python import statics

from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.values import Float, Instant

DAY = Instant("2020-01-01T00:00:00Z")

#: The Book/Reader graph of the specification's examples.
BOOKS = MemoryGraph(
    vertices={
        "b1": ("Book", {"title": "A", "genre": ["x", "y"], "pages": 100, "published": DAY, "blurb": "long"}),
        "b2": ("Book", {"title": "B", "genre": ["x"], "pages": 90, "published": DAY, "blurb": "short"}),
        "r1": ("Reader", {"age": 30}),
        "r2": ("Reader", {}),
    },
    edges={
        "e1": ("r1", "Reviewed", "b1", {"stars": 5}),
        "e2": ("r2", "Reviewed", "b2", {"stars": 3}),
    },
)

_BYTE, _SHORT, _LONG = statics.SingleByte(1), statics.short(1), statics.long(1)

#: One property of each data type, single-valued and multi-valued.
TYPES = MemoryGraph(
    vertices={
        1: (
            "Thing",
            {
                "byte": _BYTE, "short": _SHORT, "integer": 1, "long": _LONG, "float": Float(1), "double": 1.0,
                "text": "a", "flag": True, "date": DAY,
                "numbers": [1, 2], "texts": ["a", "b"], "flags": [True, False], "dates": [DAY, DAY], "empty": [],
                "number_then_text": 1, "flag_then_number": True, "integer_then_double": 1, "one_or_two": ["a"],
            },
        ),
        2: (
            "Thing",
            {"number_then_text": "b", "flag_then_number": 1, "integer_then_double": 0.5, "one_or_two": ["a", "b"]},
        ),
    },
    edges={},
)  # fmt: skip

#: Vertices of several labels, as Neptune spells them.
PEOPLE = MemoryGraph(
    vertices={
        "p1": ("Person::Admin", {"name": "Ann"}),
        "p2": ("Admin::Person", {"name": "Bob"}),
        "p3": ("Person", {"name": "Cy"}),
    },
    edges={"k1": ("p1", "knows", "p3", {})},
)

GRAPHS = {"books": BOOKS, "types": TYPES, "people": PEOPLE}


def graph(case: str | dict[str, Any]) -> MemoryGraph:
    """Return the graph of a golden case: one of the above, or one written in place.

    There a value is JSON's own, or `{"<data type>": value}`; vertices are `id: [label, properties]`, edges
    `id: [source id, label, target id, properties]`.
    """
    if isinstance(case, str):
        return GRAPHS[case]
    vertices = {key: (label, _typed(values)) for key, (label, values) in case["vertices"].items()}
    edges = {key: (*ends, _typed(values)) for key, (*ends, values) in case.get("edges", {}).items()}
    return MemoryGraph(vertices, edges)


_TYPES = {
    "Byte": statics.SingleByte, "Short": statics.short, "Integer": int, "Long": statics.long, "Float": Float,
    "Double": float, "Date": Instant, "UUID": uuid.UUID,
}  # fmt: skip


def _typed(value: Any) -> Any:
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if not isinstance(value, dict):
        return value
    (name,) = value.keys() & _TYPES or (None,)
    return _TYPES[name](value[name]) if name else {key: _typed(item) for key, item in value.items()}
