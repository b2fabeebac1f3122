"""What `/gremlin` over HTTP takes: bodies, query strings, formats."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import (
    BadRequest,
    InvalidParameter,
    MissingParameter,
    NeptuneMLError,
    UnsupportedOperation,
)
from neptuneml_plugin.service.gateway.answers import GRAPHSON_3, Script
from neptuneml_plugin.service.gateway.queries import (
    FORMATS,
    Format,
    parse_accept,
    parse_body,
    parse_query,
    parse_script,
)

V2 = "application/vnd.gremlin-v2.0+json"
UNTYPED = "application/vnd.gremlin-v3.0+json;types=false"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Format(GRAPHSON_3)),
        ("", Format(GRAPHSON_3)),
        ("*/*", Format(GRAPHSON_3)),
        ("application/json", Format("application/json")),
        ("application/json; charset=utf-8", Format("application/json")),
        (V2, Format(V2, V2)),
        (UNTYPED, Format(UNTYPED, untyped=True)),
        ("application/vnd.gremlin-v3.0+json; types=false", Format(UNTYPED, untyped=True)),
        ("Application/Vnd.Gremlin-v1.0+JSON", Format("application/vnd.gremlin-v1.0+json", untyped=True)),
        ("text/html, application/vnd.graphbinary-v1.0, */*;q=0.1", Format(GRAPHSON_3)),
    ],
)
def test_accept(header: str | None, expected: Format) -> None:
    assert parse_accept(header) == expected


@pytest.mark.parametrize(
    "header", ["text/html", "application/vnd.graphbinary-v1.0", "application/vnd.gremlin-v4.0+json"]
)
def test_formats_that_are_not_written(header: str) -> None:
    with pytest.raises(UnsupportedOperation, match="ask over WebSocket, or accept one of"):
        parse_accept(header)


def test_a_list_has_a_type_only_in_typed_graphson_3() -> None:
    assert {name for name, form in FORMATS.items() if form.lists_have_types} == {
        "*/*", "application/*", "application/json", GRAPHSON_3
    }  # fmt: skip


def test_a_whole_body() -> None:
    body = b"""{"gremlin": "g.V(x)", "bindings": {"x": 1}, "aliases": {"g": "other"}, "language": "gremlin-lang",
                "evaluationTimeout": 5, "batchSize": 2, "unknown": true}"""
    assert parse_script(parse_body(body)) == Script("g.V(x)", "gremlin-lang", {"x": 1}, {"g": "other"}, 5, 2)
    assert parse_script({"gremlin": "g", "language": "", "bindings": None}) == Script("g")


def test_a_whole_query_string() -> None:
    query = {"gremlin": "g.V(x)", "bindings.x": "1", "aliases.g": "other", "evaluationTimeout": "5"}
    assert parse_query(query) == Script("g.V(x)", None, {"x": "1"}, {"g": "other"}, 5)


@pytest.mark.parametrize("body", [b"", b"g.V()", b"[]", b'"g.V()"', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_objects(body: bytes) -> None:
    with pytest.raises(BadRequest, match="the body is no JSON"):
        parse_body(body)


@pytest.mark.parametrize(
    ("members", "kind", "message"),
    [
        ({}, MissingParameter, "'gremlin' is missing"),
        ({"gremlin": ""}, MissingParameter, "'gremlin' is missing"),
        ({"gremlin": ["g"]}, InvalidParameter, "'gremlin' must be a text, not list"),
        ({"gremlin": "g", "language": "gremlin-groovey"}, InvalidParameter, "did you mean 'gremlin-groovy'"),
        ({"gremlin": "g", "bindings": [1]}, InvalidParameter, "'bindings' must be an object, not list"),
        ({"gremlin": "g", "batchSize": True}, InvalidParameter, "must be a whole number"),
        ({"gremlin": "g", "evaluationTimeout": "soon"}, InvalidParameter, "not 'soon'"),
        ({"gremlin": "g", "evaluationTimeout": 1 << 31}, InvalidParameter, "must be a whole number"),
    ],
)
def test_members_that_are_wrong(members: dict[str, object], kind: type[NeptuneMLError], message: str) -> None:
    with pytest.raises(kind, match=message):
        parse_script(members)


TEXTS = st.sampled_from(["gremlin", "bindings.x", "aliases.g", "batchSize", "language", "x"])


@given(st.dictionaries(TEXTS, st.text(max_size=4)), st.binary(max_size=20))
def test_anything_is_read_or_refused(query: dict[str, str], body: bytes) -> None:
    with contextlib.suppress(BadRequest, InvalidParameter, MissingParameter):
        assert parse_query(query).text
    with contextlib.suppress(BadRequest, InvalidParameter, MissingParameter):
        assert parse_script(parse_body(body)).text
