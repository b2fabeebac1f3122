"""Predictions on elements whose ids are Longs, UUIDs and Strings, under TinkerGraph's ANY id manager."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.driver.serializer import GraphBinarySerializersV1, GraphSONSerializersV3d0
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T
from gremlin_python.statics import long

from neptuneml_plugin.errors import NeptuneMLError, TimeLimitExceeded, TooManyRequests
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.testing import FakeService, edge_endpoint, link_endpoint, node_endpoint
from tests.servers import Connect

#: Id type as the endpoint's schema names it -> three vertex ids and an edge id; in text, each is a Long's.
IDS: dict[str, list[Any]] = {
    "Long": [long(101), long(102), long(103), long(2**40)],
    "UUID": [uuid.UUID(int=number) for number in (101, 102, 103, 104)],
    "String": ["101", "102", "103", "104"],
}


@pytest.fixture(params=[GraphBinarySerializersV1, GraphSONSerializersV3d0], ids=lambda s: s.__name__)
def g(request: pytest.FixtureRequest, gremlin_server_any_ids: GremlinServer, connect: Connect) -> Any:
    return connect(gremlin_server_any_ids, request.param())


@pytest.fixture(params=list(IDS))
def stop_type(request: pytest.FixtureRequest, g: Any, fake_service: FakeService) -> Iterator[str]:
    """Name an id type; the graph holds the label `stop` with such ids, and endpoints predict for it."""
    id_type: str = request.param
    first, second, third, edge = IDS[id_type]
    for key in (first, second, third):
        g.add_v("stop").property(T.id, key).property("name", f"stop {key}").iterate()
    g.add_e("line").from_(__.V(first)).to(__.V(second)).property(T.id, edge).iterate()
    line = ("stop", "line", "stop")
    fake_service.endpoints |= {
        f"zone-{id_type}": node_endpoint(
            "stop", "zone", "Integer", id_type, {str(first): [{"value": 7}], str(third): [{"value": 9}]}
        ),
        f"miles-{id_type}": edge_endpoint(line, "miles", "Double", id_type, {str(edge): [{"value": 2.5}]}),
        f"lines-{id_type}": link_endpoint(
            line, id_type, {str(first): [{"id": str(second), "score": 0.9}, {"id": str(third), "score": 0.8}]}
        ),
    }
    yield id_type
    g.V().has_label("stop").drop().iterate()


def test_vertex_properties(g: Any, stop_type: str) -> None:
    first, second, third, _ = IDS[stop_type]
    zone = g.with_("Neptune#ml.endpoint", f"zone-{stop_type}")
    predicted = __.properties("zone").with_("Neptune#ml.classification").value()
    rows = zone.V().has_label("stop").project("id", "zone").by(T.id).by(__.coalesce(predicted, __.constant(-1)))
    assert {row["id"]: row["zone"] for row in rows.to_list()} == {first: 7, second: -1, third: 9}


def test_edge_properties(g: Any, stop_type: str) -> None:
    miles = g.with_("Neptune#ml.endpoint", f"miles-{stop_type}")
    found = miles.E().has_label("line").properties("miles").with_("Neptune#ml.regression").to_list()
    assert [(prediction.key, prediction.value) for prediction in found] == [("miles", 2.5)]


def test_links_are_the_graphs_own_vertices(g: Any, stop_type: str) -> None:
    first, _, third, _ = IDS[stop_type]
    lines = (
        g.with_("Neptune#ml.endpoint", f"lines-{stop_type}").V(first).out("line").with_("Neptune#ml.prediction")
    )
    found = lines.with_("Neptune#ml.filterExistingEdges").has_label("stop").element_map("name").to_list()
    assert found == [{T.id: third, T.label: "stop", "name": f"stop {third}"}]


def failing_queries(g: Any) -> dict[str, Any]:
    """Return Neptune's code -> a query that fails with it."""
    classified = __.values("zone").with_("Neptune#ml.classification")
    named = g.with_("Neptune#ml.endpoint", "no-such-endpoint")
    return {
        "MissingParameterException": g.inject(1).map(classified),
        "InvalidParameterException": named.inject(1).properties("a", "b").with_("Neptune#ml.classification"),
        "UnsupportedOperationException": named.inject(1).both("line").with_("Neptune#ml.prediction"),
        "BadRequestException": named.inject(1).map(classified),
    }


def test_status_attributes_hold_neptunes_code(g: Any) -> None:
    for code, query in failing_queries(g).items():
        with pytest.raises(GremlinServerError) as failure:
            query.to_list()
        classes = failure.value.status_attributes["exceptions"]
        assert code in {name.rpartition("$")[2] for name in classes}
        assert code in failure.value.status_message


@pytest.mark.parametrize(
    ("raised", "code", "status"),
    [(TooManyRequests, "TooManyRequestsException", 596), (TimeLimitExceeded, "TimeLimitExceededException", 500)],
)
def test_failures_of_a_worker_keep_their_code(
    raised: type[NeptuneMLError], code: str, status: int, g: Any, fake_service: FakeService
) -> None:
    endpoint = node_endpoint("halt", "zone", "Integer", "Long", {})
    fake_service.endpoints[f"fails-{code}"] = replace(endpoint, failure=raised("because"))
    g.add_v("halt").iterate()
    with pytest.raises(GremlinServerError) as failure:
        g.with_("Neptune#ml.endpoint", f"fails-{code}").V().has_label("halt").values("zone").with_(
            "Neptune#ml.classification"
        ).to_list()
    g.V().has_label("halt").drop().iterate()
    assert failure.value.status_code == status
    assert code in {name.rpartition("$")[2] for name in failure.value.status_attributes["exceptions"]}
