"""The walk around some vertices: what it reaches, and which edges come along."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidParameter
from neptuneml_plugin.export.elements import Element
from neptuneml_plugin.export.readers.source import MemoryGraph
from neptuneml_plugin.export.readers.walk import Hop, Walk, walk
from neptuneml_plugin.export.request.selection import Selected, Selection
from neptuneml_plugin.export.request.subgraph import Direction, NamedSeeds, Subgraph
from neptuneml_plugin.stage import silent

#: a0 -x-> a1 -x-> a2 -x-> a3, and a1 -y-> b0 -y-> a3.
CHAIN = MemoryGraph(
    vertices={**{f"a{i}": ("A", {}) for i in range(4)}, "b0": ("B", {})},
    edges={
        **{f"x{i}": (f"a{i}", "x", f"a{i + 1}", {}) for i in range(3)},
        "y0": ("a1", "y", "b0", {}),
        "y1": ("b0", "y", "a3", {}),
    },
    filters={"has('first')": lambda row: row.id == "a0", "has('none')": lambda _: False},
)
ALL = {Element.NODE: ["A", "B"], Element.EDGE: ["x", "y"]}
FIRST, SECOND = "has('first')", NamedSeeds("A", ("a1",))


def only(*labels: str) -> Selection:
    return Selection(tuple(map(Selected, labels)))


def around(subgraph: Subgraph, exported: Any = None, graph: MemoryGraph = CHAIN) -> Walk:
    return walk(graph, subgraph, ALL if exported is None else exported, silent)


def found(walked: Walk) -> tuple[list[str], list[str]]:
    vertices, edges = (
        sorted(key for ids in part.values() for key in ids) for part in (walked.vertices, walked.edges)
    )
    return vertices, edges


@pytest.mark.parametrize(
    ("subgraph", "vertices", "edges"),
    [
        (Subgraph(FIRST, hops=0), ["a0"], []),
        (Subgraph(FIRST), ["a0", "a1"], ["x0"]),
        (Subgraph(FIRST, hops=2), ["a0", "a1", "a2", "b0"], ["x0", "x1", "y0"]),
        (Subgraph(FIRST, hops=9), ["a0", "a1", "a2", "a3", "b0"], ["x0", "x1", "x2", "y0", "y1"]),
        (Subgraph(SECOND, direction=Direction.OUT), ["a1", "a2", "b0"], ["x1", "y0"]),
        (Subgraph(SECOND, direction=Direction.IN), ["a0", "a1"], ["x0"]),
        (Subgraph(SECOND, nodes=only("A")), ["a0", "a1", "a2"], ["x0", "x1"]),
        (Subgraph(FIRST, hops=3, edges=only("y")), ["a0"], []),
        (Subgraph(SECOND, hops=2, edges=only("y")), ["a1", "a3", "b0"], ["y0", "y1"]),
    ],
)
def test_hops(subgraph: Subgraph, vertices: list[str], edges: list[str]) -> None:
    assert found(around(subgraph)) == (vertices, edges)


def test_vertices_that_are_not_exported_may_be_passed() -> None:
    only_a = {Element.NODE: ["A"], Element.EDGE: ["x", "y"]}
    walked = around(Subgraph(SECOND, hops=2, nodes=only("A", "B"), edges=only("y")), only_a)
    assert found(walked) == (["a1", "a3"], [])
    assert walked.outward_edges == 2, "x1 to a2 and y0 to b0"
    assert found(around(Subgraph(SECOND, hops=2, edges=only("y")), only_a)) == (["a1"], [])


def test_without_edges_the_vertices_are_found_all_the_same() -> None:
    assert found(around(Subgraph(FIRST), {Element.NODE: ["A", "B"]})) == (["a0", "a1"], [])
    lonely = MemoryGraph(CHAIN.vertices, {}, filters=CHAIN.filters)
    assert found(around(Subgraph(FIRST), {Element.NODE: ["A", "B"], Element.EDGE: []}, lonely)) == (["a0"], [])


def test_what_was_found_is_reported() -> None:
    assert around(Subgraph(FIRST, hops=2)).report() == {
        "seeds": {"A": 1},
        "hops": [{"reached": 1, "added": 1}, {"reached": 2, "added": 2}],
        "vertices": {"A": 3, "B": 1},
        "edges": {"x": 2, "y": 1},
        "outwardEdges": 2,
    }


@pytest.mark.parametrize(
    ("subgraph", "problem"),
    [
        (Subgraph("has('none')"), r"params\.subgraph\.seeds: no vertex passes has\('none'\)"),
        (Subgraph(NamedSeeds("A", ("a1", "b0", "z"))), r"seeds\.ids: 2 are no ids of 'A', such as 'b0', 'z'"),
        (Subgraph(NamedSeeds("C", ("a1",))), "the graph has no node label 'C'"),
        (Subgraph(FIRST, nodes=only("AA")), r"the graph has no node label 'AA' \(did you mean 'A'\?\)"),
        (Subgraph(FIRST, edges=only("z")), "the graph has no edge label 'z'"),
    ],
)
def test_what_the_graph_does_not_have_is_said(subgraph: Subgraph, problem: str) -> None:
    with pytest.raises(InvalidParameter, match=problem):
        around(subgraph)


def star(order: list[int]) -> MemoryGraph:
    vertices: dict[Any, tuple[str, dict[str, Any]]] = {
        key: ("A", {}) for key in ["hub", *(f"v{i}" for i in order)]
    }
    return MemoryGraph(vertices, {f"e{i}": ("hub", "x", f"v{i}", {}) for i in order})


def test_a_limit_draws_the_same_vertices_in_any_order() -> None:
    exported = {Element.NODE: ["A"], Element.EDGE: ["x"]}
    drawn = {
        seed: [
            found(around(Subgraph(NamedSeeds("A", ("hub",)), limit_per_hop=10, seed=seed), exported, star(order)))
            for order in (list(range(100)), list(range(99, -1, -1)))
        ]
        for seed in range(3)
    }
    assert all(len(one[0]) == 11 and len(one[1]) == 10 for one, _ in drawn.values())
    assert all(one == other for one, other in drawn.values())
    assert len({tuple(one[0]) for one, _ in drawn.values()}) == 3, "a seed of its own, vertices of its own"


def test_a_limit_is_reported() -> None:
    walked = around(Subgraph(SECOND, limit_per_hop=2))
    assert list(walked.hops) == [Hop(reached=3, added=2)]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20),
    st.integers(0, 3),
    st.sampled_from(Direction),
    st.none() | st.integers(1, 3),
)
def test_every_edge_has_both_vertices(
    pairs: list[tuple[int, int]], hops: int, direction: Direction, limit: int | None
) -> None:
    vertices: dict[Any, tuple[str, dict[str, Any]]] = {i: ("AB"[i % 2], {}) for i in range(10)}
    edges: dict[Any, tuple[Any, str, Any, dict[str, Any]]] = {
        f"e{i}": (a, "x", b, {}) for i, (a, b) in enumerate(pairs)
    }
    graph = MemoryGraph(vertices, edges)
    exported = {Element.NODE: ["A", "B"], Element.EDGE: graph.labels(Element.EDGE)}
    subgraph = Subgraph(NamedSeeds("A", ("0",)), hops=hops, direction=direction, limit_per_hop=limit)
    walked = around(subgraph, exported, graph)
    inside = {key for ids in walked.vertices.values() for key in ids}
    kept = {key for ids in walked.edges.values() for key in ids}
    assert kept == {key for key, (a, _, b, _) in edges.items() if {a, b} <= inside}
    assert walked.outward_edges == sum(a in inside and b not in inside for a, b in pairs)
