"""Sentences of Neptune's documentation (docs/conformance.md) that no other test asks about."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from neptuneml_plugin.artifacts import TRAINING_DATA_CONFIGURATION, Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.app import create_app
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, Plan
from neptuneml_plugin.service.routes.jobs import MANAGED
from neptuneml_plugin.service.routes.requests import REGISTRY
from tests.made_artifacts import make_artifact
from tests.planted import planted_export
from tests.processing.snapshots import later
from tests.service.stages_service import INPUT, StagesService
from tests.training.graphs import set_hyperparameters

PROCESS, TRAIN, TRANSFORM = MANAGED
Client = TestClient[Any, Any]


@pytest.fixture
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_export(tmp_path_factory.mktemp("export"), Task.NODE_CLASS, nodes=60)


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[StagesService]:
    """Yield a service without jobs."""
    async with StagesService.started(ServiceConfig(tmp_path)) as running:
        yield running


def record(kind: JobKind, job_id: str, state: JobState) -> JobRecord:
    plan = Plan("none", (), {}, "/nowhere", "/nowhere", 1.0)
    return JobRecord(kind, job_id, f"{job_id}-job", 1, {}, plan, state=state)


@pytest.mark.parametrize("path", [*(f"/ml/{kind}" for kind in MANAGED), "/ml/endpoints"])
async def test_success_is_200_and_json(empty: StagesService, path: str) -> None:
    """That of trainings is what notebooks take for the sign that there is machine learning."""
    answer = await empty.client.get(path)
    assert (answer.status, answer.content_type, await answer.json()) == (200, "application/json", {"ids": []})


async def test_a_list_has_ten_ids_where_nothing_is_said(empty: StagesService) -> None:
    for number in range(12):
        await empty.jobs.submit(record(TRAIN, f"t{number}", JobState.COMPLETED))
    newest = [f"t{number}" for number in range(11, -1, -1)]
    assert await empty.get("/ml/modeltraining") == {"ids": newest[:10], "nextToken": "t2"}
    assert await empty.get("/ml/modeltraining?maxItems=1024") == {"ids": newest}
    assert await empty.get("/ml/modeltraining?nextToken=t2") == {"ids": newest[10:]}


@pytest.mark.parametrize(
    ("state", "ids"),
    [
        ("succeeded", ["c"]),
        ("Completed", ["c"]),
        ("failed", ["s", "f"]),
        ("Failed", ["f"]),
        ("Stopped", ["s"]),
        ("running", []),
        ("", ["s", "f", "c"]),
    ],
)
async def test_exports_are_listed_by_their_own_words_too(empty: StagesService, state: str, ids: list[str]) -> None:
    for job_id, ended in (("c", JobState.COMPLETED), ("f", JobState.FAILED), ("s", JobState.STOPPED)):
        await empty.jobs.submit(record(JobKind.EXPORT, job_id, ended))
    assert await empty.get(f"/neptune-export?state={state}") == {"ids": ids}


async def test_a_stop_may_be_said_again(service: StagesService) -> None:
    await service.process("p")
    await service.running(PROCESS, "p")
    for _ in range(2):
        assert await service.delete("/ml/dataprocessing/p") == (200, {"status": "Stopping"})
    assert (await service.job_ended(PROCESS, "p")).state is JobState.STOPPED


async def test_an_endpoint_is_one_instance_where_nothing_is_said(tmp_path: Path) -> None:
    make_artifact(tmp_path / "a")
    app = create_app(ServiceConfig(tmp_path))
    async with Client(TestServer(app)) as client, asyncio.timeout(120):
        body = {"id": "e", "artifactLocation": str(tmp_path / "a")}
        assert (await client.post("/ml/endpoints", json=body)).status == 200
        assert (await app[REGISTRY].settled("e")).status == "InService"
        described = await (await client.get("/endpoints/e")).json()
        assert len(described["addresses"]) == 1


PROCESSED = {"processedDataS3Location": "s3://lib/dp"}
LOCATION = {"trainModelS3Location": "s3://lib/t"}
OUT = {"modelTransformOutputS3Location": "s3://lib/t"}
#: path, body; each names a job that has not been completed
BUILT_ON: list[tuple[str, dict[str, Any]]] = [
    (
        "/ml/dataprocessing",
        {**INPUT, "processedDataS3Location": "s3://lib/dp", "previousDataProcessingJobId": "no"},
    ),
    ("/ml/modeltraining", {**LOCATION, "dataProcessingJobId": "no"}),
    ("/ml/modeltraining", {**LOCATION, "dataProcessingJobId": "p", "previousModelTrainingJobId": "no"}),
    ("/ml/modeltransform", {**OUT, "dataProcessingJobId": "p", "mlModelTrainingJobId": "no"}),
    ("/ml/modeltransform", {**OUT, "trainingJobName": "no-job-trial-0"}),
    ("/ml/endpoints", {"mlModelTrainingJobId": "no"}),
    ("/ml/endpoints", {"mlModelTransformJobId": "no"}),
]


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.STOPPED])
@pytest.mark.parametrize(("path", "body"), BUILT_ON)
async def test_what_is_not_completed_is_refused(
    empty: StagesService, tmp_path: Path, path: str, body: dict[str, Any], state: JobState
) -> None:
    for folder in ("s3/lib/export", "p"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "s3/lib/export" / TRAINING_DATA_CONFIGURATION).touch()
    for kind in MANAGED:
        await empty.jobs.submit(record(kind, "no", state))
    plan = Plan("none", (), {}, str(tmp_path / "p"), "s3://lib/p", 1.0)
    await empty.jobs.submit(JobRecord(PROCESS, "p", "p-job", 1, {}, plan, state=JobState.COMPLETED))
    status, refusal = await empty.post(path, **body)
    assert (status, refusal["code"]) == (400, "BadRequestException")
    assert f"job 'no' is {state}, not Completed" in refusal["message"]


async def completed(service: StagesService, kind: JobKind, job_id: str, **members: Any) -> JobRecord:
    status, document = await service.post(f"/ml/{kind}", id=job_id, **members)
    assert status == 200, document
    ended = await service.job_ended(kind, job_id)
    assert ended.state is JobState.COMPLETED, ended.failure_reason
    return ended


async def is_answered(service: StagesService, node: str) -> bool:
    status, document = await service.post("/endpoints/e/invocations", data={"nodes": [{"nodeId": node}]})
    assert status == 200, document
    (answers,) = document["answers"]
    return bool(answers)


@pytest.mark.timeout(900)  # five jobs on a busy machine
async def test_a_nightly_refresh_without_training(
    service: StagesService, config: ServiceConfig, export: Path, tmp_path: Path
) -> None:
    """A later snapshot, with a vertex gone and one new, answers through the old model; then trained from there."""
    first = await completed(service, PROCESS, "p1", **INPUT, **PROCESSED)
    set_hyperparameters(Path(first.plan.output), {"num-epochs": 3})
    once = {"modelName": "rgcn", "maxHPONumberOfTrainingJobs": 1, **LOCATION}
    await completed(service, TRAIN, "t1", dataProcessingJobId="p1", **once)
    assert (await service.post("/ml/endpoints", id="e", mlModelTrainingJobId="t1"))[0] == 200
    before = (await service.app[REGISTRY].settled("e")).version
    gone, new = "item-0", "new-0"
    assert [await is_answered(service, node) for node in (gone, new)] == [True, False]

    later(export, config.data_root / "s3/lib/tonight", gone=[gone], new=1)
    tonight = {"inputDataS3Location": "s3://lib/tonight", "previousDataProcessingJobId": "p1"}
    await completed(service, PROCESS, "p2", **tonight, **PROCESSED)
    await completed(service, TRANSFORM, "f2", dataProcessingJobId="p2", mlModelTrainingJobId="t1", **OUT)
    assert (await service.post("/ml/endpoints", id="e", update="true", mlModelTransformJobId="f2"))[0] == 200
    after = (await service.app[REGISTRY].settled("e")).version
    assert after != before
    assert [await is_answered(service, node) for node in (gone, new)] == [False, True]

    warm = await completed(service, TRAIN, "t2", dataProcessingJobId="p2", previousModelTrainingJobId="t1", **once)
    assert warm.plan.settings["previous"] == service.jobs.get(TRAIN, "t1").plan.output
    assert (await service.post("/ml/endpoints/e/rollback"))[0] == 200
    assert (await service.app[REGISTRY].settled("e")).version == before
    assert [await is_answered(service, node) for node in (gone, new)] == [True, False]
