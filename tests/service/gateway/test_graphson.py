"""Requests in GraphSON: of both versions, and what readers of JSON may disagree about."""

import contextlib
import json
import uuid
from typing import Any

import pytest
from gremlin_python.driver.request import RequestMessage
from gremlin_python.driver.serializer import GraphSONSerializersV2d0, GraphSONSerializersV3d0
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.strategies import ReadOnlyStrategy, SubgraphStrategy
from gremlin_python.process.traversal import P
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.service.gateway import graphson
from neptuneml_plugin.service.gateway.messages import Unreadable

REQUEST_ID = "8d2f2f6c-1c2a-4f2e-9d6e-0f3c1b5a7e90"
SERIALIZERS = {2: GraphSONSerializersV2d0, 3: GraphSONSerializersV3d0}

g = traversal().with_(None)


def written(version: int, op: str, args: dict[str, Any], processor: str = "") -> bytes:
    """Return a request as gremlin-python writes it, without the name of the format."""
    frame = bytes(SERIALIZERS[version]().serialize_message(REQUEST_ID, RequestMessage(processor, op, dict(args))))
    return frame[1 + frame[0] :]


def request(**members: Any) -> bytes:
    document = {"requestId": REQUEST_ID, "op": "eval", "processor": "", "args": {"gremlin": "g.V()"}} | members
    return json.dumps(document).encode()


@pytest.mark.parametrize("version", SERIALIZERS)
def test_scripts_of_gremlin_python(version: int) -> None:
    body = written(version, "eval", {"gremlin": "g.V(x)", "bindings": {"x": 1}, "language": "gremlin-groovy"})
    message = graphson.read_request(body)
    assert (str(message.request_id), message.op, message.script) == (REQUEST_ID, "eval", "g.V(x)")
    assert message.language == "gremlin-groovy"
    changed = graphson.in_gremlin_lang(body)
    assert graphson.read_request(changed).language == "gremlin-lang"
    assert graphson.in_gremlin_lang(changed) == changed
    assert changed.count(b"language") == 1


@pytest.mark.parametrize("version", SERIALIZERS)
@given(name=st.text(max_size=20), number=st.integers(-(2**63), 2**63 - 1), with_lambda=st.booleans())
def test_traversals_of_gremlin_python(version: int, name: str, number: int, with_lambda: bool) -> None:  # noqa: FBT001
    steps = (
        g.with_strategies(SubgraphStrategy(vertices=__.has_label(name)))
        .V(number)
        .where(__.has(name, P.gt(number)))
    )
    if with_lambda:
        steps = steps.where(__.filter_(lambda: "it.get()"))
    message = graphson.read_request(written(version, "bytecode", {"gremlin": steps.bytecode}, "traversal"))
    assert (message.script, message.processor) == (None, "traversal")
    assert message.found.lambdas is with_lambda
    assert {"V", "where", "has", "withStrategies", "hasLabel"} <= message.found.steps


def test_classes_are_found() -> None:
    steps = g.without_strategies(ReadOnlyStrategy).V()
    message = graphson.read_request(written(3, "bytecode", {"gremlin": steps.bytecode}, "traversal"))
    assert any(name.endswith(".ReadOnlyStrategy") for name in message.found.classes)
    named = {"@type": "g:MyStrategy", "@value": {"fqcn": "com.example.Mine"}}
    assert "com.example.Mine" in graphson.read_request(request(args={"x": [named]})).found.classes


REFUSED = {
    b"": "is no JSON",
    b"[]": "is no JSON object",
    request().replace(b'"op"', b'"op": "close", "op"'): "a key twice",
    request(args=None): "no object 'args'",
    request(args={"@type": "g:Map", "@value": ["language", "a", "language", "b"]}): "stand twice",
    request(args={"@type": "g:Map", "@value": ["language"]}): "of another type than g:Map",
    request(args={"@type": "g:Map", "@value": [], "language": "x"}): "of another type than g:Map",
    request(args={"@type": "g:Map", "@value": [1, 2]}): "that are no texts",
    request(args={"@type": "g:Tree", "@value": []}): "of another type than g:Map",
    request(args={"language": {"@type": "g:T", "@value": "id"}}): "no text 'language'",
    request(op=None): "no text 'op'",
    request(requestId="1"): "no UUID 'requestId'",
    request(requestId=7): "no UUID 'requestId'",
    request(args={"x": {"@type": "g:Int32", "@value": 1, "more": 2}}): "other members",
    request(args={"x": {"@type": 7}}): "no text '@type'",
    request(args={"x": {"@type": "g:Bytecode", "@value": {"step": [[]]}}}): "without name",
    request(args={"x": {"@type": "g:Bytecode", "@value": {"steps": []}}}): "not made of steps",
    request(args={"x": {"@type": "g:Bytecode", "@value": {"step": "V"}}}): "not made of lists",
    request(args={"x": float("nan")}): "NaN, which is no JSON",
    b"\xef\xbb\xbf" + request(): "is no JSON",
    request().decode().encode("utf-16"): "is no JSON",
    request(args={"x": "?"}).replace(b"?", b"\xff"): "is no JSON",
    b'{"args": ' * 100_000: "is no JSON",
    b'{"op": "eval", "args": {"x":' + b"[" * 300 + b"]" * 300 + b"}}": "nested more than",
}  # fmt: skip


@pytest.mark.parametrize("body", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_told_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable, match=REFUSED[body]):
        graphson.read_request(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["g:Lambda", "g:Bytecode"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["@type", "@value", "args", "step", "op", "fqcn"]), inner, max_size=4)
    ),
)


@given(JSON)
def test_any_json_is_read_or_refused(value: Any) -> None:
    for body in (json.dumps(value).encode(), request(args={"x": value}), request(args=value)):
        with contextlib.suppress(Unreadable):
            message = graphson.read_request(body)
            assert message.found.lambdas is holds_lambda(json.loads(body))


def holds_lambda(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("@type") == "g:Lambda" or any(map(holds_lambda, value.values()))
    return isinstance(value, list) and any(map(holds_lambda, value))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(Unreadable):
        graphson.read_request(data)


@pytest.mark.parametrize("version", SERIALIZERS)
def test_drivers_read_a_refusal(version: int) -> None:
    text = graphson.refusal(uuid.UUID(REQUEST_ID), 403, "no").decode()
    told = SERIALIZERS[version]().deserialize_message(text)
    assert (told["requestId"], told["status"]) == (REQUEST_ID, {"message": "no", "code": 403, "attributes": {}})


def test_plain_values() -> None:
    number = {"@type": "g:Int64", "@value": 3}
    pairs = ["a", number, {"@type": "g:T", "@value": "id"}, {"@type": "g:List", "@value": [number]}]
    typed = {"@type": "g:Map", "@value": [*pairs, {"@type": "g:Set", "@value": ["x"]}, None]}
    assert graphson.plain([typed, {"k": number}]) == [{"a": 3, "id": [3], '["x"]': None}, {"k": 3}]
