"""Ordinary queries to endpoints that are answered in other ways than by one worker from one artifact."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T

from neptuneml_plugin import gremlin_server
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.gremlin_server import GremlinServer
from neptuneml_plugin.gremlin_server_config import GremlinServerConfig
from tests.collector import Collector
from tests.made_artifacts import Made, make_artifact
from tests.running_service import RunningService, eventually, running_service
from tests.servers import Connect

MADE = Made()
SEEDS = (0, 1)
#: (weight, seed) of an ensemble's members.
MEMBERS = ((1, 0), (3, 1))
CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"


@dataclass(frozen=True)
class Stack:
    """A service with real workers, which send traces, and a server with a graph whose plugin keeps no tables."""

    folder: Path
    service: RunningService
    server: GremlinServer
    collector: Collector

    def create(self, name: str, artifact: str | dict[str, Any], **options: Any) -> None:
        """Create an endpoint from an artifact's folder or from something else."""
        source = str(self.folder / artifact) if isinstance(artifact, str) else artifact
        self.service.client.create_endpoint(name, source, options)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server_data_root: Path) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("serving")
    with Collector() as collector, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with running_service(folder) as service:
            settings = GremlinServerConfig(
                server_data_root, "empty", port=0, service_url=service.url, heap_mib=512, table_limit_mib=0
            )
            for seed in SEEDS:
                make_artifact(folder / f"genre-{seed}", Made(seed=seed))
                make_artifact(folder / f"links-{seed}", Made(Task.LINK_PREDICTION, seed=seed))
            with gremlin_server.running_server(settings) as server:
                yield Stack(folder, service, server, collector)


@pytest.fixture
def g(stack: Stack, connect: Connect) -> Any:
    """Three users and five movies, without any edge."""
    source = connect(stack.server)
    if not source.V().has_next():
        for user in MADE.users:
            source.add_v("user").property(T.id, int(user)).iterate()
        for movie in MADE.movies:
            source.add_v("movie").property(T.id, movie).iterate()
    return source


def ensemble(stack: Stack, kind: str) -> dict[str, Any]:
    members = [
        {"artifactLocation": str(stack.folder / f"{kind}-{seed}"), "weight": weight} for weight, seed in MEMBERS
    ]
    return {"ensemble": {"members": members}}


def genres(g: Any, endpoint: str) -> dict[str, Any]:
    """Return the predicted genre of each movie."""
    genre = __.values("genre").with_("Neptune#ml.classification")
    rows = (
        g.with_("Neptune#ml.endpoint", endpoint).V().has_label("movie").project("id", "genre").by(T.id).by(genre)
    )
    return {row["id"]: row["genre"] for row in rows.to_list()}


def probabilities(stack: Stack, seed: int) -> Any:
    return np.load(stack.folder / f"genre-{seed}" / "nodes/1/predictions.npy").astype(np.float64)


def best(predicted: Any) -> dict[str, Any]:
    return {movie: MADE.classes[row.argmax()] for movie, row in zip(MADE.movies, predicted, strict=True)}


def test_a_property_from_an_ensemble(stack: Stack, g: Any) -> None:
    stack.create("genre-mean", ensemble(stack, "genre"))
    mean = sum(weight * probabilities(stack, seed) for weight, seed in MEMBERS)
    assert genres(g, "genre-mean") == best(mean)
    assert best(mean) != best(probabilities(stack, 0))


def test_links_from_an_ensemble(stack: Stack, g: Any) -> None:
    stack.create("links-mean", ensemble(stack, "links"))
    totals = dict.fromkeys(MADE.movies, 0.0)
    for weight, seed in MEMBERS:
        stack.create(f"links-{seed}", f"links-{seed}")
        asked = {"globalParameters": {"topk": len(totals)}, "edges": [{"headNodeId": "1"}]}
        (answers,) = stack.service.client.invoke(f"links-{seed}", {"mode": "predict_tail", "data": asked})[
            "answers"
        ]
        for answer in answers:
            totals[answer["id"]] += weight * answer["score"] / sum(weight for weight, _ in MEMBERS)
    source = g.with_("Neptune#ml.endpoint", "links-mean").with_("Neptune#ml.limit", len(totals))
    links = source.V(1).out("rated").with_("Neptune#ml.prediction").with_("Neptune#ml.score", "score")
    found = links.has_label("movie").project("id", "score").by(T.id).by(__.select("score")).to_list()
    assert [row["id"] for row in found] == sorted(totals, key=lambda movie: -totals[movie])
    assert [row["score"] for row in found] == pytest.approx(sorted(totals.values(), reverse=True), abs=1e-6)


def test_two_endpoints_of_a_group_in_one_query(stack: Stack, g: Any) -> None:
    for seed in SEEDS:
        stack.create(f"small-{seed}", f"genre-{seed}", workerGroup="small")
    described = [stack.service.client.describe_endpoint(f"small-{seed}") for seed in SEEDS]
    assert described[0]["addresses"] == described[1]["addresses"]
    assert described[0]["token"] != described[1]["token"]
    query = g.V().has_label("movie").project("id", *map(str, SEEDS)).by(T.id)
    for seed in SEEDS:
        genre = __.values("genre").with_("Neptune#ml.classification")
        query = query.by(genre.with_("Neptune#ml.endpoint", f"small-{seed}"))
    rows = query.to_list()
    for seed in SEEDS:
        assert {row["id"]: row[str(seed)] for row in rows} == best(probabilities(stack, seed))


@pytest.mark.parametrize("given", [None, f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"])
def test_what_workers_do_for_a_query_is_one_trace(stack: Stack, g: Any, given: str | None) -> None:
    name = f"traced-{given is None}"
    stack.create(name, "genre-0", instanceCount=2)
    source = g.with_("Neptune#ml.endpoint", name)
    source = source if given is None else source.with_("traceparent", given)
    profile = source.V().has_label("movie").values("genre").with_("Neptune#ml.classification").profile().next()
    (costs,) = [step["annotations"] for step in profile["metrics"] if "requestId" in step.get("annotations", {})]
    trace = costs["requestId"].replace("-", "") if given is None else CALLERS_TRACE

    def spans(name: str) -> list[Any]:
        return [span for span in stack.collector.spans if (span.trace, span.name) == (trace, name)]

    eventually(lambda: len(spans("invocation")) == costs["calls"] > 1)
    assert {span.process for span in spans("invocation")} == {"neptuneml-worker"}
    if given is not None:
        assert {span.parent for span in spans("invocation")} == {given.split("-")[2]}
