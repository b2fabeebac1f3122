"""`neptuneml learn` on a real Gremlin Server: one sentence, and the answers to it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from gremlin_python.driver.client import Client

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.live_graph import LiveGraph, planted_graph
from tests.made_artifacts import make_artifact
from tests.planted import KINDS, planted_export
from tests.running_service import RunningService, running_service
from tests.servers import make_data_root
from tests.test_cli import neptuneml

#: Items whose kind the graph does not say.
HIDDEN = tuple(f"item-{number}" for number in range(12))
QUERY = (
    'g.V().hasLabel("item").hasNot("kind").project("item", "kind")'
    '.by(__.id()).by(__.values("kind").with("Neptune#ml.classification"))'
)
_LOAD = """
def found = [:]
vertices.each { row ->
  def vertex = graph.addVertex(T.label, row.label, T.id, row.id)
  row.properties.each { key, value -> vertex.property(key, value) }
  found[row.label + row.id] = vertex
}
edges.each { row -> found[row.from].addEdge(row.label, found[row.to]) }
graph.addVertex(T.label, 'stranger', T.id, 'far away')
found.size()
"""


@dataclass(frozen=True)
class Stack:
    """A Gremlin Server with a planted graph, the service before it, and what the graph does not say."""

    gremlin_url: str
    service: RunningService
    kinds: dict[str, str]


def load(url: str, graph: LiveGraph) -> None:
    vertices = [
        {"label": label, "id": name, "properties": shown(name, properties)}
        for (label, name), properties in graph.vertices.items()
    ]
    edges = [
        {"label": kind.label, "from": f"{kind.source}{source}", "to": f"{kind.target}{target}"}
        for kind, source, target, _ in graph.edges
    ]
    client = Client(url, "g")
    try:
        client.submit(_LOAD, {"vertices": vertices, "edges": edges}).all().result()
    finally:
        client.close()


def shown(name: str, properties: Any) -> dict[str, Any]:
    """Return the properties without those that are to be found out, numbers as such."""
    kept = {key: value for key, value in properties.items() if name not in HIDDEN or key != "kind"}
    return {key: float(value) if key in ("size", "weight") else value for key, value in kept.items()}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("learn")
    graph = planted_graph(planted_export(folder / "planted", Task.NODE_CLASS, nodes=120))
    port = gremlin_server.free_port()
    settings = GremlinServerConfig(
        make_data_root(folder / "server"),
        "empty",
        port=0,
        service_url=f"http://127.0.0.1:{port}",
        id_manager="ANY",
        heap_mib=256,
    )
    with gremlin_server.running_server(settings) as server:
        load(server.url, graph)
        with running_service(folder / "service", port=port, gremlin=server.url) as service:
            kinds = {name: graph.vertices["item", name]["kind"] for name in HIDDEN}
            yield Stack(server.url, service, kinds)


def learn(stack: Stack, *arguments: str) -> str:
    done = neptuneml("learn", *arguments, env={"NEPTUNEML_SERVICE_URL": stack.service.url})
    assert done.returncode == 0, done.stderr
    for part in ("export", "dataprocessing", "training", "endpoint"):
        assert f"] {part}: " in done.stderr
    return done.stdout


def test_a_query_is_learned_and_answered(stack: Stack) -> None:
    client = stack.service.client
    before = make_artifact(stack.service.log.parent / "before").version
    client.create_endpoint("item-kind", str(stack.service.log.parent / "before"))
    env = {"NEPTUNEML_SERVICE_URL": stack.service.url}
    done = neptuneml("learn", QUERY, "--trials", "1", env=env, timeout_seconds=800)
    assert done.returncode == 0, done.stderr
    for part in ("export", "dataprocessing", "training", "endpoint"):
        assert f"] {part}: Completed" in done.stderr

    assert 'g.with("Neptune#ml.endpoint","item-kind").V()' in done.stdout
    answers = dict(re.findall(r"(item-\d+)\s+(\w+)", done.stdout))
    assert answers.keys() == set(HIDDEN)
    assert set(answers.values()) <= set(KINDS)
    assert sum(answers[name] == kind for name, kind in stack.kinds.items()) >= 8
    assert "majority" in done.stdout

    labels = [node["label"] for node in client.describe_endpoint("item-kind")["schema"]["nodes"]]
    assert labels == ["item", "tag"]  # the stranger is no part of it
    assert [entry["version"] for entry in client.get_endpoint("item-kind")["versions"]][1:] == [before]
