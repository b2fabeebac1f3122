"""Who may send what to the Gremlin Server (decision 33)."""

import json
import uuid
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from gremlin_python.driver.request import RequestMessage
from gremlin_python.driver.serializer import (
    GraphBinarySerializersV1,
    GraphSONSerializersV2d0,
    GraphSONSerializersV3d0,
)
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import __

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.gateway import graphbinary, graphson
from neptuneml_plugin.service.gateway.messages import Unreadable
from neptuneml_plugin.service.gateway.policy import Refused, check_frame, check_text, may_run_code
from neptuneml_plugin.service.gateway.scripts import names

SERIALIZERS = {
    "GraphBinary": GraphBinarySerializersV1,
    "GraphSON 2": GraphSONSerializersV2d0,
    "GraphSON 3": GraphSONSerializersV3d0,
}
g = traversal().with_(None)

every_serializer = pytest.mark.parametrize("name", SERIALIZERS)


def frame(name: str, op: str, args: dict[str, Any], processor: str = "") -> bytes:
    return bytes(
        SERIALIZERS[name]().serialize_message(str(uuid.uuid4()), RequestMessage(processor, op, dict(args)))
    )


def read(name: str, passed: bytes) -> Any:
    module = graphbinary if name == "GraphBinary" else graphson
    return module.read_request(passed[1 + passed[0] :])


#: What is asked -> the reason why it does not pass.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("bytecode", {"gremlin": g.V().map(lambda: "it").bytecode}, "lambdas are code"),
    ("bytecode", {"gremlin": g.V().where(__.out().filter_(lambda: "it")).bytecode}, "lambdas are code"),
    ("bytecode", {"gremlin": g.io("/etc/passwd").read().bytecode}, r"io\(\) reads and writes"),
    ("eval", {"gremlin": "g.io('/tmp/x').write()"}, r"io\(\) reads and writes"),
    ("eval", {"gremlin": "g.V()", "language": "gremlin-jython"}, "scripts in 'gremlin-jython'"),
]


@every_serializer
@pytest.mark.parametrize(("op", "args", "reason"), REFUSED)
def test_what_is_refused_from_elsewhere(name: str, op: str, args: dict[str, Any], reason: str) -> None:
    processor = "traversal" if op == "bytecode" else ""
    with pytest.raises(Refused, match=reason) as refused:
        check_frame(frame(name, op, args, processor))
    told = SERIALIZERS[name]().deserialize_message(
        refused.value.response if name == "GraphBinary" else refused.value.response.decode()
    )
    assert told["status"]["code"] == 403
    assert told["status"]["message"].startswith("AccessDeniedException: ")


@every_serializer
def test_traversals_pass_as_they_are(name: str) -> None:
    sent = frame(
        name, "bytecode", {"gremlin": g.V().has("io", "io").out().bytecode, "aliases": {"g": "g"}}, "traversal"
    )
    assert check_frame(sent) == sent


@every_serializer
@pytest.mark.parametrize("language", [None, "gremlin-groovy", "gremlin-lang"])
def test_scripts_pass_as_gremlin_lang(name: str, language: str | None) -> None:
    args = {"gremlin": "g.V().has('io', \"it's io\")"} | ({"language": language} if language else {})
    message = read(name, check_frame(frame(name, "eval", args)))
    assert (message.script, message.language) == (args["gremlin"], "gremlin-lang")


@every_serializer
def test_sessions_and_passwords_pass(name: str) -> None:
    for op, args in (("close", {"session": "s"}), ("authentication", {"sasl": "AHUAcA=="})):
        sent = frame(name, op, args, "session")
        assert check_frame(sent) == sent


def request(**members: Any) -> str:
    return json.dumps({"requestId": str(uuid.uuid4()), "op": "eval", "processor": "", "args": {}} | members)


def test_text_frames() -> None:
    changed = json.loads(check_text(request(args={"gremlin": "g.V()"})))
    assert changed["args"] == {"gremlin": "g.V()", "language": "gremlin-lang"}
    with pytest.raises(Refused, match="must be a text"):
        check_text(request(args={"gremlin": {"@type": "g:Int32", "@value": 1}}))
    with pytest.raises(Refused, match="the operation 'gather' does not pass"):
        check_text(request(op="gather"))
    with pytest.raises(Refused, match=r"the class 'com.example.Mine' does not pass"):
        check_text(request(op="bytecode", args={"x": {"@type": "g:Class", "@value": "com.example.Mine"}}))


@pytest.mark.parametrize("head", [b"", b"\x00", b"\x03a/b", b"\xff", b"\x10application/gryo", b"\x7f"])
def test_formats_that_are_not_known(head: bytes) -> None:
    with pytest.raises(Unreadable, match="has the format"):
        check_frame(head)


@pytest.mark.parametrize(
    ("host", "asked_for", "allow_groovy", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8183", False, True),
        ("127.0.0.2", "localhost:8183", False, True),
        ("localhost", "localhost", False, True),
        ("::1", "[::1]:8183", False, True),
        ("127.0.0.1", "ml.example", False, False),  # a proxy passes it on
        ("0.0.0.0", "127.0.0.1:8183", False, False),
        ("ml.example", "ml.example", False, False),
        ("0.0.0.0", "ml.example", True, True),
    ],
)
def test_who_may_run_code(tmp_path: Any, host: str, asked_for: str, allow_groovy: bool, expected: bool) -> None:  # noqa: FBT001
    config = ServiceConfig(tmp_path, host=host, allow_groovy=allow_groovy)
    request = make_mocked_request("GET", "/gremlin", headers={"Host": asked_for})
    assert may_run_code(request, config) is expected


def test_names_outside_of_texts() -> None:
    assert names("""g.V().has('drop', "addV()").where(__.out('x\\'drop'))""") == {
        "g",
        "V",
        "has",
        "where",
        "__",
        "out",
    }
    assert "io" in names("g. /*x*/ io\n('a')")
    assert "drop" in names("g.V('open).drop()")
