"""What a worker asks itself before others do."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp.test_utils import TestClient

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import WarmUp, WorkerConfig
from neptuneml_plugin.errors import UnsupportedOperation
from neptuneml_plugin.processing.encoders.categorical import Category, Hashed
from neptuneml_plugin.processing.encoders.datetimes import Datetime
from neptuneml_plugin.processing.encoders.fitted import Encoder
from neptuneml_plugin.processing.encoders.numerical import Buckets, Numerical
from neptuneml_plugin.processing.reading.tables import Column
from neptuneml_plugin.serving import warmup
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.invocation import Mode
from neptuneml_plugin.serving.opening import open_predictor
from neptuneml_plugin.serving.samples import sample
from tests.invocations import parse_invocation
from tests.made_artifacts import RATED, Made, make_artifact
from tests.serving.test_inductive import LABELS, SYMMETRIC, served, stored
from tests.training.test_neighbours_only import NEIGHBOURS_ONLY
from tests.worker_server import WorkerServer


@contextlib.asynccontextmanager
async def serving(folder: Path, **settings: object) -> AsyncIterator[tuple[Endpoint, WorkerServer]]:
    config = WorkerConfig("e", folder, token="t", **settings)  # type: ignore[arg-type]
    endpoint = Endpoint(config, *open_predictor(folder))
    server = WorkerServer(endpoint)
    async with server:
        yield endpoint, server
    endpoint.close()


def address(server: WorkerServer) -> str:
    return str(server.make_url("")).rstrip("/")


def counted(endpoint: Endpoint) -> list[str]:
    lines = endpoint.metrics.text().decode().splitlines()
    return [line for line in lines if "_created" not in line and "memory_bytes" not in line]


@pytest.mark.parametrize("task", list(Task))
async def test_every_task_is_warmed_up_with_requests_that_it_answers(tmp_path: Path, task: Task) -> None:
    manifest = make_artifact(tmp_path, Made(task=task))
    bodies = warmup.stored(tmp_path, manifest)
    assert len(bodies) == len(warmup.SIZES) * (2 if task is Task.LINK_PREDICTION else 1)
    async with serving(tmp_path) as (_, server):
        assert await warmup.warm_up(address(server), "t", bodies) == len(bodies) * warmup.ROUNDS
        client: TestClient[Any, Any] = TestClient(server, headers={"Authorization": "Bearer t"})
        async with client:
            for body in bodies:
                answers = (await (await client.post("/invocations", data=body)).json())["answers"]
                assert any(answers), body


@pytest.mark.parametrize("task", list(Task))
def test_inductive_requests_bring_what_they_ask_about_and_a_neighbour_by_each_type_of_edge(
    tmp_path: Path, task: Task
) -> None:
    manifest = make_artifact(tmp_path, Made(task=task))
    for body in warmup.inductive(tmp_path, manifest):
        invocation = parse_invocation(body)
        subgraph = invocation.subgraph
        assert subgraph is not None
        brought = {name for columns in subgraph.nodes.values() for name in columns.ids}
        assert set() < set(invocation.items.vertices) <= brought
        assert set(subgraph.nodes) == {"user", "movie"}
        assert set(subgraph.edges) == {(RATED, False), (RATED, True)}
        for columns in subgraph.nodes.values():  # with vertices that are known, and one that is not
            assert [name for name in columns.ids if name.startswith("new ")] == [columns.ids[-1]]


#: Trained models: what messages carry, how they are weighed, and vectors in place of features.
TRAINED: list[tuple[Task, dict[str, Any]]] = [
    *((task, {"use-edge-features": True}) for task in Task),
    (Task.NODE_CLASS, SYMMETRIC),
    (Task.EDGE_REGRESSION, LABELS),
    (Task.LINK_PREDICTION, NEIGHBOURS_ONLY | {"edge-masking": 0.9}),
]


@pytest.mark.parametrize(("task", "options"), TRAINED, ids=str)
async def test_a_trained_model_is_warmed_up_and_then_answers_inductively(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, task: Task, options: dict[str, Any]
) -> None:
    made = served(tmp_path, task, options)
    ids, _ = stored(made, "item")
    async with serving(made.artifact, warm_up=WarmUp.INDUCTIVE) as (endpoint, server):
        before = counted(endpoint)
        await endpoint.warm_up(address(server))
        assert endpoint._predictor.live.is_loaded
        assert (counted(endpoint), caplog.messages) == (before, [])
        client: TestClient[Any, Any] = TestClient(server, headers={"Authorization": "Bearer t"})
        async with client:
            for body in warmup.inductive(made.artifact, made.manifest):
                answer = await (await client.post("/invocations", data=body)).json()
                if parse_invocation(body).mode is Mode.EMBED:
                    assert answer["embeddings"]
                else:
                    assert [len(item) for item in answer["answers"]] == [1], body
            document = asked(task, ids)
            document["data"]["subgraph"] = made.graph.neighbourhood([("item", name) for name in ids[:2]])
            answer = await client.post("/invocations", json=document)
            assert [len(item) for item in (await answer.json())["answers"]] == [1]


async def test_every_request_has_values_that_none_before_had(tmp_path: Path) -> None:
    made = served(tmp_path, Task.NODE_CLASS, {"use-edge-features": True})
    met: set[object] = set()
    for body in warmup.inductive(made.artifact, made.manifest):
        subgraph = parse_invocation(body).subgraph
        assert subgraph is not None
        properties = [columns.properties for columns in subgraph.nodes.values()]
        properties += [columns.properties for columns in subgraph.edges.values()]
        assert set().union(*properties) == {"size", "shape", "colour", "weight", "since"}
        sizes = [str(size) for size in subgraph.nodes["item"].properties["size"]]
        assert len(set(sizes)) == len(sizes) == len(subgraph.nodes["item"].ids)
        assert met.isdisjoint(sizes)
        met.update(sizes)
    assert met


@pytest.mark.parametrize(
    "encoder",
    [
        Numerical("x", "x", (0.0,), (1.0,), None),
        Numerical("x", "x", (0.0, 0.0), (1.0, 1.0), None, separator=";"),
        Buckets("x", "x", 0.0, 10.0, 5, 1.0, None),
        Datetime("x", "x", {"month": (1, 2)}, required=True),
        Category("x", "x", ("a", "b"), required=True),
        Category("x", "x", ()),
        Hashed("x", "x", 8),
    ],
    ids=lambda encoder: encoder.type,
)
def test_samples_fit_their_encoders(encoder: Encoder) -> None:
    texts = [sample(encoder, number) for number in range(100)]
    column = Column(pl.Series(texts, dtype=pl.String), "file.csv", "x")
    assert encoder.encode(column).shape == (100, encoder.width)


def asked(task: Task, ids: list[str]) -> dict[str, Any]:
    if task.on_nodes:
        return {"data": {"nodes": [{"nodeId": ids[0]}]}}
    if task is Task.LINK_PREDICTION:
        return {"mode": "predict_tail", "data": {"edges": [{"headNodeId": ids[0]}]}}
    return {"data": {"edges": [{"headNodeId": ids[0], "tailNodeId": ids[1]}]}}


async def test_what_the_warm_up_took_is_not_counted(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made(task=Task.LINK_PREDICTION))
    async with serving(tmp_path, cache_mib=1) as (endpoint, server):
        before = counted(endpoint)
        await endpoint.warm_up(address(server))
        assert counted(endpoint) == before
        await warmup.warm_up(address(server), "t", warmup.stored(tmp_path, endpoint.manifest))
        assert counted(endpoint) != before


async def test_none_asks_nothing(tmp_path: Path) -> None:
    make_artifact(tmp_path)
    async with serving(tmp_path, warm_up=WarmUp.NONE) as (endpoint, _):
        await endpoint.warm_up("http://nobody.invalid")


async def test_a_model_that_cannot_be_loaded_says_so(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made(model="custom"))
    async with serving(tmp_path, warm_up=WarmUp.INDUCTIVE) as (endpoint, server):
        with pytest.raises(UnsupportedOperation, match="custom model"):
            await endpoint.warm_up(address(server))


async def test_a_refused_request_is_logged_and_the_rest_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = make_artifact(tmp_path)
    async with serving(tmp_path) as (_, server):
        bodies = [b"{", *warmup.stored(tmp_path, manifest)]
        assert await warmup.warm_up(address(server), "t", bodies) == (len(bodies) - 1) * warmup.ROUNDS
    assert "a request of the warm-up was refused" in caplog.text
