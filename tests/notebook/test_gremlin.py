"""graph-notebook's magics, unmodified, against the service's one host and port."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from neptuneml_plugin import __version__
from neptuneml_plugin.config import ServiceConfig
from tests.notebook.notebooks import Notebook
from tests.platforms import NEWEST, Platform
from tests.threaded_service import threaded_service

pytestmark = [
    pytest.mark.notebook,
    pytest.mark.parametrize("platform", [f"TinkerGraph {NEWEST}"], indirect=True),
]

ASK = "g.with('Neptune#ml.endpoint', 'age').V().hasLabel('person').order().by('name')"
ASK += ".properties('age').with('Neptune#ml.regression').value()"


@pytest.fixture
def port(platform: Platform, tmp_path: Path) -> Iterator[int]:
    with threaded_service(ServiceConfig(tmp_path / "root", gremlin=platform.server.url)) as port:
        yield port


@pytest.mark.parametrize("as_neptune", [False, True])
def test_queries_over_websocket(notebook: Notebook, port: int, as_neptune: bool) -> None:  # noqa: FBT001
    ran = notebook.at(port, as_neptune=as_neptune).run(
        f"%%gremlin --store-to predicted\n{ASK}",
        "%%gremlin --store-to people\ng.V().hasLabel('person').count()",
        keep=("predicted", "people"),
    )
    assert ran.kept == {"predicted": [30.5, 61.25], "people": [3]}


@pytest.mark.parametrize("serializer", ["GraphSONMessageSerializerV3", "GraphSONUntypedMessageSerializerV3", ""])
def test_queries_over_http(notebook: Notebook, port: int, serializer: str) -> None:
    settings = {"connection_protocol": "http"} | ({"message_serializer": serializer} if serializer else {})
    ran = notebook.at(port, as_neptune=True, **settings).run(
        f"%%gremlin --store-to predicted\n{ASK}",
        "%%gremlin --store-to none\ng.V().hasLabel('none')",
        keep=("predicted", "none"),
    )
    assert ran.kept == {"predicted": [30.5, 61.25], "none": []}


def test_explain_and_profile(notebook: Notebook, port: int) -> None:
    explained, profiled = (
        notebook.at(port, as_neptune=True)
        .run(f"%%gremlin explain --store-to plan\n{ASK}", f"%%gremlin profile --store-to times\n{ASK}",
             keep=("plan", "times"))
        .kept.values()
    )  # fmt: skip
    assert "Neptune Gremlin Explain" in explained
    assert "Optimized Traversal" in explained
    assert "Neptune Gremlin Profile" in profiled
    assert "Query Execution: " in profiled


def test_status_and_summary(notebook: Notebook, port: int) -> None:
    kept = (
        notebook.at(port, as_neptune=True)
        .run("%status --store-to status", "%summary --store-to basic",
             "%summary propertygraph --detailed --store-to detailed", keep=("status", "basic", "detailed"))
        .kept
    )  # fmt: skip
    assert (kept["status"]["status"], kept["status"]["dbEngineVersion"]) == ("healthy", __version__)
    assert kept["status"]["gremlin"] == {"version": f"tinkerpop-{NEWEST}"}
    graph = kept["basic"]["payload"]["graphSummary"]
    assert (graph["numNodes"], graph["nodeLabels"]) == (6, ["movie", "person"])
    assert kept["detailed"]["payload"]["graphSummary"]["nodeStructures"]


def test_a_failure_is_displayed(notebook: Notebook, port: int) -> None:
    (told,) = notebook.at(port).run("%%gremlin\ng.V(").outputs
    assert "597" in told


def test_the_jobs_magic_asks_the_service(notebook: Notebook, port: int) -> None:
    (told,) = notebook.at(port).run("%neptune_ml modeltransform list --store-to jobs").outputs
    assert "Error" not in told
    kept = notebook.at(port).run("%neptune_ml modeltransform list --store-to jobs", keep=("jobs",)).kept
    assert kept["jobs"] == {"ids": []}
