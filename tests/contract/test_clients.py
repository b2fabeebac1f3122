"""TinkerPop's own clients ask one server, before a service with known answers, and get those."""

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
from tests.contract.clients import ask_console, ask_javascript, ask_python
from tests.contract.queries import ENDPOINTS, QUERIES, to_groovy
from tests.servers import Connect

STEPS = {name: steps for name, (steps, _) in QUERIES.items()}
EXPECTED = {name: answers for name, (_, answers) in QUERIES.items()}


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
    found = ask_console(ml_server.port, server_data_root, tmp_path, STEPS)
    assert found == {name: list(map(str, answers)) for name, answers in EXPECTED.items()}


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


@pytest.mark.clients
@pytest.mark.parametrize("mime_type", ["gremlin-v3.0+json", "gremlin-v2.0+json", "graphbinary-v1.0"])
def test_javascript(ml_server: GremlinServer, node: str, mime_type: str) -> None:
    assert ask_javascript(node, ml_server.url, mime_type, STEPS) == EXPECTED
