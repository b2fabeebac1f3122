"""What a worker counts: every request once, by what became of it, and its time by phase."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Theirs
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.metrics import PHASES, SECONDS, Histogram
from neptuneml_plugin.serving.opening import open_predictor
from tests.made_artifacts import Made, make_artifact
from tests.worker_server import WorkerServer, worker_client


async def figures(client: "TestClient[Any, Any]") -> dict[tuple[str, str], float]:
    """Return each sample by its name and what tells it apart."""
    answer = await client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    own = {"endpoint", "version", "worker"}
    return {
        (sample.name, ",".join(value for name, value in sample.labels.items() if name not in own)): sample.value
        for family in text_string_to_metric_families(await answer.text())
        for sample in family.samples
    }


async def asked(folder: Path, task: Task, bodies: Sequence[Any], **settings: Any) -> dict[tuple[str, str], float]:
    make_artifact(folder, Made(task=task))
    endpoint = Endpoint(WorkerConfig("e", folder, token="t", **settings), *open_predictor(folder))
    async with worker_client(WorkerServer(endpoint)) as client:
        for body in bodies:
            await client.post("/invocations", json=body)
        found = await figures(client)
    endpoint.close()
    return found


def nodes(count: int) -> dict[str, Any]:
    return {"data": {"nodes": [{"nodeId": "a"}] * count}}


async def test_requests_items_and_phases(tmp_path: Path) -> None:
    found = await asked(
        tmp_path, Task.NODE_CLASS, [nodes(1), nodes(200), {"data": {"globalParameters": {"x": 1}}}, {}]
    )
    assert found["neptuneml_requests_total", "OK"] == 2
    assert found["neptuneml_requests_total", "InvalidParameterException"] == 1
    assert found["neptuneml_requests_total", "MissingParameterException"] == 1
    assert found["neptuneml_items_total", ""] == 201
    counts = {phase: found["neptuneml_request_seconds_count", phase] for phase in PHASES}
    # The first is looked up, and neither waits nor is written by itself.
    assert counts == {"encode": 2, "queue": 1, "model": 1, "decode": 1, "total": 2}
    parts = sum(found["neptuneml_request_seconds_sum", phase] for phase in PHASES if phase != "total")
    assert 0 < parts <= found["neptuneml_request_seconds_sum", "total"]
    assert (found["neptuneml_batch_items_count", ""], found["neptuneml_batch_items_sum", ""]) == (1, 200)
    assert found["neptuneml_memory_bytes", ""] > 1 << 20
    assert found["neptuneml_waiting_requests", ""] == 0


async def test_a_refused_request_is_counted_as_such(tmp_path: Path) -> None:
    found = await asked(tmp_path, Task.NODE_CLASS, [nodes(1), nodes(1)], max_queue=0)
    assert found["neptuneml_requests_total", "TooManyRequestsException"] == 2
    assert found["neptuneml_items_total", ""] == 0


async def test_a_batch_of_several_requests_is_one(tmp_path: Path) -> None:
    make_artifact(tmp_path, Made(task=Task.LINK_PREDICTION))
    endpoint = Endpoint(WorkerConfig("e", tmp_path, token="t", max_delay_us=50_000), *open_predictor(tmp_path))
    body = {"mode": "predict_tail", "data": {"edges": [{"headNodeId": "1"}]}}
    async with worker_client(WorkerServer(endpoint)) as client:
        await asyncio.gather(*(client.post("/invocations", json=body) for _ in range(5)))
        found = await figures(client)
    endpoint.close()
    assert found["neptuneml_batch_items_sum", ""] == found["neptuneml_requests_total", "OK"] == 5
    assert found["neptuneml_batch_items_count", ""] < 5
    assert found["neptuneml_request_seconds_count", "model"] == 5
    assert found["neptuneml_request_seconds_sum", "queue"] >= 0.05


@given(st.lists(st.floats(0, 100) | st.sampled_from(SECONDS), max_size=20))
def test_a_histogram_tells_what_prometheus_own_does(values: list[float]) -> None:
    registry = CollectorRegistry()
    theirs, ours = Theirs("a", "b", ("c",), buckets=SECONDS, registry=registry).labels("d"), Histogram(SECONDS)
    for value in values:
        theirs.observe(value)
        ours.observe(value)
    family = HistogramMetricFamily("a", "b", labels=("c",))
    ours.add_to(family, ("d",))
    (expected,) = registry.collect()
    kept = [sample for sample in expected.samples if not sample.name.endswith("_created")]
    assert family.samples == kept


def test_a_histogram_loses_nothing_between_threads() -> None:
    histogram = Histogram((1.0,))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(histogram.observe, [0.5, 1.5] * 5000))
    family = HistogramMetricFamily("a", "b", labels=())
    histogram.add_to(family, ())
    assert [sample.value for sample in family.samples] == [5000, 10000, 10000, 10000.0]
