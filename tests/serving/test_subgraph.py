"""`data.subgraph` as columns, and what is refused of it."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import InvalidParameter, MissingParameter, NeptuneMLError
from neptuneml_plugin.serving.subgraph import parse_subgraph

ROUTE = EdgeType("airport", "route", "airport")
#: The page's own example (`docs/wire.md`, section 6).
EXAMPLE: dict[str, Any] = {
    "nodes": [
        {
            "type": "airport",
            "ids": ["n1", "12", "77"],
            "properties": {"runways": ["2", None, "3"], "tags": [["a", "b"], None, None]},
        }
    ],
    "edges": [
        {"from": "airport", "label": "route", "to": "airport", "reverse": False, "sources": [1, 2],
         "targets": [0, 0], "drawnFrom": [2, 2], "properties": {"dist": ["811", None]}},
        {"from": "airport", "label": "route", "to": "airport", "reverse": True, "sources": [0], "targets": [1],
         "drawnFrom": [14], "properties": {}},
    ],
}  # fmt: skip


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the example with another value at a path such as `edges.0.sources`."""
    document = copy.deepcopy(EXAMPLE)
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = document
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return document


def test_the_example_of_the_page() -> None:
    graph = parse_subgraph(json.loads(json.dumps(EXAMPLE)))
    assert graph.nodes["airport"].ids == ["n1", "12", "77"]
    assert graph.nodes["airport"].properties["tags"] == [["a", "b"], None, None]
    forward, reverse = graph.edges[ROUTE, False], graph.edges[ROUTE, True]
    assert forward.sources.tolist() == [1, 2]
    assert forward.targets.tolist() == [0, 0]
    assert forward.drawn_from.tolist() == [2, 2]
    assert forward.properties == {"dist": ["811", None]}
    assert (reverse.reverse, reverse.drawn_from.tolist()) == (True, [14])


def test_the_page_shows_this_example() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
    section = page[page.index("## 6.") :]
    shown = json.loads(section[section.index("```json") + 7 : section.index("```\n\n* An entry")])
    assert shown["data"]["subgraph"] == EXAMPLE


def test_an_empty_subgraph() -> None:
    graph = parse_subgraph({"nodes": [], "edges": []})
    assert (graph.nodes, graph.edges) == ({}, {})


REFUSED: list[tuple[str, Any, type[NeptuneMLError], str | None]] = [
    ("nodes", None, MissingParameter, "data.subgraph lacks 'nodes'"),
    ("nodes", {}, InvalidParameter, r"data\.subgraph\.nodes must be a list"),
    ("node", [], InvalidParameter, r"unknown member 'node' in data\.subgraph \(did you mean 'nodes'"),
    ("nodes.0.id", [], InvalidParameter, r"'id' in data\.subgraph\.nodes\[0\] \(did you mean 'ids'"),
    ("nodes.0.type", None, MissingParameter, r"nodes\[0\] lacks 'type'"),
    ("nodes.0.type", 3, InvalidParameter, r"nodes\[0\]\.type must be a text, not 3"),
    ("nodes.0.ids", ["n1", 12, "77"], InvalidParameter, r"ids must be a text, not 12"),
    ("nodes.0.ids", ["n1", "\ud800", "77"], InvalidParameter, "surrogate"),
    ("nodes.0.ids", ["n1", "12", "n1"], InvalidParameter, r"ids has 'n1' twice"),
    ("nodes.0.ids", ["n1"], InvalidParameter, r"properties\['runways'\] has 3 values for 1"),
    ("nodes.0.properties", [], InvalidParameter, None),
    ("nodes.0.properties", [1], InvalidParameter, r"properties must be a JSON object"),
    ("nodes.0.properties.runways", ["2", 3, None], InvalidParameter, r"\['runways'\] must hold texts.*not 3"),
    ("nodes.0.properties.tags", [["a", 1], None, None], InvalidParameter, r"\['tags'\] must be a text, not 1"),
    ("nodes.0.properties.runways", ["2"], InvalidParameter, "has 1 values for 3"),
    ("edges.0.reverse", 0, InvalidParameter, r"edges\[0\]\.reverse must be true or false"),
    ("edges.0.drawnfrom", [1], InvalidParameter, "did you mean 'drawnFrom'"),
    ("edges.0.drawnFrom", None, MissingParameter, "lacks 'drawnFrom'"),
    ("edges.0.drawnFrom", [2, 0], InvalidParameter, "at least 1"),
    ("edges.0.drawnFrom", [2], InvalidParameter, "equally long"),
    ("edges.0.sources", [1], InvalidParameter, "equally long"),
    ("edges.0.sources", [1, 3], InvalidParameter, "position 3, but data.subgraph has 3 'airport' vertices"),
    ("edges.0.targets", [0, -1], InvalidParameter, r"edges\[0\]\.targets holds position -1"),
    ("edges.0.sources", [1, True], InvalidParameter, "must hold integers, not True"),
    ("edges.0.sources", [1, 2.0], InvalidParameter, r"must hold integers, not 2\.0"),
    ("edges.0.sources", [1, 10**30], InvalidParameter, "64 bits"),
    ("edges.0.to", "city", InvalidParameter, "has 0 'city' vertices"),
    ("edges.1.reverse", False, InvalidParameter, "twice"),
    ("edges.0.properties.dist", ["811"], InvalidParameter, "has 1 values for 2"),
    ("edges.0", 7, InvalidParameter, r"edges\[0\] must be a JSON object"),
]


@pytest.mark.parametrize(("path", "value", "error", "says"), REFUSED)
def test_refusals_say_where(path: str, value: Any, error: type[NeptuneMLError], says: str | None) -> None:
    if says is None:  # no properties at all, in whichever way
        assert parse_subgraph(changed(path, value)).nodes["airport"].properties == {}
        return
    with pytest.raises(error, match=says):
        parse_subgraph(changed(path, value))


def test_a_type_twice_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="'airport' twice"):
        parse_subgraph(EXAMPLE | {"nodes": EXAMPLE["nodes"] * 2})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([path for path, *_ in REFUSED]), JSON)
def test_nothing_else_ends_in_another_error(path: str, value: Any) -> None:
    message = ""
    try:
        parse_subgraph(changed(path, value))
    except (InvalidParameter, MissingParameter) as error:
        message = str(error)
    except KeyError:
        message = "data.subgraph" if value is None else ""  # nothing there for the test to delete
        assert message
    assert "data.subgraph" in (message or "data.subgraph")
