"""TinkerPop's own clients ask one table of queries, before a service with known answers, and get those."""

import subprocess
from pathlib import Path

import pytest

from neptuneml_plugin import jars
from neptuneml_plugin.gremlin_server import console_command
from neptuneml_plugin.testing import FakeService
from tests.contract.clients import ask_console, ask_go, ask_java, ask_javascript, java_driver
from tests.contract.graph import MOVIES, PEOPLE, RATINGS, Ids, endpoints, to_groovy
from tests.contract.queries import QUERIES, bound, java_text, to_text
from tests.platforms import NEWEST, OLDEST, Platform

EXPECTED = {name: answers for name, (_, answers) in QUERIES.items()}

on_the_newest = pytest.mark.parametrize("platform", [f"TinkerGraph {NEWEST}"], indirect=True)


@on_the_newest
def test_the_gremlin_console(platform: Platform, server_data_root: Path, tmp_path: Path) -> None:
    found = ask_console(platform.server.port, server_data_root, tmp_path, platform.queries)
    assert found == {name: list(map(java_text, answers)) for name, answers in EXPECTED.items()}


@on_the_newest
def test_a_script_in_the_gremlin_console(platform: Platform, server_data_root: Path, tmp_path: Path) -> None:
    printed = run_script(
        server_data_root,
        tmp_path,
        f"""
        import org.apache.tinkerpop.gremlin.driver.remote.DriverRemoteConnection
        connection = DriverRemoteConnection.using('127.0.0.1', {platform.server.port}, 'g')
        g = traversal().withRemote(connection)
        println String.valueOf({to_text(platform.queries["where"])}.toList())
        connection.close()
        """,
    )
    assert printed == [java_text(EXPECTED["where"])]


def test_a_graph_in_the_gremlin_console(
    server_data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = Ids(
        {name: str(number) for number, name in enumerate((*PEOPLE, *MOVIES))},
        {name: str(number) for number, name in enumerate(RATINGS, start=100)},
    )
    queries = [to_text(bound(steps, ids.edges)) for steps, _ in QUERIES.values()]
    with FakeService(endpoints(ids)) as service:
        monkeypatch.setenv("NEPTUNEML_SERVICE_URL", service.url)
        printed = run_script(
            server_data_root,
            tmp_path,
            f"""
            settings = new org.apache.commons.configuration2.BaseConfiguration()
            settings.setProperty('gremlin.tinkergraph.vertexIdManager', 'LONG')
            settings.setProperty('gremlin.tinkergraph.edgeIdManager', 'LONG')
            g = traversal().withEmbedded(TinkerGraph.open(settings))
            {to_groovy(ids)}
            {"; ".join(f"println String.valueOf({query}.toList())" for query in queries)}
            """,
        )
    assert printed == [java_text(answers) for answers in EXPECTED.values()]


def run_script(data_root: Path, folder: Path, script: str) -> list[str]:
    """Return the lines that a script prints in a Gremlin Console."""
    file = folder / "ask.groovy"
    file.write_text("\n".join(map(str.strip, script.splitlines())) + "\nSystem.exit(0)\n")
    done = subprocess.run(
        console_command(data_root, script=file), capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()


@pytest.mark.clients
@pytest.mark.parametrize("mime_type", ["gremlin-v3.0+json", "gremlin-v2.0+json", "graphbinary-v1.0"])
@on_the_newest
def test_javascript(platform: Platform, node: str, mime_type: str) -> None:
    assert ask_javascript(node, platform.server.url, mime_type, platform.queries) == EXPECTED


@pytest.mark.clients
@pytest.mark.parametrize("platform", [f"TinkerGraph {OLDEST}", "JanusGraph 1.1.0"], indirect=True)
def test_javascript_elsewhere(platform: Platform, node: str) -> None:
    assert ask_javascript(node, platform.server.url, "graphbinary-v1.0", platform.queries) == EXPECTED


@pytest.mark.clients
@pytest.mark.parametrize(
    ("platform", "driver", "serializer"),
    [
        (f"TinkerGraph {OLDEST}", OLDEST, "GRAPHSON_V3"),
        (f"TinkerGraph {OLDEST}", NEWEST, "GRAPHBINARY_V1"),
        (f"TinkerGraph {NEWEST}", OLDEST, "GRAPHBINARY_V1"),
        (f"TinkerGraph {NEWEST}", NEWEST, "GRAPHSON_V3"),
        ("JanusGraph 1.1.0", OLDEST, "GRAPHBINARY_V1"),
    ],
    indirect=["platform"],
)
def test_java(platform: Platform, server_data_root: Path, driver: str, serializer: str) -> None:
    library = jars.resolve(java_driver(driver), server_data_root)
    assert ask_java(library, platform.server.port, serializer, platform.queries) == EXPECTED


@pytest.mark.clients
def test_go(platform: Platform, go_program: Path) -> None:
    assert ask_go(go_program, platform.server.url, platform.queries) == EXPECTED
