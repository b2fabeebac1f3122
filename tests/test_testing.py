"""The fake service keeps docs/wire.md: descriptions, invocations, errors."""

import http.client
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from neptuneml_plugin.errors import TimeLimitExceeded
from neptuneml_plugin.testing import (
    VERSION,
    FakeEndpoint,
    FakeService,
    edge_endpoint,
    link_endpoint,
    node_endpoint,
)

KNOWS = ("person", "knows", "person")


@pytest.fixture
def service() -> Iterator[FakeService]:
    city = node_endpoint(
        "person",
        "city",
        "String",
        "Long",
        {"1": [{"value": "Rome", "score": 0.75}, {"value": "Oslo", "score": 0.25}]},
    )
    endpoints = {
        "city": city,
        "weight": edge_endpoint(
            KNOWS, "weight", "Double", "Long", {"7": [{"value": 0.5}], "1->4": [{"value": 0.75}]}
        ),
        "knows": link_endpoint(KNOWS, "Long", {"1": [{"id": "2", "score": 0.9}, {"id": "4", "score": 0.8}]}),
        "late": FakeEndpoint(city.description, {}, failure=TimeLimitExceeded("too late")),
    }
    with FakeService(endpoints) as running:
        yield running


def call(
    service: FakeService, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Any, str | None]:
    connection = http.client.HTTPConnection(str(urlsplit(service.url).hostname), urlsplit(service.url).port)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None, answer.getheader("ETag")
    finally:
        connection.close()


def invoke(service: FakeService, name: str, items: dict[str, Any], **parameters: Any) -> Any:
    body = {"version": "v1", "data": {"globalParameters": parameters, **items}}
    status, answer, _ = call(service, "POST", f"/endpoints/{name}/invocations", body)
    assert status == 200, answer
    assert service.requests[-1] == body
    return answer["answers"]


def test_a_description_is_whole_and_conditional(service: FakeService) -> None:
    status, description, etag = call(service, "GET", "/endpoints/city")
    assert status == 200
    target = {"element": "node", "label": "person", "property": "city", "dataType": "String", "multiLabel": False}
    assert description == {
        "name": "city",
        "status": "InService",
        "version": VERSION,
        "task": "node_class",
        "target": target,
        "schema": {"nodes": [{"label": "person", "idType": "Long", "count": 1000}], "edges": []},
        "threshold": None,
        "modes": ["transductive"],
        "tables": [],
        "inductive": None,
        "addresses": [service.url],
        "token": "token-of-city",
    }
    assert call(service, "GET", "/endpoints/city", **{"If-None-Match": str(etag)}) == (304, None, None)
    assert call(service, "GET", f"/endpoints/city?version={VERSION}")[0] == 200
    assert call(service, "GET", "/endpoints/city?version=older")[0] == 404


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [{"value": "Rome"}]),
        ({"topk": 2, "score": True}, [{"value": "Rome", "score": 0.75}, {"value": "Oslo", "score": 0.25}]),
        ({"topk": 2, "threshold": 0.5}, [{"value": "Rome"}]),
        ({"threshold": 0.8}, []),
        ({"artifactVersion": VERSION}, [{"value": "Rome"}]),
    ],
)
def test_classification(service: FakeService, parameters: dict[str, Any], expected: list[Any]) -> None:
    assert invoke(service, "city", {"nodes": [{"nodeId": "1"}, {"nodeId": "unknown"}]}, **parameters) == [
        expected,
        [],
    ]


@pytest.mark.parametrize(
    ("name", "items", "parameters", "expected"),
    [
        ("city", {"nodeId": ["1", "1"]}, {}, {"classes": ["Rome"], "indices": [0, 0]}),
        (
            "city",
            {"nodeId": ["1", "unknown"]},
            {"topk": 2, "score": True},
            {"classes": ["Rome", "Oslo"], "indices": [0, 1], "counts": [2, 0], "scores": [0.75, 0.25]},
        ),
        (
            "weight",
            {"headNodeId": ["1", "1"], "tailNodeId": ["2", "4"], "edgeId": ["7", None]},
            {},
            {"values": [0.5, 0.75]},
        ),
        (
            "knows",
            {"headNodeId": ["1", "1"], "exclude": [["2"], None]},
            {},
            {"ids": ["4", "2"], "scores": [0.8, 0.9]},
        ),
    ],
)
def test_columns(
    service: FakeService, name: str, items: dict[str, Any], parameters: dict[str, Any], expected: Any
) -> None:
    body = {"data": {"globalParameters": parameters | {"columns": True}, "items": items}}
    assert service.invoke(name, body)["columns"] == expected
    assert "columns" not in service.invoke(name, {"data": {"globalParameters": parameters, "items": items}})


def test_tables_whole_and_in_ranges(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "table.bin").write_bytes(b"from a file")
    tables: dict[str, Path | bytes] = {"a/b": b"0123456789", "é": tmp_path / "table.bin"}
    service.endpoints["tabled"] = replace(service.endpoints["city"], tables=tables)
    described = service.describe("tabled")["tables"]
    assert [(table["label"], table["bytes"]) for table in described] == [("a/b", 10), ("é", 11)]
    assert described[1]["path"] == str(tmp_path / "table.bin")
    url = f"{service.url}/endpoints/tabled/tables/a%2Fb?version={VERSION}"
    for given, status, content in (
        (None, 200, b"0123456789"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=8-", 206, b"89"),
    ):
        asked = urllib.request.Request(url, headers={"Range": given} if given else {})
        with urllib.request.urlopen(asked) as answer:
            assert (answer.status, answer.read()) == (status, content)
            assert (answer.headers["Content-Range"] is None) == (given is None)
    assert call(service, "GET", "/endpoints/tabled/tables/none")[0] == 404
    assert call(service, "GET", "/endpoints/tabled/tables/a%2Fb?version=older")[0] == 404


def test_items_that_bring_their_neighbourhood_have_answers_of_their_own(service: FakeService) -> None:
    knows = service.endpoints["knows"]
    service.endpoints["live"] = replace(knows, inductive={"9": [{"id": "2", "score": 0.7}]})
    _, description, _ = call(service, "GET", "/endpoints/live")
    assert description["modes"] == ["transductive", "inductive"]
    edge = {"from": "person", "label": "knows", "to": "person", "properties": []}
    assert description["inductive"] == {
        "fanouts": [10, 10],
        "nodes": {"person": []},
        "edges": [edge],
        "maxNewCandidates": 1000,
    }
    items = {"edges": [{"headNodeId": "9"}, {"headNodeId": "1"}]}
    best = [{"id": "2", "score": 0.9}]
    assert invoke(service, "live", items) == [[], best]
    assert invoke(service, "live", items | {"subgraph": {}}) == [[{"id": "2", "score": 0.7}], best]
    body = {"mode": "embed", "data": {"nodes": [{"nodeId": "8"}, {"nodeId": "9"}], "subgraph": {}}}
    _, answer, _ = call(service, "POST", "/endpoints/live/invocations", body)
    assert (answer["embeddings"], answer["width"]) == ("AAAAAAAAAAA=", 1)


def test_edges_are_found_by_id_or_by_their_ends(service: FakeService) -> None:
    by_id, by_ends = {"edgeId": "7", "headNodeId": "1", "tailNodeId": "2"}, {"headNodeId": "1", "tailNodeId": "4"}
    assert invoke(service, "weight", {"edges": [by_id, by_ends]}) == [[{"value": 0.5}], [{"value": 0.75}]]


def test_links_leave_out_what_is_excluded(service: FakeService) -> None:
    items = {"edges": [{"headNodeId": "1"}, {"headNodeId": "1", "exclude": ["2"]}, {"tailNodeId": "1"}]}
    best, second = {"id": "2", "score": 0.9}, {"id": "4", "score": 0.8}
    assert invoke(service, "knows", items, topk=2) == [[best, second], [second], [best, second]]
    assert invoke(service, "knows", items, exclude=["4"]) == [[best], [], [best]]


def test_a_worker_wants_the_token_of_its_endpoint(service: FakeService) -> None:
    body = {"data": {"nodes": [{"nodeId": "1"}]}}
    assert (
        call(service, "POST", "/invocations", body, Authorization="Bearer token-of-city")[1]["endpoint"] == "city"
    )
    status, error, _ = call(service, "POST", "/invocations", body)
    assert (status, error["code"]) == (403, "AccessDeniedException")


@pytest.mark.parametrize(
    ("method", "path", "parameters", "status", "code"),
    [
        ("GET", "/endpoints/none", {}, 404, "MLResourceNotFoundException"),
        ("GET", "/elsewhere", {}, 404, "MLResourceNotFoundException"),
        ("POST", "/elsewhere", {}, 404, "MLResourceNotFoundException"),
        ("POST", "/endpoints/none/invocations", {}, 404, "MLResourceNotFoundException"),
        ("POST", "/endpoints/late/invocations", {}, 500, "TimeLimitExceededException"),
        ("POST", "/endpoints/city/invocations", {"artifactVersion": "x"}, 400, "ConstraintViolationException"),
    ],
)
def test_errors(
    service: FakeService, method: str, path: str, parameters: dict[str, Any], status: int, code: str
) -> None:
    body = {"data": {"globalParameters": parameters, "nodes": []}} if method == "POST" else None
    got_status, error, _ = call(service, method, path, body)
    assert (got_status, error["code"]) == (status, code)
    assert error["message"] == error["detailedMessage"]
