"""Jobs with real stages on a tiny graph: queued, run, stopped, killed, found after a restart."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from neptuneml_plugin.artifacts import ARTIFACT, PROCESSED, Task
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.jobs.jobs import MOST_ATTEMPTS
from neptuneml_plugin.service.jobs.record import TRANSITIONS, JobKind, JobState
from neptuneml_plugin.service.routes.requests import REGISTRY
from tests.planted import planted_export
from tests.running_service import eventually_async, gone
from tests.service.stages_service import BROKEN, StagesService
from tests.training.graphs import set_hyperparameters

PROCESSING, TRAINING = JobKind.DATA_PROCESSING, JobKind.MODEL_TRAINING


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_export(tmp_path_factory.mktemp("export"), Task.NODE_CLASS, nodes=60)


async def until_settled(service: StagesService, endpoint: str) -> None:
    await eventually_async(lambda: service.app[REGISTRY].get(endpoint).status != "Creating", seconds=60)


async def test_the_whole_chain_by_the_ids_of_its_jobs(service: StagesService) -> None:
    begun = await service.process("p")
    assert begun.keys() == {"id", "arn", "creationTimeInMillis"}
    status, refusal = await service.post(
        "/ml/modeltraining", dataProcessingJobId="p", trainModelS3Location="s3://lib/train"
    )
    assert (status, refusal["code"]) == (400, "BadRequestException")
    assert "InProgress, not Completed" in refusal["message"] or "Queued, not Completed" in refusal["message"]

    record = await service.job_ended(PROCESSING, "p")
    assert record.state is JobState.COMPLETED, record.failure_reason
    assert (Path(record.plan.output) / PROCESSED).is_file()
    shown = await service.get("/ml/dataprocessing/p")
    assert shown["status"] == shown["processingJob"]["status"] == "Completed"
    assert shown["processingJob"]["outputLocation"] == f"s3://lib/dp/{record.name}/preloading-output"
    assert shown["progress"] == {"stage": "done", "fraction": 1.0, "etaSeconds": 0.0}
    assert shown["counts"]["vertices"] == 80
    assert shown["logTail"][-1].startswith("process: 80 vertices")
    log = await service.client.session.get(shown["processingJob"]["cloudwatchLogUrl"])
    assert "process: 80 vertices" in await log.text()

    set_hyperparameters(Path(record.plan.output), {"num-epochs": 3})
    body = {"id": "t", "dataProcessingJobId": "p", "trainModelS3Location": "s3://lib/train", "modelName": "rgcn"}
    assert (await service.post("/ml/modeltraining", **body, maxHPONumberOfTrainingJobs=1))[0] == 200
    trained = await service.job_ended(TRAINING, "t")
    assert trained.state is JobState.COMPLETED, trained.failure_reason
    assert (Path(trained.plan.output) / ARTIFACT / "manifest.json").is_file()
    shown = await service.get("/ml/modeltraining/t")
    assert {"processingJob", "hpoJob", "modelTransformJob", "mlModels", "metrics", "baselines"} <= shown.keys()
    (trial,) = shown["trials"]

    body = {"id": "f", "trainingJobName": trial["name"], "modelTransformOutputS3Location": "s3://lib/mt"}
    assert (await service.post("/ml/modeltransform", **body))[0] == 200
    applied = await service.job_ended(JobKind.MODEL_TRANSFORM, "f")
    assert applied.state is JobState.COMPLETED, applied.failure_reason
    shown = await service.get("/ml/modeltransform/f")
    assert shown["baseProcessingJob"] == shown["processingJob"]

    for name, source in (("e", {"mlModelTrainingJobId": "t"}), ("g", {"mlModelTransformJobId": "f"})):
        assert (await service.post("/ml/endpoints", id=name, **source))[0] == 200
        await until_settled(service, name)
        assert (await service.get(f"/ml/endpoints/{name}"))["status"] == "InService"


async def test_jobs_run_in_the_order_of_their_submission(service: StagesService) -> None:
    for number in range(3):
        await service.process(f"p{number}")
    assert (await service.get("/ml/dataprocessing"))["ids"] == ["p2", "p1", "p0"]
    waiting = await service.get("/ml/dataprocessing/p2")
    assert (waiting["status"], waiting["queued"]) == ("InProgress", True)
    ended = [(await service.job_ended(PROCESSING, f"p{number}")).ended_at_millis or 0 for number in range(3)]
    begun = [service.jobs.get(PROCESSING, f"p{number}").started_at_millis or 0 for number in range(3)]
    assert begun == sorted(begun)
    assert all(one <= other for one, other in zip(ended, begun[1:], strict=False))
    listed = await service.get("/ml/dataprocessing?state=Completed&maxItems=2")
    assert listed == {"ids": ["p2", "p1"], "nextToken": "p1"}
    assert await service.get("/ml/dataprocessing?state=Failed") == {"ids": []}


async def test_a_running_job_and_a_queued_one_are_stopped(service: StagesService) -> None:
    await service.process("running")
    await service.process("queued")
    process = await service.running(PROCESSING, "running")
    assert await service.delete("/ml/dataprocessing/queued") == (200, {"status": "Stopped"})
    assert await service.delete("/ml/dataprocessing/running?clean=TRUE") == (200, {"status": "Stopping"})
    record = await service.job_ended(PROCESSING, "running")
    assert record.state is JobState.STOPPED
    await eventually_async(lambda: gone(process))  # its lock ends a little before itself
    assert not Path(record.plan.output).parent.exists()
    status, refusal = await service.delete("/ml/dataprocessing/running")
    assert (status, refusal["code"]) == (400, "InvalidParameterException")
    assert await service.delete("/ml/dataprocessing/running?purge=true") == (200, {"status": "Stopped"})
    assert (await service.client.get("/ml/dataprocessing/running")).status == 404


async def test_jobs_are_forgotten_when_their_time_is_over(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.process("p")
        record = await service.job_ended(PROCESSING, "p")
    async with StagesService.started(replace(config, job_retention_days=1.0)) as service:
        assert (await service.get("/ml/dataprocessing"))["ids"] == ["p"]
    async with StagesService.started(replace(config, job_retention_days=1e-9)) as service:
        await eventually_async(lambda: not service.jobs.all(PROCESSING))
        assert not service.jobs.folder(record).path.exists()
    assert (Path(record.plan.output) / PROCESSED).is_file()


async def test_a_job_that_fails_says_why(service: StagesService) -> None:
    await service.process("p", configFileName=BROKEN)
    record = await service.job_ended(PROCESSING, "p")
    assert record.state is JobState.FAILED
    assert f"{BROKEN} has 2 problems: the document: must be an object" in str(record.failure_reason)
    shown = await service.get("/ml/dataprocessing/p")
    assert shown["processingJob"]["failureReason"] == shown["failureReason"] == record.failure_reason


async def test_a_job_that_takes_too_long_is_ended(service: StagesService) -> None:
    await service.process("p", processingTimeOutInSeconds=1)
    record = await service.job_ended(PROCESSING, "p")
    assert record.state is JobState.FAILED
    assert "within 1 s" in str(record.failure_reason)
    assert not service.processes(record)


async def test_a_process_that_is_killed_is_begun_again(service: StagesService) -> None:
    await service.process("p")
    (await service.running(PROCESSING, "p")).kill()
    record = await service.job_ended(PROCESSING, "p")
    assert (record.state, record.attempts) == (JobState.COMPLETED, 2)


async def until_attempt(service: StagesService, number: int) -> None:
    await eventually_async(lambda: service.jobs.get(PROCESSING, "p").attempts == number)


async def test_a_process_that_is_always_killed_is_given_up(service: StagesService) -> None:
    await service.process("p")
    for attempt in range(1, MOST_ATTEMPTS + 1):
        await until_attempt(service, attempt)
        (await service.running(PROCESSING, "p")).kill()
    record = await service.job_ended(PROCESSING, "p")
    assert record.state is JobState.FAILED
    assert f"killed {MOST_ATTEMPTS} times" in str(record.failure_reason)


async def test_a_service_that_stops_ends_its_jobs_and_the_next_goes_on(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.process("p")
        await service.process("q")
        process = await service.running(PROCESSING, "p")
    await eventually_async(lambda: gone(process))  # its lock ends a little before itself
    async with StagesService.started(config) as service:
        assert (await service.job_ended(PROCESSING, "p")).state is JobState.COMPLETED
        assert (await service.job_ended(PROCESSING, "q")).state is JobState.COMPLETED


async def test_a_service_that_was_killed_finds_the_process_that_went_on(config: ServiceConfig) -> None:
    async with StagesService.started(config) as service:
        await service.process("p")
        process = await service.running(PROCESSING, "p")
        process.suspend()
        for task in service.jobs._running.values():  # as if the service had been killed: nothing is ended
            task.cancel()
        service.jobs._closing = True
        await asyncio.gather(*service.jobs._running.values(), return_exceptions=True)
        assert not service.jobs._running
    try:
        async with StagesService.started(config) as service:
            assert service.jobs.get(PROCESSING, "p").state is JobState.RUNNING
            process.resume()
            record = await service.job_ended(PROCESSING, "p")
            assert (record.state, record.attempts) == (JobState.COMPLETED, 1)
    finally:
        with contextlib.suppress(psutil.Error):
            process.kill()


OUT = {"modelTransformOutputS3Location": "s3://a"}
MISSING, INVALID, BAD = "MissingParameterException", "InvalidParameterException", "BadRequestException"
#: path, body, code, a part of the text
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("/ml/dataprocessing", {}, MISSING, "inputDataS3Location"),
    ("/ml/dataprocessing", {"processedDataS3Location": "s3://a"}, MISSING, "inputDataS3Location"),
    ("/ml/dataprocessing", {"id": "under_score"}, MISSING, "lacks"),
    ("/ml/dataprocessing", {"processingInstanceType": "big"}, INVALID, "no ML instance type"),
    ("/ml/dataprocessing", {"neptuneIamRoleArn": "me"}, INVALID, "arn:"),
    ("/ml/dataprocessing", {"subnets": "a"}, INVALID, "list of texts"),
    ("/ml/dataprocessing", {"processingTimeOutInSeconds": -1}, INVALID, "whole number"),
    ("/ml/modeltraining", {"dataProcessingJobId": "x", "trainModelS3Location": "s3://a"}, INVALID, "job 'x'"),
    (
        "/ml/modeltraining",
        {"dataProcessingJobId": "y" * 9999, "trainModelS3Location": "s3://a"},
        INVALID,
        "yyy'; `",
    ),
    ("/ml/modeltraining", {"customModelTrainingParameters": 3}, INVALID, "must be an object"),
    ("/ml/modeltransform", OUT, MISSING, "trainingJobName"),
    ("/ml/modeltransform", {**OUT, "trainingJobName": "x-trial-0"}, BAD, "names no trial"),
    ("/ml/modeltransform", {**OUT, "dataProcessingJobId": "d", "mlModelTrainingJobId": "m"}, BAD, "job 'm'"),
    ("/neptune-export", {}, MISSING, "outputS3Path"),
    ("/neptune-export", {"outputS3Path": "s3://a"}, "PreconditionsFailedException", "--gremlin"),
    ("/neptune-export", {"outputS3Path": "s3://a", "id": 3}, INVALID, "id must be a text"),
    (
        "/neptune-export",
        {"outputS3Path": "s3://a", "parms": {}},
        INVALID,
        "parms: unknown member (did you mean 'params'",
    ),
    (
        "/neptune-export",
        {"outputS3Path": "s3://a", "additionalParams": {"neptune_ml": {"targtes": []}}},
        INVALID,
        "additionalParams.neptune_ml.targtes: unknown member (did you mean 'targets'?)",
    ),
    (
        "/neptune-export",
        {"outputS3Path": "s3://a", "params": {"janus": True}},
        "UnsupportedOperationException",
        "janus",
    ),
    (
        "/neptune-export",
        {"outputS3Path": "s3://a", "params": dict.fromkeys(map(str, range(10**4)))},
        INVALID,
        "not read",
    ),
    ("/ml/endpoints", {"mlModelTrainingJobId": "no"}, BAD, "no modeltraining job 'no'"),
    ("/ml/endpoints", {"mlModelTransformJobId": "no"}, BAD, "no modeltransform job 'no'"),
]


@pytest.mark.parametrize(("path", "body", "code", "says"), REFUSED)
async def test_refusals(service: StagesService, path: str, body: dict[str, Any], code: str, says: str) -> None:
    status, document = await service.post(path, **body)
    assert (status, document["code"]) == (400, code)
    assert says in document["message"]


async def test_ids_are_checked_and_used_once(service: StagesService) -> None:
    body = {"inputDataS3Location": "s3://lib/export", "processedDataS3Location": "s3://lib/dp"}
    status, document = await service.post("/ml/dataprocessing", id="under_score", **body)
    assert (status, document["code"]) == (400, "InvalidParameterException")
    await service.process("p")
    status, document = await service.post("/ml/dataprocessing", id="p", **body)
    assert (status, document["code"]) == (400, "InvalidParameterException")
    assert "already in use" in document["message"]
    status, document = await service.post("/ml/dataprocessing", id="", **body)
    assert len(document["id"]) == 36


SCRIPTS = {"customModelTrainingParameters": {"sourceS3DirectoryPath": "s3://lib/src"}}
#: members of a training of classes, code, a part of the text
UNFIT: list[tuple[dict[str, Any], str, str]] = [
    ({"modelName": "custom"}, MISSING, "sourceS3DirectoryPath is missing"),
    ({"modelName": "custom", **SCRIPTS}, "UnsupportedOperationException", "--allow-custom-models"),
    ({"modelName": "rgcn", **SCRIPTS}, "IllegalArgumentException", "leave one of them out"),
    ({"modelName": "transe"}, "IllegalArgumentException", "model 'transe' predicts links"),
    ({"modelName": "kge"}, "IllegalArgumentException", "for that there is 'rgcn'"),
    (
        {"customModelTrainingParameters": {"sourceS3DirectoryPath": "s3://a", "transformEntryPointScript": "/x"}},
        "InvalidArgumentException",
        "transformEntryPointScript is '/x', which leads out",
    ),
]


async def test_a_model_must_fit_the_data_and_the_service(service: StagesService) -> None:
    await service.process("p")
    await service.job_ended(PROCESSING, "p")
    for members, code, says in UNFIT:
        body = {"dataProcessingJobId": "p", "trainModelS3Location": "s3://lib/t", **members}
        status, document = await service.post("/ml/modeltraining", **body)
        assert (status, document["code"]) == (400, code), members
        assert says in document["message"], members
    assert await service.get("/ml/modeltraining") == {"ids": []}


def test_every_state_is_left_or_final() -> None:
    assert TRANSITIONS.keys() == set(JobState)
    reached = set().union(*TRANSITIONS.values()) | {JobState.QUEUED}
    assert reached == set(JobState)
    assert {state for state in JobState if state.is_final} == {
        JobState.COMPLETED,
        JobState.FAILED,
        JobState.STOPPED,
    }
