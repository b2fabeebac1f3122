"""TinkerPop's own clients, unmodified, ask one server the same queries and get the same answers."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from gremlin_python.driver.serializer import (
    GraphBinarySerializersV1,
    GraphSONSerializersV2d0,
    GraphSONSerializersV3d0,
)

from neptuneml_plugin.gremlin_server import GremlinServer, console_command
from neptuneml_plugin.testing import FakeService
from tests.contract.queries import ENDPOINTS, QUERIES, ask_python, to_groovy, to_json
from tests.servers import Connect

JAVASCRIPT = Path(__file__).parent / "javascript"
EXPECTED = {name: answers for name, (_, answers) in QUERIES.items()}
REMOTE_YAML = """\
hosts: [127.0.0.1]
port: {port}
serializer:
  className: org.apache.tinkerpop.gremlin.util.ser.GraphBinaryMessageSerializerV1
  config: {{serializeResultToString: true}}
"""


@pytest.fixture
def ml_server(gremlin_server: GremlinServer, fake_service: FakeService) -> GremlinServer:
    fake_service.endpoints |= ENDPOINTS
    return gremlin_server


@pytest.mark.parametrize(
    "serializer",
    [GraphBinarySerializersV1, GraphSONSerializersV3d0, GraphSONSerializersV2d0],
    ids=lambda s: s.__name__,
)
@pytest.mark.parametrize("name", QUERIES)
def test_gremlin_python(ml_server: GremlinServer, connect: Connect, serializer: Any, name: str) -> None:
    steps, answers = QUERIES[name]
    assert ask_python(connect(ml_server, serializer()), steps) == answers


def test_the_gremlin_console(ml_server: GremlinServer, server_data_root: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.yaml"
    remote.write_text(REMOTE_YAML.format(port=ml_server.port))
    lines = [f":remote connect tinkerpop.server {remote}", ":remote console"]
    for name, (steps, _) in QUERIES.items():
        lines += [f"'query: {name}'", to_groovy(steps)]
    done = subprocess.run(
        console_command(server_data_root),
        input="\n".join([*lines, ":quit", ""]),
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert console_answers(done.stdout) == {name: list(map(str, answers)) for name, answers in EXPECTED.items()}


def test_a_script_in_the_gremlin_console(ml_server: GremlinServer, server_data_root: Path, tmp_path: Path) -> None:
    steps, answers = QUERIES["nested"]
    script = tmp_path / "ask.groovy"
    script.write_text(
        "import org.apache.tinkerpop.gremlin.driver.remote.DriverRemoteConnection\n"
        f"connection = DriverRemoteConnection.using('127.0.0.1', {ml_server.port}, 'g')\n"
        "g = traversal().withRemote(connection)\n"
        f"println 'found ' + {to_groovy(steps)}.toList()\n"
        "connection.close()\n"
        "System.exit(0)\n"
    )
    done = subprocess.run(
        console_command(server_data_root, script=script), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"found {answers}".replace("'", "")


def console_answers(output: str) -> dict[str, list[str]]:
    answers: dict[str, list[str]] = {}
    for line in re.sub(r"\x1b\[\d*m", "", output).splitlines():
        if line.startswith("==>query: "):
            answers[line.removeprefix("==>query: ")] = []
        elif line.startswith("==>") and answers:
            answers[list(answers)[-1]].append(line.removeprefix("==>"))
    return answers


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages of the lock installed beside the script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "these tests need Node 20 or later: install it, or run `make test` without them"
    assert npm, "these tests need npm: install it, or run `make test` without them"
    installed, lock = JAVASCRIPT / "node_modules" / ".package-lock.json", JAVASCRIPT / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=JAVASCRIPT, check=True, capture_output=True)
    return node


@pytest.mark.clients
@pytest.mark.parametrize("mime_type", ["gremlin-v3.0+json", "gremlin-v2.0+json", "graphbinary-v1.0"])
def test_javascript(ml_server: GremlinServer, node: str, mime_type: str) -> None:
    done = subprocess.run(
        [node, "ask.js", ml_server.url, f"application/vnd.{mime_type}"],
        input=to_json(), capture_output=True, text=True, cwd=JAVASCRIPT, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EXPECTED
