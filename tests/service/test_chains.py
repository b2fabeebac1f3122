"""Chains with real stages on a tiny graph: run, failing, stopped, gone on with after a service was killed."""

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.jobclient import CHAIN, JobClient
from neptuneml_plugin.service.chains.record import ChainRecord, Part
from neptuneml_plugin.service.jobs.record import JobKind, JobState
from neptuneml_plugin.service.routes.requests import CHAINS, JOBS, REGISTRY
from tests.planted import planted_export
from tests.running_service import PATIENCE_SECONDS, eventually, eventually_async, running_service
from tests.service.stages_service import BROKEN, INPUT, StagesService

#: The quickest of the models.
QUICK = {"modelName": "transe", "maxHPONumberOfTrainingJobs": 1, "maxHPOParallelTrainingJobs": 1}
WHOLE = {"dataprocessing": INPUT, "training": QUICK, "modeltransform": {}, "endpoint": {}}
PROCESSING = JobKind.DATA_PROCESSING
STATES = ["Completed", "Completed", "Completed", "Completed"]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_export(tmp_path_factory.mktemp("export"), Task.LINK_PREDICTION, nodes=40)


def states(status: Mapping[str, Any]) -> list[str]:
    return [part["status"] for part in status["parts"]]


async def test_chains_are_forgotten_when_their_time_is_over(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.begin({"id": "c", "dataprocessing": {**INPUT, "configFileName": BROKEN}})
        assert (await service.chain_ended("c")).state is JobState.FAILED
    async with StagesService.started(replace(config, job_retention_days=1.0)) as service:
        assert (await service.get("/ml/chains"))["ids"] == ["c"]
    async with StagesService.started(replace(config, job_retention_days=1e-9)) as service:
        await eventually_async(lambda: not service.app[CHAINS].all())
        assert (await service.client.get("/ml/chains/c")).status == 404


async def test_jobs_of_a_chain_that_goes_on_are_not_forgotten(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.begin({"id": "c", **WHOLE})
        await service.until_begun("c", Part.TRAINING)
        await service.process("other")
        assert (await service.delete("/ml/dataprocessing/other"))[0] == 200
    async with StagesService.started(replace(config, job_retention_days=1e-9)) as service:
        await eventually_async(lambda: [job.id for job in service.jobs.all(PROCESSING)] == ["c-dataprocessing"])
        assert (await service.delete("/ml/chains/c"))[0] == 200
        await service.chain_ended("c")
    async with StagesService.started(replace(config, job_retention_days=1e-9)) as service:
        await eventually_async(lambda: not service.jobs.all(PROCESSING))


async def test_one_document_from_an_export_to_an_endpoint(service: StagesService, config: ServiceConfig) -> None:
    code, begun = await service.begin({"id": "c", **WHOLE})
    assert (code, begun["id"]) == (200, "c")
    assert [part["id"] for part in begun["parts"]] == [
        "c-dataprocessing",
        "c-training",
        "c-modeltransform",
        "c-endpoint",
    ]
    shown = await service.get("/ml/chains/c")
    assert (shown["status"], shown["progress"]["stage"]) == ("InProgress", "dataprocessing")
    assert states(shown) == ["InProgress", "Waiting", "Waiting", "Waiting"]
    assert await service.get("/ml/chains?state=InProgress") == {"ids": ["c"]}

    record = await service.chain_ended("c")
    assert record.state is JobState.COMPLETED, record.failure_reason
    shown = await service.get("/ml/chains/c")
    assert (shown["status"], states(shown)) == ("Completed", STATES)
    assert shown["progress"] == {"stage": "done", "fraction": 1.0}
    processing, training, transform, endpoint = shown["parts"]
    assert processing["outputLocation"].startswith(f"{config.data_root}/chains/c/dataprocessing/")
    assert {"metrics", "baselines", "reportLocation"} <= training.keys()
    assert endpoint["outputLocation"] == transform["outputLocation"]
    assert (await service.get(endpoint["path"]))["status"] == "InService"
    assert (await service.get(processing["path"]))["status"] == "Completed"
    assert await service.get("/ml/chains?state=InProgress") == {"ids": []}

    assert (await service.delete("/ml/chains/c"))[1]["code"] == "InvalidParameterException"
    assert await service.delete("/ml/chains/c?purge=true") == (200, {"status": "Completed"})
    assert (await service.client.get("/ml/chains/c")).status == 404
    assert (await service.get(endpoint["path"]))["status"] == "InService"


async def test_a_chain_may_begin_and_end_anywhere(service: StagesService) -> None:
    assert (await service.begin({"id": "c", "dataprocessing": {**INPUT, "id": "p"}}))[0] == 200
    assert (await service.chain_ended("c")).state is JobState.COMPLETED
    later = {"id": "d", "training": {**QUICK, "dataProcessingJobId": "p", "id": "t"}, "endpoint": {"id": "e"}}
    assert (await service.begin(later))[0] == 200
    assert (await service.chain_ended("d")).state is JobState.COMPLETED
    assert (await service.get("/ml/endpoints/e"))["endpoint"]["outputLocation"].endswith("/artifact")
    again = {"id": "f", "endpoint": {"id": "e", "update": True, "mlModelTrainingJobId": "t"}}
    assert (await service.begin(again))[0] == 200
    assert (await service.chain_ended("f")).state is JobState.COMPLETED
    assert await service.get("/ml/chains?maxItems=2") == {"ids": ["f", "d"], "nextToken": "d"}
    assert await service.get("/ml/chains?nextToken=d") == {"ids": ["c"]}


async def test_a_part_that_fails_ends_its_chain_and_says_why(service: StagesService) -> None:
    document = {**WHOLE, "id": "c", "dataprocessing": {**INPUT, "configFileName": BROKEN}}
    assert (await service.begin(document))[0] == 200
    record = await service.chain_ended("c")
    assert record.state is JobState.FAILED
    assert BROKEN in str(record.failure_reason)
    shown = await service.get("/ml/chains/c")
    assert shown["failureReason"].startswith("dataprocessing: ")
    assert states(shown) == ["Failed", "NotRun", "NotRun", "NotRun"]
    assert service.app[JOBS].all(JobKind.MODEL_TRAINING) == []


def is_there(path: str) -> bool:
    return Path(path).exists()


async def test_a_chain_is_stopped_with_the_part_that_runs(service: StagesService) -> None:
    await service.begin({"id": "c", **WHOLE})
    await service.until_begun("c", Part.DATA_PROCESSING)
    assert await service.delete("/ml/chains/c?clean=true") == (200, {"status": "Stopping"})
    assert (await service.chain_ended("c")).state is JobState.STOPPED
    shown = await service.get("/ml/chains/c")
    assert (shown["status"], states(shown)) == ("Stopped", ["Stopped", "NotRun", "NotRun", "NotRun"])
    job = service.app[JOBS].get(JobKind.DATA_PROCESSING, "c-dataprocessing")
    assert job.state is JobState.STOPPED
    assert not is_there(job.plan.output)


async def test_a_job_that_is_stopped_by_its_own_id_fails_its_chain(service: StagesService) -> None:
    await service.begin({"id": "c", **WHOLE})
    await service.until_begun("c", Part.DATA_PROCESSING)
    path = "/ml/dataprocessing/c-dataprocessing"
    await eventually_async(lambda: bool(service.app[JOBS].all(JobKind.DATA_PROCESSING)))
    assert (await service.delete(path))[0] == 200
    record = await service.chain_ended("c")
    assert record.state is JobState.FAILED
    assert record.failure_reason == "dataprocessing: job 'c-dataprocessing' was stopped"


async def test_an_id_that_another_job_has_taken_meanwhile_fails_the_part(service: StagesService) -> None:
    body = {**INPUT, "processedDataS3Location": "s3://lib/dp", "id": "p"}
    assert (await service.client.post("/ml/dataprocessing", json=body)).status == 200
    await service.app[CHAINS].submit(ChainRecord("c", 1, {Part.DATA_PROCESSING: body}))
    record = await service.chain_ended("c")
    assert (record.state, record.ended) == (JobState.FAILED, {Part.DATA_PROCESSING: JobState.FAILED})
    assert "already in use: dataprocessing job" in str(record.failure_reason)
    assert len(service.app[JOBS].all(JobKind.DATA_PROCESSING)) == 1


async def test_a_service_that_stops_and_the_next_one_goes_on(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.begin({"id": "c", **WHOLE})
        await service.until_begun("c", Part.TRAINING)
    async with StagesService.started(config) as service:
        record = await service.chain_ended("c")
        assert record.state is JobState.COMPLETED, record.failure_reason
        for kind in (JobKind.DATA_PROCESSING, JobKind.MODEL_TRAINING, JobKind.MODEL_TRANSFORM):
            assert len(service.app[JOBS].all(kind)) == 1
        assert [found.id for found in service.app[REGISTRY].records()] == ["c-endpoint"]


async def test_a_stop_that_the_service_did_not_live_to_see(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.begin({"id": "c", **WHOLE})
        await service.until_begun("c", Part.DATA_PROCESSING)
        chains = service.app[CHAINS]
        await chains._set(chains.get("c").become(JobState.STOPPING))  # as if it had been killed right after
    async with StagesService.started(config) as service:
        assert (await service.chain_ended("c")).state is JobState.STOPPED
        assert service.app[JOBS].get(JobKind.DATA_PROCESSING, "c-dataprocessing").state is JobState.STOPPED


@pytest.mark.timeout(900)  # four services, one after another
def test_services_that_were_killed_are_followed_by_one_that_goes_on(tmp_path: Path, export: Path) -> None:
    document = {"id": "c", **WHOLE, "dataprocessing": {"inputDataS3Location": str(export)}}
    settings: dict[str, Any] = {"allow_paths": [str(export)], "parallel_jobs": 1}

    def until_begun(jobs: JobClient, part: Part) -> None:
        eventually(lambda: "path" in jobs.status(CHAIN, "c")["parts"][list(WHOLE).index(part)], 300)

    for part in (Part.DATA_PROCESSING, Part.TRAINING, Part.ENDPOINT):
        with running_service(tmp_path / "root", **settings) as killed:
            jobs = JobClient(killed.url)
            if part is Part.DATA_PROCESSING:
                jobs.start(CHAIN, document)
            until_begun(jobs, part)
            os.kill(killed.process.pid, signal.SIGKILL)
            killed.process.wait(PATIENCE_SECONDS)
    with running_service(tmp_path / "root", **settings) as last:
        jobs = JobClient(last.url)
        shown = jobs.wait(CHAIN, "c", lambda _: None)
        assert (shown["status"], states(shown)) == ("Completed", STATES), shown
        for kind in ("dataprocessing", "modeltraining", "modeltransform"):
            assert len(jobs.list(kind)) == 1
        assert last.client.list_endpoints() == ["c-endpoint"]
