"""Ten thousand requests that are nearly right, over all routes: every error is of the model (decision 6)."""

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict
from yarl import URL

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.openapi import document
from neptuneml_plugin.service.routes.requests import JOBS
from neptuneml_plugin.service.wire.schemas import error_codes
from tests.planted import planted_export
from tests.running_service import eventually_async
from tests.service.mutations import Asked, Mutator, valid_requests

REQUESTS = 10_000
#: Requests after which the process has all that it needs.
WARM = 2_000
MOST_GROWTH_MIB = 64
SEED = 20261128
BODIES: dict[str, dict[str, Any]] = {
    "/ml/dataprocessing": {
        "id": "p",
        "inputDataS3Location": "s3://lib/export",
        "processedDataS3Location": "s3://lib/dp",
        "subnets": ["a"],
        "processingTimeOutInSeconds": 60,
    },
    "/ml/modeltraining": {
        "dataProcessingJobId": "p",
        "trainModelS3Location": "s3://lib/train",
        "maxHPONumberOfTrainingJobs": 2,
        "customModelTrainingParameters": {"sourceS3DirectoryPath": "s3://lib/src"},
    },
    "/ml/modeltransform": {
        "dataProcessingJobId": "p",
        "mlModelTrainingJobId": "t",
        "modelTransformOutputS3Location": "s3://lib/mt",
    },
    "/ml/endpoints": {"id": "p", "artifactLocation": "s3://lib/nothing", "fanouts": [10, 10], "update": "false"},
    "/neptune-export": {"outputS3Path": "s3://lib/e", "params": {"profile": "neptune_ml"}, "additionalParams": {}},
    "/endpoints/{name}/invocations": {"data": {"globalParameters": {"artifactVersion": "v"}, "nodes": []}},
}
BODIES["/v1/neptune-export"] = BODIES["/neptune-export"]


async def ask(client: "TestClient[Any, Any]", asked: Asked) -> tuple[int, Any]:
    url = URL(asked.path, encoded=True).with_query(asked.query)
    headers = CIMultiDict(asked.headers)
    async with client.request(
        asked.method, url, data=asked.body, headers=headers, allow_redirects=False
    ) as answer:
        body = await answer.read()
    is_json = answer.content_type == "application/json" and body
    return answer.status, json.loads(body) if is_json else body


@pytest.mark.timeout(600)
async def test_every_answer_is_modelled_and_memory_is_bounded(tmp_path: Path) -> None:
    export = planted_export(tmp_path / "s3" / "lib" / "export", Task.NODE_CLASS, nodes=60)
    assert export.is_dir()
    app = create_app(ServiceConfig(tmp_path, parallel_jobs=1, gremlin="ws://127.0.0.1:9/gremlin"))
    codes = {(status, code) for status, names in error_codes().items() for code in names}
    process, before = psutil.Process(), 0
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        await occupy(client)
        mutator = Mutator(SEED, valid_requests(document(app.router), BODIES))
        answered: dict[int, int] = {}
        for number in range(REQUESTS):
            asked = mutator.next()
            status, body = await ask(client, asked)
            answered[status] = answered.get(status, 0) + 1
            if status >= 400 and asked.method != "HEAD":
                assert isinstance(body, dict), f"{asked}: {status} {body!r}"
                assert (status, body["code"]) in codes, f"{asked}: {status} {body}"
                assert body["code"] != "InternalFailureException", f"{asked}: {body}"
            if number == WARM:
                before = process.memory_info().rss
        grown = (process.memory_info().rss - before) >> 20
        assert grown < MOST_GROWTH_MIB, f"{grown} MiB"
        assert answered[200] > REQUESTS / 50, answered
        await release(client)


async def occupy(client: "TestClient[Any, Any]") -> None:
    """Take the only place for a running job, so that whatever is taken into the queue stays there."""
    await client.post("/ml/dataprocessing", json=BODIES["/ml/dataprocessing"] | {"id": "first"})
    jobs = client.app[JOBS]
    await eventually_async(lambda: jobs.get(JobKind.DATA_PROCESSING, "first").state.value == "InProgress")
    folder = jobs.folder(jobs.get(JobKind.DATA_PROCESSING, "first"))
    await eventually_async(folder.is_locked)
    for child in psutil.Process().children():
        if "process" in child.cmdline():
            child.suspend()


async def release(client: "TestClient[Any, Any]") -> None:
    """Stop the job, whose process takes no signal but the last while it is suspended."""
    for child in psutil.Process().children():
        if "process" in child.cmdline():
            child.resume()
    await client.delete("/ml/dataprocessing/first")
