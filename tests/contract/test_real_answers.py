"""TinkerPop's own clients ask the quickstart's servers, and all get the same answers of the real models."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.driver.serializer import GraphBinarySerializersV1, GraphSONSerializersV3d0
from gremlin_python.process.anonymous_traversal import traversal

from tests.contract.clients import ask_console, ask_javascript, ask_python
from tests.contract.queries import Steps
from tests.quickstart_stack import LONGEST_SECONDS, QuickstartStack

pytestmark = [pytest.mark.quickstart, pytest.mark.timeout(LONGEST_SECONDS + 200)]

_AUSTIN: Steps = [["V"], ["has", "airport", "code", "AUS"]]
_NEW_ROUTES: Steps = [
    ["with", "Neptune#ml.endpoint", "airport-routes"],
    ["with", "Neptune#ml.limit", 5],
    *_AUSTIN,
    ["out", "route"],
    ["with", "Neptune#ml.prediction"],
    ["with", "Neptune#ml.filterExistingEdges"],
]
QUERIES: dict[str, Steps] = {
    "a class": [
        ["with", "Neptune#ml.endpoint", "airport-country"],
        *_AUSTIN,
        ["properties", "country"],
        ["with", "Neptune#ml.classification"],
        ["value"],
    ],
    "classes with scores": [
        ["with", "Neptune#ml.endpoint", "airport-country"],
        ["with", "Neptune#ml.limit", 3],
        *_AUSTIN,
        ["properties", "country", "Neptune#ml.score"],
        ["with", "Neptune#ml.classification"],
        ["value"],
    ],
    "edge regression": [
        ["with", "Neptune#ml.endpoint", "route-distance"],
        *_AUSTIN,
        ["outE", "route"],
        ["limit", 5],
        ["properties", "dist"],
        ["with", "Neptune#ml.regression"],
        ["value"],
    ],
    "new routes": [*_NEW_ROUTES, ["hasLabel", "airport"], ["values", "code"]],
    "scores of new routes": [
        *_NEW_ROUTES,
        ["with", "Neptune#ml.score", "score"],
        ["hasLabel", "airport"],
        ["select", "score"],
    ],
}

Ask = Callable[[Any, Steps], list[Any]]


@pytest.fixture
def ask(quickstart_stack: QuickstartStack) -> Iterator[Ask]:
    """Return a function that asks through gremlin-python with a serializer."""
    opened = []

    def ask_with(serializer: Any, steps: Steps) -> list[Any]:
        opened.append(DriverRemoteConnection(quickstart_stack.gremlin_url, "g", message_serializer=serializer))
        return ask_python(traversal().with_(opened[-1]), steps)

    yield ask_with
    for connection in opened:
        connection.close()


@pytest.fixture
def expected(ask: Ask) -> dict[str, list[Any]]:
    """What gremlin-python gets in GraphBinary."""
    return {name: ask(GraphBinarySerializersV1(), steps) for name, steps in QUERIES.items()}


def test_the_answers_have_the_right_shape(expected: dict[str, list[Any]], ask: Ask) -> None:
    (country,) = expected["a class"]
    classes, scores = expected["classes with scores"][::2], expected["classes with scores"][1::2]
    assert classes[0] == country
    assert len(set(classes)) == len(scores) == 3
    assert 1 >= scores[0] >= scores[1] >= scores[2] > 0
    assert len(expected["edge regression"]) == 5
    assert all(0 < miles < 10_000 for miles in expected["edge regression"])
    assert len(set(expected["new routes"])) == 5
    existing = ask(GraphBinarySerializersV1(), [*_AUSTIN, ["out", "route"], ["values", "code"]])
    assert not set(expected["new routes"]) & {*existing, "AUS"}
    chances = expected["scores of new routes"]
    assert chances == sorted(chances, reverse=True)
    assert len(chances) == 5
    assert all(0 < chance < 1 for chance in chances)


@pytest.mark.parametrize("name", QUERIES)
def test_gremlin_python_in_graphson(ask: Ask, expected: dict[str, list[Any]], name: str) -> None:
    assert ask(GraphSONSerializersV3d0(), QUERIES[name]) == expected[name]


def test_the_gremlin_console(
    quickstart_stack: QuickstartStack, expected: dict[str, list[Any]], tmp_path: Path
) -> None:
    found = ask_console(quickstart_stack.port, quickstart_stack.data_root, tmp_path, QUERIES)
    typed = {
        name: [type(answer)(text) for answer, text in zip(answers, found[name], strict=True)]
        for name, answers in expected.items()
    }
    assert typed == expected


@pytest.mark.clients
@pytest.mark.parametrize("mime_type", ["gremlin-v3.0+json", "graphbinary-v1.0"])
def test_javascript(
    quickstart_stack: QuickstartStack, node: str, expected: dict[str, list[Any]], mime_type: str
) -> None:
    assert ask_javascript(node, quickstart_stack.gremlin_url, mime_type, QUERIES) == expected
