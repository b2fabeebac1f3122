"""Which elements are read, and what is counted of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.export.block import Block
from neptuneml_plugin.export.consistency import Reading
from neptuneml_plugin.export.elements import Element, ElementType
from neptuneml_plugin.export.readers.intake import loose
from neptuneml_plugin.export.readers.selected import Reader
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from neptuneml_plugin.stage import silent
from tests.export.graphs import BOOKS


class Taken:
    """Keeps what it takes: ids and property names by type."""

    def __init__(self) -> None:
        self.ids: dict[ElementType, list[str]] = {}
        self.names: set[str] = set()

    def add(self, block: Block) -> None:
        self.ids.setdefault(block.type, []).extend(block.ids)
        self.names |= {cells.name for cells in block.properties}


def read(graph: MemoryGraph, **params: Any) -> tuple[Taken, Reader, list[Reading]]:
    taken = Taken()
    request = read_request(ExportConfig(gremlin="ws://unused", request={"params": params}))
    reader = Reader(graph, request, taken, silent)
    return taken, reader, reader.read()


Vertex = tuple[str, dict[str, Any]]
Edge = tuple[str, str, str, dict[str, Any]]
REVIEWED = EdgeType("Reader", "Reviewed", "Book")


@pytest.mark.parametrize(
    ("params", "ids", "loose_edges"),
    [
        ({}, {"Book": ["b1", "b2"], "Reader": ["r1", "r2"], REVIEWED: ["e1", "e2"]}, 0),
        ({"limit": 3}, {"Book": ["b1", "b2"], "Reader": ["r1"], REVIEWED: ["e1"]}, 1),
        ({"skip": 1}, {"Book": ["b2"], "Reader": ["r1", "r2"], REVIEWED: ["e2"]}, 0),
        ({"skip": 2, "scope": "edges"}, {}, 0),
        ({"skip": 1, "scope": "edges"}, {REVIEWED: ["e2"]}, 0),
        ({"limit": 1, "edgeLabels": ["Reviewed"]}, {"Book": ["b1"]}, 1),
        ({"limit": 0}, {}, 0),
    ],
)
def test_skip_and_limit(params: dict[str, Any], ids: dict[ElementType, list[str]], loose_edges: int) -> None:
    taken, reader, _ = read(BOOKS, **params)
    assert (taken.ids, reader.loose_edges) == (ids, loose_edges)


def test_tokens_only_reads_no_property() -> None:
    taken, _, _ = read(BOOKS, tokensOnly="nodes")
    assert taken.names == {"stars"}
    assert read(BOOKS, tokensOnly="both")[0].names == set()


def test_a_part_is_counted_as_wanted() -> None:
    *_, readings = read(BOOKS, limit=3)
    assert readings == [
        Reading(Element.NODE, "Book", 2, 2, 2, 2),
        Reading(Element.NODE, "Reader", 2, 1, 1, 2),
        Reading(Element.EDGE, "Reviewed", 2, 2, 2, 2),
    ]
    assert [text for reading in readings for text in reading.changes()] == []


def test_edges_left_out_are_said() -> None:
    assert list(loose(0)) == []
    assert list(loose(3)) == ["3 edges were left out, since one of their vertices is not among those chosen"]


@given(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_no_edge_of_a_part_ends_outside_of_it(
    labels: list[str], pairs: list[tuple[int, int]], skip: int, limit: int
) -> None:
    vertices: dict[Any, tuple[str, dict[str, Any]]] = {f"v{i}": (label, {}) for i, label in enumerate(labels)}
    inside = [(a % len(labels), b % len(labels)) for a, b in pairs]
    edges: dict[Any, tuple[Any, str, Any, dict[str, Any]]] = {
        f"e{i}": (f"v{a}", "x", f"v{b}", {}) for i, (a, b) in enumerate(inside)
    }
    taken, _, _ = read(MemoryGraph(vertices, edges, block_size=3), skip=skip, limit=limit)
    exported = {key for kind, ids in taken.ids.items() if isinstance(kind, str) for key in ids}
    for kind, ids in taken.ids.items():
        for key in ids if isinstance(kind, EdgeType) else ():
            assert {edges[key][0], edges[key][2]} <= exported
