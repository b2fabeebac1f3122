"""Requests in GraphBinary: every type that TinkerPop writes, bytes that are none, and gremlin-python's own."""

import contextlib
import struct
import uuid
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.request import RequestMessage
from gremlin_python.driver.serializer import GraphBinarySerializersV1
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.strategies import OptionsStrategy, SubgraphStrategy
from gremlin_python.process.traversal import P, T, TextP
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.service.gateway import graphbinary
from neptuneml_plugin.service.gateway.messages import Unreadable

#: One request per type of value, as `x` of `{"gremlin": "g.V(x)", "bindings": {"x": …}}`, written by the
#: GraphBinaryMessageSerializerV1 of TinkerPop 3.8.1 itself.
GOLDEN = Path(__file__).parents[2] / "golden" / "gateway" / "graphbinary.txt"
WRITTEN = {name: bytes.fromhex(text) for name, text in (line.split() for line in GOLDEN.read_text().splitlines())}
STRATEGY = "org.apache.tinkerpop.gremlin.process.traversal.strategy"
FOUND = {
    "Class": ("classes", {f"{STRATEGY}.verification.ReadOnlyStrategy"}),
    "Strategy": ("classes", {f"{STRATEGY}.decoration.SubgraphStrategy"}),
    "Options": ("classes", {f"{STRATEGY}.decoration.OptionsStrategy"}),
    "Bytecode": ("steps", {"V", "has", "out"}),
    "Lambda": ("lambdas", True),
}
MIME_LENGTH = 1 + len(b"application/vnd.graphbinary-v1.0")

g = traversal().with_(None)


def written(op: str, args: dict[str, Any], processor: str = "") -> bytes:
    """Return a request as gremlin-python writes it, without the name of the format."""
    message = RequestMessage(processor, op, dict(args))
    return bytes(GraphBinarySerializersV1().serialize_message(uuid.uuid4(), message))[MIME_LENGTH:]


@pytest.mark.parametrize("name", WRITTEN)
def test_every_type_is_read_to_its_end(name: str) -> None:
    message = graphbinary.read_request(WRITTEN[name])
    assert (message.request_id, message.op, message.processor) == (
        uuid.UUID(int=(7 << 64) + 9), "eval", "session"
    )  # fmt: skip
    assert (message.script, message.language) == ("g.V(x)", None)
    if name in FOUND:
        member, expected = FOUND[name]
        assert getattr(message.found, member) == expected
    else:
        assert message.found.lambdas is False
        assert message.found.classes == set()


@pytest.mark.parametrize("name", WRITTEN)
def test_the_language_is_replaced_and_the_rest_kept(name: str) -> None:
    changed = graphbinary.in_gremlin_lang(WRITTEN[name])
    message = graphbinary.read_request(changed)
    assert (message.script, message.language) == ("g.V(x)", "gremlin-lang")
    assert graphbinary.in_gremlin_lang(changed) == changed
    assert len(changed) == len(WRITTEN[name]) + 2 * 6 + len("languagegremlin-lang")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_request_that_is_cut_or_goes_on_is_refused(name: str) -> None:
    whole = WRITTEN[name]
    for end in range(len(whole)):
        with pytest.raises(Unreadable):
            graphbinary.read_request(whole[:end])
    with pytest.raises(Unreadable, match="after its end"):
        graphbinary.read_request(whole + b"\0")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for body in (data, b"\x81" + data, WRITTEN["Map"][:-20] + data):
        with contextlib.suppress(Unreadable):
            assert graphbinary.read_request(body).op is not None


@given(st.sampled_from(sorted(WRITTEN)), st.integers(0, 500), st.integers(0, 255))
def test_a_changed_byte_hides_no_lambda(name: str, at: int, byte: int) -> None:
    """What is still read after a change is rewritten to the same request but for its language."""
    whole = bytearray(WRITTEN[name])
    whole[at % len(whole)] = byte
    try:
        message = graphbinary.read_request(bytes(whole))
    except Unreadable:
        return
    again = graphbinary.read_request(graphbinary.in_gremlin_lang(bytes(whole)))
    assert (again.found, again.request_id, again.op) == (message.found, message.request_id, message.op)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**31), 2**31 - 1), st.floats(), st.text(max_size=20),
    st.uuids(), st.datetimes(), st.timedeltas(),
    st.sampled_from([T.id_, P.within(1, 2), P.gt(3), TextP.containing("x"), __.out("knows").count()]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


@given(st.lists(VALUES, max_size=4), st.booleans())
def test_what_gremlin_python_writes_is_read(values: list[Any], with_lambda: bool) -> None:  # noqa: FBT001
    steps = g.with_strategies(SubgraphStrategy(vertices=__.has_label("a")), OptionsStrategy(k=1)).V(*values)
    if with_lambda:
        steps = steps.where(__.map(lambda: "it.get()"))
    message = graphbinary.read_request(
        written("bytecode", {"gremlin": steps.bytecode, "aliases": {"g": "g"}}, "traversal")
    )
    assert message.found.lambdas is with_lambda
    assert {"V", "withStrategies", "hasLabel"} <= message.found.steps
    assert f"{STRATEGY}.decoration.OptionsStrategy" in message.found.classes
    assert message.script is None


def test_scripts_of_gremlin_python() -> None:
    message = graphbinary.read_request(written("eval", {"gremlin": "g.V()", "language": "gremlin-groovy"}))
    assert (message.script, message.language) == ("g.V()", "gremlin-groovy")


def test_a_text_stands_where_the_driver_reads_one() -> None:
    request_id = uuid.uuid4()
    told = GraphBinarySerializersV1().deserialize_message(graphbinary.refusal(request_id, 403, "nö"))
    assert told["requestId"] == str(request_id)
    assert told["status"] == {"code": 403, "message": "nö", "attributes": {}}
    assert told["result"] == {"meta": {}, "data": None}


def test_nesting_has_an_end() -> None:
    deep = b"".join([struct.pack(">BBi", 9, 0, 1)] * 5000) + b"\xfe\x01"
    start = WRITTEN["Integer"].index(b"\x03\x00\x00\x00\x00\x01x") + 7
    with pytest.raises(Unreadable, match="nested more than"):
        graphbinary.read_request(WRITTEN["Integer"][:start] + deep)


def test_an_argument_stands_once() -> None:
    once = struct.pack(">BBi", 3, 0, 8) + b"language" + struct.pack(">BBi", 3, 0, 1) + b"x"
    head = b"\x81" + bytes(16) + struct.pack(">i", 4) + b"eval" + struct.pack(">ii", 0, 2)
    with pytest.raises(Unreadable, match="an argument twice"):
        graphbinary.read_request(head + once + once)
