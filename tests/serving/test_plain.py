"""The short way to read a plain request lets nothing pass that the long way refuses, and reads the same."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidParameter, NeptuneMLError
from neptuneml_plugin.serving.invocation import Invocation, Items, Mode
from neptuneml_plugin.serving.plain import MOST_ITEMS, PlainRequest, read_plain
from neptuneml_plugin.serving.wire import load, read_invocation

WHOLE = {
    "version": "v1",
    "mode": "predict",
    "data": {
        "globalParameters": {
            "property": "genre",
            "score": True,
            "requestId": "mine",
            "artifactVersion": "1",
            "deadlineMs": 250,
        },
        "nodes": [{"nodeId": "a"}, {"nodeId": "ü"}],
    },
}


def nodes(*items: Any, **more: Any) -> dict[str, Any]:
    return {"data": {"nodes": list(items), **more}}


def test_all_members() -> None:
    assert read_plain(WHOLE) == PlainRequest(["a", "ü"], "genre", True, "mine", "1", 0.25)  # noqa: FBT003
    assert read_plain(nodes({"nodeId": "a"})) == PlainRequest(["a"])
    assert read_plain(nodes(*[{"nodeId": "a"}] * MOST_ITEMS)) is not None


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"data": []},
        nodes(),
        nodes("a"),
        nodes(["nodeId"]),
        nodes({"nodeId": 1}),
        nodes({"nodeId": None}),
        nodes({"nodeId": "\ud800"}),
        nodes({"nodeId": "a", "edgeId": "b"}),
        nodes({"nodeId": "a"}, {}),
        nodes(*[{"nodeId": "a"}] * (MOST_ITEMS + 1)),
        nodes({"nodeId": "a"}, subgraph={}),
        nodes({"nodeId": "a"}, subgraph=None),
        nodes({"nodeId": "a"}, globalParameters=None),
        nodes({"nodeId": "a"}, globalParameters=[]),
        nodes({"nodeId": "a"}, globalParameters={"topk": 1}),
        nodes({"nodeId": "a"}, globalParameters={"columns": False}),
        nodes({"nodeId": "a"}, globalParameters={"threshold": 0}),
        nodes({"nodeId": "a"}, globalParameters={"exclude": []}),
        nodes({"nodeId": "a"}) | {"mode": "embed"},
        nodes({"nodeId": "a"}) | {"mode": None},
        nodes({"nodeId": "a"}) | {"version": "v2"},
        nodes({"nodeId": "a"}) | {"mood": "good"},
        {"data": {"items": {"nodeId": ["a"]}}},
        {"data": {"edges": [{"headNodeId": "a", "tailNodeId": "b"}]}},
    ],
)
def test_all_else_goes_the_long_way(document: dict[str, Any]) -> None:
    assert read_plain(document) is None


_CHANGED: dict[str, list[Any]] = {
    "version": ["v1", "v2", 1],
    "mode": ["predict", "embed", "", None, "other"],
    "nodes": [None, {}, [], [{}], ["a"], [{"nodeId": "b"}], [{"nodeId": 1}]],
    **{key: [None, True, 1, "a"] for key in ("score", "requestId", "deadlineMs", "topk")},
    **{key: [{}] for key in ("data", "globalParameters", "subgraph", "edges", "other")},
}
changes = st.sampled_from([(name, value) for name, values in _CHANGED.items() for value in values])
places = st.sampled_from([(), ("data",), ("data", "globalParameters")])


@given(st.lists(st.tuples(places, changes), max_size=3))
def test_both_ways_agree(mutations: list[tuple[tuple[str, ...], tuple[str, Any]]]) -> None:
    document = json.loads(json.dumps(WHOLE))
    for path, (name, value) in mutations:
        at = document
        for key in path:
            at = at.setdefault(key, {})
        at[name] = json.loads(json.dumps(value))
    long = _result(document)
    try:
        plain = read_plain(document)
    except InvalidParameter as error:
        plain, short = None, str(error)
        assert short == long
    if plain is not None:
        told = plain._asdict()
        items = Items(nodes=tuple(told.pop("names")))
        assert long == Invocation(Mode.PREDICT, items, **told)


def _result(document: dict[str, Any]) -> Invocation | str:
    """Return how the long way reads it, or why it does not."""
    try:
        read = read_invocation(load(json.dumps(document).encode()))
    except NeptuneMLError as error:
        return str(error)
    return replace(read, items=Items(nodes=read.items.nodes))
