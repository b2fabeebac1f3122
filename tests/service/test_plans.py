"""What becomes of a request's members: the command of a stage, its settings, and its time."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin.artifacts import HPO_TEMPLATES, TRAINING_DATA_CONFIGURATION
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import BadRequest
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, Plan
from neptuneml_plugin.service.routes.requests import JOBS, PLANNER
from neptuneml_plugin.service.wire.requests import MEMBERS, RECORDED, parse_members
from tests.service.stages_service import StagesService

PROCESS, TRAIN, TRANSFORM = JobKind.DATA_PROCESSING, JobKind.MODEL_TRAINING, JobKind.MODEL_TRANSFORM
DAY_SECONDS = 86_400
#: A request of each kind with its required members.
LEAST: Mapping[JobKind, Mapping[str, Any]] = {
    PROCESS: {"inputDataS3Location": "s3://lib/export", "processedDataS3Location": "s3://lib/dp/"},
    TRAIN: {"dataProcessingJobId": "links", "trainModelS3Location": "s3://lib/train"},
    TRANSFORM: {
        "dataProcessingJobId": "links",
        "mlModelTrainingJobId": "best",
        "modelTransformOutputS3Location": "s3://lib/mt",
    },
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[StagesService]:
    """Yield a service with jobs that no stage has run: `links` and `classes` processed, `best` trained."""
    (tmp_path / "s3/lib/export").mkdir(parents=True)
    for name in (TRAINING_DATA_CONFIGURATION, "shelf.json"):
        (tmp_path / "s3/lib/export" / name).touch()
    config = ServiceConfig(tmp_path, job_cores=6, job_memory_mib=9000, parallel_jobs=3)
    async with StagesService.started(config) as running:
        for kind, job_id in ((PROCESS, "links"), (PROCESS, "classes"), (TRAIN, "best")):
            (tmp_path / job_id / HPO_TEMPLATES).mkdir(parents=True)
            plan = Plan("none", (), {}, str(tmp_path / job_id), f"s3://lib/{job_id}", 1.0)
            request = {"dataProcessingJobId": "links"}
            record = JobRecord(kind, job_id, f"{job_id}-job", 1, request, plan, state=JobState.COMPLETED)
            await running.app[JOBS].submit(record)
        (tmp_path / "classes" / HPO_TEMPLATES / "rgcn.json").touch()
        yield running


def planned(service: StagesService, kind: JobKind, **more: Any) -> JobRecord:
    return service.app[PLANNER].record(kind, parse_members({**LEAST[kind], **more}, MEMBERS[kind]))


async def test_what_holds_where_nothing_is_said(service: StagesService, tmp_path: Path) -> None:
    processing, training, transform = (planned(service, kind).plan for kind in (PROCESS, TRAIN, TRANSFORM))
    assert (processing.command, processing.settings) == ("process", {})
    assert processing.flags == ("--input", str(tmp_path / "s3/lib/export"))
    assert training.command == "train"
    assert training.settings == {"trials": 2, "parallel": 2, "cores": 2, "memory_mib": 3000}
    assert training.flags == ("--input", str(tmp_path / "links"))
    assert (transform.command, transform.settings) == ("transform", {"model": str(tmp_path / "best")})
    assert {plan.timeout_seconds for plan in (processing, training, transform)} == {DAY_SECONDS}


#: kind, members, the settings that they add
EFFECTS: list[tuple[JobKind, dict[str, Any], dict[str, Any]]] = [
    (PROCESS, {"configFileName": ""}, {}),
    (PROCESS, {"configFileName": "shelf.json"}, {"config_file_name": "shelf.json"}),
    (PROCESS, {"previousDataProcessingJobId": "links"}, {"previous": "ROOT/links"}),
    (PROCESS, {"modelType": "kge"}, {}),  # the training's own default then
    (TRAIN, {"maxHPONumberOfTrainingJobs": 12}, {"trials": 12}),
    (
        TRAIN,
        {"maxHPONumberOfTrainingJobs": "12", "maxHPOParallelTrainingJobs": "3"},
        {"trials": 12, "parallel": 3},
    ),
    (TRAIN, {"previousModelTrainingJobId": "best"}, {"previous": "ROOT/best"}),
    (TRAIN, {"modelName": "transe"}, {"model": "transe"}),
    (TRAIN, {"modelName": "rgcn", "dataProcessingJobId": "classes"}, {"model": "rgcn"}),
    (TRANSFORM, {"dataProcessingJobId": "classes"}, {}),
]


@pytest.mark.parametrize(("kind", "members", "settings"), EFFECTS)
async def test_what_a_member_changes(
    service: StagesService, tmp_path: Path, kind: JobKind, members: dict[str, Any], settings: dict[str, Any]
) -> None:
    rooted = {
        name: value.replace("ROOT", str(tmp_path)) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    assert planned(service, kind, **members).plan.settings == {**planned(service, kind).plan.settings, **rooted}


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"configFileName": "shlf.json"}, "'s3://lib/export' has no 'shlf.json'"),
        ({"configFileName": "shlf.json"}, f"(there: shelf.json, {TRAINING_DATA_CONFIGURATION})"),
        (
            {"inputDataS3Location": "s3://lib"},
            f"'s3://lib' has no '{TRAINING_DATA_CONFIGURATION}'; give the output",
        ),
        ({"inputDataS3Location": "s3://lib"}, "(there: no file of that kind)"),
        ({"configFileName": "a" * 100_000}, f"'s3://lib/export' has no '{'a' * 80}'; give"),
        ({"configFileName": "a\0"}, "has no 'a\\x00'"),
    ],
)
async def test_a_folder_that_is_no_export_is_refused(
    service: StagesService, members: dict[str, str], says: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        planned(service, PROCESS, **members)
    assert says in str(refused.value)
    assert len(str(refused.value)) < 500


async def test_a_transform_reads_the_graph_that_it_is_given(service: StagesService, tmp_path: Path) -> None:
    given = planned(service, TRANSFORM, dataProcessingJobId="classes").plan
    assert given.flags == ("--input", str(tmp_path / "classes"))
    own = {"dataProcessingJobId": "", "mlModelTrainingJobId": "", "trainingJobName": "best-job-trial-3"}
    trial = planned(service, TRANSFORM, **own).plan
    assert trial.flags == ("--input", str(tmp_path / "links"))
    assert trial.settings == {"model": str(tmp_path / "best"), "trial": 3}


@pytest.mark.parametrize(
    ("kind", "member"), [(PROCESS, "processingTimeOutInSeconds"), (TRAIN, "trainingTimeOutInSeconds")]
)
async def test_a_time_limit_is_the_jobs_own(service: StagesService, kind: JobKind, member: str) -> None:
    for given, seconds in ((7200, 7200), ("7200", 7200), (0, DAY_SECONDS), ("", DAY_SECONDS)):
        assert planned(service, kind, **{member: given}).plan.timeout_seconds == seconds


async def test_the_type_of_the_data_is_the_model_of_the_training(service: StagesService) -> None:
    jobs = service.app[JOBS]
    for what, model in (("kge", "kge"), ("heterogeneous", "rgcn")):
        record = replace(jobs.get(PROCESS, "links"), id=what, request={"modelType": what})
        await jobs.submit(record)
        assert planned(service, TRAIN, dataProcessingJobId=what).plan.settings["model"] == model
        named = planned(service, TRAIN, dataProcessingJobId=what, modelName="rotate")
        assert named.plan.settings["model"] == "rotate"


async def test_names_and_locations_have_neptunes_form(service: StagesService, tmp_path: Path) -> None:
    record = planned(service, PROCESS, id="lib-dp-0601")
    assert record.name.startswith("lib-dp-0-preloading-")
    assert record.plan.location == f"s3://lib/dp/{record.name}/preloading-output"
    assert record.plan.output == str(tmp_path / "s3/lib/dp" / record.name / "preloading-output")
    for kind, folder in ((TRAIN, "train"), (TRANSFORM, "mt")):
        found = planned(service, kind)
        assert found.plan.location == f"s3://lib/{folder}/{found.name}/output"
        assert len(found.id) == len("7b6f0d2e-0000-4000-a000-000000000000")


@pytest.mark.parametrize("kind", MEMBERS)
async def test_what_is_recorded_changes_nothing(service: StagesService, kind: JobKind) -> None:
    values = {"count": 7, "flag": True, "texts": ["a"], "instance": "ml.r5.large", "arn": "arn:aws:iam::1:role/x"}
    without = planned(service, kind, id="same").plan
    for member in MEMBERS[kind]:
        if member.meaning == RECORDED:
            record = planned(service, kind, id="same", **{member.name: values.get(member.shape, "text")})
            assert (record.plan.command, record.plan.flags, record.plan.settings, record.plan.timeout_seconds) == (
                without.command,
                without.flags,
                without.settings,
                without.timeout_seconds,
            )
            assert member.name in record.request
