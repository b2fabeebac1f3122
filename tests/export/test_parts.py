"""Exports of a part of a graph held in memory: by filters, by queries, around vertices."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.config import ExportConfig
from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.elements import Element, Row
from neptuneml_plugin.export.export import export_graph
from neptuneml_plugin.export.readers.selected import READ
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.request.request import read_request
from tests.export.graphs import BOOKS

LONG, LIKED, NOTHING = "has('pages', gt(95))", "has('stars', gt(4))", "has('absent')"
VERTICES, EDGES, BOTH, EMPTY = (f"g.V().has('{name}').elementMap()" for name in "abcd")
NODE, EDGE = Element.NODE, Element.EDGE
GRAPH = MemoryGraph(
    BOOKS.vertices,
    BOOKS.edges,
    filters={
        LONG: lambda row: row.properties.get("pages", 0) > 95,
        LIKED: lambda row: row.properties.get("stars", 0) > 4,
        NOTHING: lambda _: False,
    },
    queries={
        VERTICES: [BOOKS.row(NODE, "b1"), BOOKS.row(NODE, "r1"), BOOKS.row(NODE, "b1")],
        EDGES: [BOOKS.row(EDGE, "e1"), BOOKS.row(EDGE, "e2")],
        BOTH: [BOOKS.row(EDGE, "e1"), BOOKS.row(NODE, "r2"), BOOKS.row(NODE, "b1")],
        EMPTY: [],
    },
)
REVIEWED = "(Reader)-Reviewed-(Book)"


def export(target: Path, params: Mapping[str, Any], command: str = "export-pg") -> dict[str, Any]:
    """Export, and return `stats.json`."""
    request = {"command": command, "params": params}
    export_graph(GRAPH, read_request(ExportConfig(gremlin="ws://unused", request=request)), target)
    stats: dict[str, Any] = json.loads((target / "stats.json").read_text())
    return stats


def ids(folder: Path) -> dict[str, list[str]]:
    return {
        file.name.split(".")[0].replace("%28", "(").replace("%29", ")"): [
            line.split('"')[1] for line in file.read_text().splitlines()[1:]
        ]
        for file in folder.glob("*/*.csv")
    }


ALL_READERS = {"Reader": ["r1", "r2"]}


@pytest.mark.parametrize(
    ("params", "expected", "loose_edges"),
    [
        ({"gremlinNodeFilter": LONG}, {"Book": ["b1"]}, 2),
        ({"gremlinNodeFilter": LONG, "scope": "edges"}, {REVIEWED: ["e1", "e2"]}, 0),
        ({"gremlinNodeFilter": LONG, "nodeLabels": ["Book"]}, {"Book": ["b1"], REVIEWED: ["e1"]}, 1),
        ({"gremlinEdgeFilter": LIKED}, {"Book": ["b1", "b2"], **ALL_READERS, REVIEWED: ["e1"]}, None),
        ({"gremlinFilter": LIKED, "scope": "edges"}, {REVIEWED: ["e1"]}, 0),
        ({"gremlinEdgeFilter": LIKED, "limit": 1}, {"Book": ["b1"]}, 1),
        ({"gremlinNodeFilter": LONG, "skip": 1, "scope": "nodes"}, {}, 0),
        ({"gremlinNodeFilter": NOTHING, "nodeLabels": ["Book"]}, {}, 2),
    ],
)
def test_filters(
    params: dict[str, Any], expected: dict[str, list[str]], loose_edges: int | None, tmp_path: Path
) -> None:
    stats = export(tmp_path / "out", params)
    assert ids(tmp_path / "out") == expected
    assert stats["part"].get("looseEdges") == loose_edges


def test_what_was_filtered_stands_in_the_statistics(tmp_path: Path) -> None:
    stats = export(tmp_path / "out", {"gremlinNodeFilter": LONG})
    assert stats["part"] == {"filters": {"nodes": LONG}, "looseEdges": 2}
    assert stats["warnings"][:2] == [
        f"none of the nodes of 'Reader' passes the filter {LONG}",
        "2 edges were left out, since one of their vertices is not among those chosen",
    ]
    assert stats["consistency"]["nodes"] == [
        {"label": "Book", "before": 2, "wanted": 1, "read": 1, "after": 2},
        {"label": "Reader", "before": 2, "wanted": 0, "read": 0, "after": 2},
    ]


def test_a_whole_graph_has_no_part(tmp_path: Path) -> None:
    assert "part" not in export(tmp_path / "out", {})


@pytest.mark.parametrize(
    ("queries", "expected"),
    [
        ([VERTICES], {"Book": ["b1"], "Reader": ["r1"]}),
        ([EDGES], {REVIEWED: ["e1", "e2"]}),
        ([EDGES, VERTICES], {"Book": ["b1"], "Reader": ["r1"], REVIEWED: ["e1"]}),
        ([BOTH], {"Book": ["b1"], "Reader": ["r2"]}),
        ([BOTH, VERTICES], {"Book": ["b1"], "Reader": ["r2", "r1"], REVIEWED: ["e1"]}),
    ],
)
def test_queries(queries: Sequence[str], expected: dict[str, list[str]], tmp_path: Path) -> None:
    given = {"name": "some", "queries": queries}
    export(tmp_path / "out", {"queries": given}, "export-pg-from-queries")
    assert ids(tmp_path / "out") == expected


def test_what_queries_gave_stands_in_the_statistics(tmp_path: Path) -> None:
    queries = [{"name": "books", "queries": [VERTICES, EDGES]}, {"name": "all", "queries": [BOTH, EMPTY]}]
    stats = export(tmp_path / "out", {"queries": queries}, "export-pg-from-queries")
    assert stats["part"]["queries"] == [
        {"name": "books", "query": VERTICES, "nodes": 3, "edges": 0, "repeated": 1},
        {"name": "books", "query": EDGES, "nodes": 0, "edges": 2, "repeated": 0},
        {"name": "all", "query": BOTH, "nodes": 2, "edges": 1, "repeated": 2},
        {"name": "all", "query": EMPTY, "nodes": 0, "edges": 0, "repeated": 0},
    ]
    assert stats["warnings"][0] == f"query 'all' gives nothing: {EMPTY}"
    assert stats["part"]["looseEdges"] == 1
    assert stats["consistency"] == {"nodes": [], "edges": []}


def test_progress_of_queries_is_told_while_they_are_answered(tmp_path: Path) -> None:
    things = MemoryGraph({number: ("Thing", {}) for number in range(2_500)}, {})
    rows = [things.row(NODE, number) for number in things.vertices]
    graph = MemoryGraph(things.vertices, {}, queries={VERTICES: rows, EMPTY: []})
    params = {"queries": {"name": "x", "queries": [VERTICES, EMPTY]}}
    request = {"command": "export-pg-from-queries", "params": params}
    config = ExportConfig(gremlin="ws://unused", request=request)
    told: list[tuple[str, float | None]] = []
    export_graph(
        graph, read_request(config), tmp_path / "out", progress=lambda text, part=None: told.append((text, part))
    )
    assert told[:-1] == [
        ("query 'x': 1,000 nodes, 0 edges", 0.0),
        ("query 'x': 2,000 nodes, 0 edges", 0.0),
        ("query 'x': 2,500 nodes, 0 edges", 0.0),
        ("query 'x': 2,500 nodes, 0 edges", READ / 2),
        ("query 'x': 0 nodes, 0 edges", READ),
    ]


@dataclass(frozen=True)
class CountingGraph(MemoryGraph):
    """A graph that knows what it was asked."""

    asked: list[str] = field(default_factory=list)

    def elements(self, query: str) -> Iterator[Row]:
        self.asked.append(query)
        return super().elements(query)


def test_each_query_is_asked_once_though_edges_wait_for_vertices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = {f"f{i}": ("r1", ("Reviewed", "Read")[i % 3 // 2], f"b{1 + i % 2}", {"stars": i}) for i in range(2500)}
    rows = [MemoryGraph(BOOKS.vertices, edges).row(EDGE, key) for key in edges if not key.endswith("7")]
    graph = CountingGraph(
        BOOKS.vertices, edges, queries={EDGES: [*rows, rows[0]], VERTICES: GRAPH.queries[VERTICES]}
    )
    monkeypatch.setattr("tests.export.test_parts.GRAPH", graph)
    stats = export(
        tmp_path / "out", {"queries": {"name": "x", "queries": [EDGES, VERTICES]}}, "export-pg-from-queries"
    )
    assert graph.asked == [EDGES, VERTICES]
    kept = [str(row.id) for row in rows if row.ends[1] == "b1"]
    found = ids(tmp_path / "out")
    assert sorted(found[REVIEWED] + found["(Reader)-Read-(Book)"]) == sorted(kept)
    assert stats["part"]["queries"][0] == {"name": "x", "query": EDGES, "nodes": 0, "edges": 2251, "repeated": 1}
    assert stats["part"]["looseEdges"] == len(rows) - len(kept)


def test_labels_and_properties_narrow_queries(tmp_path: Path) -> None:
    params = {"queries": BOTH, "filter": {"nodes": [{"label": "Book", "properties": ["pages"]}]}, "scope": "nodes"}
    export(tmp_path / "out", params, "export-pg-from-queries")
    assert ids(tmp_path / "out") == {"Book": ["b1"]}
    assert (tmp_path / "out/nodes/Book.consolidated.csv").read_text() == '~id,~label,pages\n"b1","Book",100\n'


def test_a_subgraph(tmp_path: Path) -> None:
    stats = export(tmp_path / "out", {"subgraph": {"seeds": {"label": "Reader", "ids": ["r2"]}, "hops": 3}})
    assert ids(tmp_path / "out") == {"Book": ["b2"], "Reader": ["r2"], REVIEWED: ["e2"]}
    assert stats["part"] == {
        "subgraph": {
            "seeds": {"Reader": 1},
            "hops": [{"reached": 1, "added": 1}, {"reached": 0, "added": 0}],
            "vertices": {"Book": 1, "Reader": 1},
            "edges": {"Reviewed": 1},
            "outwardEdges": 0,
        },
        "looseEdges": 0,
    }
    assert stats["warnings"] == []


def test_a_subgraph_has_no_edge_to_a_label_that_is_not_exported(tmp_path: Path) -> None:
    params = {"subgraph": {"seeds": LONG, "hops": 2}, "nodeLabels": ["Book"]}
    stats = export(tmp_path / "out", params)
    assert ids(tmp_path / "out") == {"Book": ["b1"]}
    assert stats["part"]["subgraph"]["edges"] == {}


def test_steps_that_the_graph_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"does not know the steps has\('x'\)"):
        export(tmp_path / "out", {"gremlinFilter": "has('x')"})
    assert list(tmp_path.iterdir()) == []
