"""Folders of scripts that a request names: what they lack is told before a job begins."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import CUSTOM
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.gremlin_server import free_port
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, Plan
from neptuneml_plugin.service.routes.requests import JOBS
from tests.s3_server import CREDENTIALS
from tests.service.stages_service import StagesService

TRAIN = {"id": "new", "dataProcessingJobId": "p", "trainModelS3Location": "s3://lib/train", "modelName": CUSTOM}
APPLY = {
    "id": "new",
    "dataProcessingJobId": "p",
    "mlModelTrainingJobId": "t",
    "modelTransformOutputS3Location": "s3://lib/mt",
}
HYPERPARAMETERS = "model-hpo-configuration.json"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[StagesService]:
    """Yield a service with a processed graph `p`, and a training of scripts `t`, both made without a stage."""
    config = ServiceConfig(tmp_path, allow_custom_models=True, parallel_jobs=1)
    async with StagesService.started(config) as running:
        for kind, job_id in ((JobKind.DATA_PROCESSING, "p"), (JobKind.MODEL_TRAINING, "t")):
            output = tmp_path / job_id
            output.mkdir()
            settings = {"custom": {"source": "/scripts"}} if job_id == "t" else {}
            plan = Plan("none", (), settings, str(output), str(output), 60.0)
            record = JobRecord(
                kind, job_id, job_id, 1, {"dataProcessingJobId": "p"}, plan, state=JobState.COMPLETED
            )
            await running.app[JOBS].submit(record)
        yield running


def write(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")


async def refusal(service: StagesService, path: str, **body: Any) -> str:
    status, document = await service.post(path, **body)
    assert (status, document["code"]) == (400, "BadRequestException"), document
    return str(document["message"])


#: what is there, scripts that the request names, what the refusal says
LACKING: list[tuple[tuple[str, ...], dict[str, str], str]] = [
    ((), {}, "its training script ('training.py'), its transform script ('transform.py'), its hyperparameters"),
    (("training.py", "transform.py"), {}, f"lacks its hyperparameters ('{HYPERPARAMETERS}')"),
    (("training.py", HYPERPARAMETERS), {}, "lacks its transform script ('transform.py')"),
    (("training.py", "transform.py", HYPERPARAMETERS), {"trainingEntryPointScript": "fit.py"}, "'fit.py'"),
    ((), {"trainingEntryPointScript": "a" * 100_000}, f"its training script ('{'a' * 80}'), its transform"),
    ((), {"trainingEntryPointScript": "a\0"}, "its training script ('a\\x00')"),
    (("fit.py", HYPERPARAMETERS), {"trainingEntryPointScript": "fit.py"}, "lacks its transform script"),
]


@pytest.mark.parametrize(("names", "scripts", "says"), LACKING)
async def test_a_training_without_its_scripts_is_refused(
    service: StagesService, tmp_path: Path, names: tuple[str, ...], scripts: dict[str, str], says: str
) -> None:
    write(tmp_path / "s3/lib/src", *names)
    parameters = {"sourceS3DirectoryPath": "s3://lib/src", **scripts}
    told = await refusal(service, "/ml/modeltraining", **TRAIN, customModelTrainingParameters=parameters)
    assert "sourceS3DirectoryPath 's3://lib/src' lacks" in told
    assert says in told
    assert await service.get("/ml/modeltraining") == {"ids": ["t"]}


async def test_a_transform_needs_its_own_script_alone(service: StagesService, tmp_path: Path) -> None:
    write(tmp_path / "s3/lib/src", "training.py")
    body = {**APPLY, "customModelTransformParameters": {"sourceS3DirectoryPath": "s3://lib/src"}}
    told = await refusal(service, "/ml/modeltransform", **body)
    assert told.partition("; ")[0].endswith("lacks its transform script ('transform.py')")
    write(tmp_path / "s3/lib/src", "transform.py")
    assert (await service.post("/ml/modeltransform", **body))[0] == 200


@pytest.mark.parametrize("name", [HYPERPARAMETERS, "model-HPO-configuration.json"])
async def test_a_whole_folder_is_taken(service: StagesService, tmp_path: Path, name: str) -> None:
    write(tmp_path / "s3/lib/src", "training.py", "transform.py", name)
    parameters = {"sourceS3DirectoryPath": "s3://lib/src"}
    assert (await service.post("/ml/modeltraining", **TRAIN, customModelTrainingParameters=parameters))[0] == 200


async def test_a_folder_in_an_s3_is_looked_into_by_the_job(
    service: StagesService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**CREDENTIALS, "NEPTUNEML_S3_ENDPOINT": f"http://127.0.0.1:{free_port()}"}.items():
        monkeypatch.setenv(name, value)
    parameters = {"sourceS3DirectoryPath": "s3://lib/src"}
    assert (await service.post("/ml/modeltraining", **TRAIN, customModelTrainingParameters=parameters))[0] == 200
