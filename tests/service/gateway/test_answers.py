"""Responses of a Gremlin Server: results kept to the letter, failures as Neptune's classes (decision 6)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import (
    AccessDenied,
    BadRequest,
    FailureByQuery,
    InvalidParameter,
    MalformedQuery,
    MissingParameter,
    NeptuneMLError,
    TimeLimitExceeded,
    TooManyRequests,
    UnsupportedOperation,
)
from neptuneml_plugin.service.gateway.answers import GRAPHSON_3, Batch, failure, read_batch

PLUGIN = "io.github.neptuneml.gremlin.failure.NeptuneMLException"


def message(data: str, code: int = 200, text: str = "") -> str:
    """Return a response as a server writes it."""
    return (
        f'{{"requestId":"1","status":{{"message":{json.dumps(text)},"code":{code},"attributes":{{"@type":"g:Map",'
        f'"@value":["host","/127.0.0.1:1"]}}}},"result":{{"data":{data},"meta":{{"@type":"g:Map","@value":[]}}}}}}'
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ('{"@type":"g:List","@value":[]}', ""),
        ('{"@type":"g:List","@value":[1, "]},{"]}', '1, "]},{"'),
        ("[]", ""),
        ("[[1],2.50]", "[1],2.50"),
        ("null", ""),
        ('{"a":[1]}', '{"a": [1]}'),
        ('{"@type":"g:List","@value":[{"@type":"gx:BigDecimal","@value":1.00000000000000000000000001}]}',
         '{"@type":"gx:BigDecimal","@value":1.00000000000000000000000001}'),
    ],
)  # fmt: skip
def test_results_keep_the_servers_text(data: str, text: str) -> None:
    for written in (message(data), message(data).encode()):
        batch = read_batch(written, GRAPHSON_3)
        assert (batch.status, batch.text) == (200, text)
        assert batch.items == json.loads(f"[{text}]")
        assert batch.attributes == {"@type": "g:Map", "@value": ["host", "/127.0.0.1:1"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["@type", "@value", "data"]), inner)
    ),
)


@given(st.lists(JSON, max_size=5), st.text(max_size=30), st.booleans(), st.booleans())
def test_any_results_are_found(items: list[Any], said: str, typed: bool, spaces: bool) -> None:  # noqa: FBT001
    data = {"@type": "g:List", "@value": items} if typed else items
    document = {
        "requestId": "1",
        "status": {"message": said + '"result":{"data":[', "code": 206, "attributes": {}},
        "result": {"data": data, "meta": {}},
    }
    written = json.dumps(document) if spaces else json.dumps(document, separators=(",", ":"))
    batch = read_batch(written, GRAPHSON_3)
    assert batch.items == items
    assert json.loads(f"[{batch.text}]") == items
    assert (batch.status, batch.message) == (206, said + '"result":{"data":[')


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"status":{}}', message("[1"), message("[]", 200)[:-5]])
def test_what_is_no_response(written: str) -> None:
    with pytest.raises(FailureByQuery, match="answer cannot be read"):
        read_batch(written, GRAPHSON_3)


def test_a_server_that_falls_back_to_graphbinary() -> None:
    with pytest.raises(InvalidParameter, match="no serializer for 'application/x'"):
        read_batch(b"\x81\x00\x00", "application/x")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises((FailureByQuery, InvalidParameter)):
        read_batch(data, GRAPHSON_3)


#: Status of the driver's protocol, exceptions that the server names, its message, the error, what it tells.
FAILURES = [
    (597, ["java.lang.ArithmeticException"], "Division by zero", MalformedQuery, "Division by zero"),
    (597, ["org.apache.tinkerpop.gremlin.GremlinParserException"], "no", MalformedQuery, "no"),
    (598, ["java.util.concurrent.TimeoutException"], "late", TimeLimitExceeded, "late"),
    (500, ["java.lang.Error"], "", FailureByQuery, "the Gremlin Server answered with status 500"),
    (499, [], "no alias", InvalidParameter, "no alias"),
    (498, [], "bad", BadRequest, "bad"),
    (595, ["x.FailStep$FailException"], "x", BadRequest, "x"),
    (599, [], "cannot write", BadRequest, "cannot write"),
    (407, [], "", AccessDenied, "ask over WebSocket"),
    (401, [], "who", AccessDenied, "who"),
    (429, [], "full", TooManyRequests, "full"),
    (597, [f"{PLUGIN}$MissingParameterException", PLUGIN], "MissingParameterException: x", MissingParameter, "x"),
    (596, [f"{PLUGIN}$TooManyRequestsException"], "TooManyRequestsException: later", TooManyRequests, "later"),
    (597, [f"{PLUGIN}$TimeLimitExceededException"], "TimeLimitExceededException: 5", TimeLimitExceeded, "5"),
    (500, [f"{PLUGIN}$InternalFailureException"], "InternalFailureException: x", NeptuneMLError, "x"),
    (597, ["java.lang.UnsupportedOperationException"], "no", UnsupportedOperation, "no"),
]


@pytest.mark.parametrize(("status", "names", "said", "kind", "told"), FAILURES)
@pytest.mark.parametrize("typed", [True, False])
def test_failures(
    status: int, names: list[str], said: str, kind: type[NeptuneMLError], told: str, *, typed: bool
) -> None:
    attributes: Any = {"stackTrace": "secret", "exceptions": names}
    if typed:
        held = {"@type": "g:List", "@value": names}
        attributes = {"@type": "g:Map", "@value": ["stackTrace", "secret", "exceptions", held]}
    error = failure(Batch(status, said, attributes, {}, [], ""))
    assert type(error) is kind
    assert told in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "attributes", [None, [], {}, {"exceptions": 1}, {"@type": "g:Map", "@value": ["exceptions"]}]
)
def test_attributes_of_any_shape(attributes: Any) -> None:
    assert isinstance(failure(Batch(597, "x", attributes, {}, [], "")), MalformedQuery)
