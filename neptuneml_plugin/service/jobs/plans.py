"""From a client's request to a stage's command: one planner per kind of job."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import ARTIFACT, CUSTOM, HPO_TEMPLATES, KGE, RGCN, TRAINING_DATA_CONFIGURATION
from neptuneml_plugin.config import CustomModel, ServiceConfig
from neptuneml_plugin.customsource import leads_out, missing
from neptuneml_plugin.errors import (
    BadRequest,
    IllegalArgument,
    InvalidArgument,
    InvalidParameter,
    MissingParameter,
    PreconditionsFailed,
    UnsupportedOperation,
)
from neptuneml_plugin.export.request.request import check_request
from neptuneml_plugin.service.endpoints.record import check_id
from neptuneml_plugin.service.jobs.jobs import Jobs
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, Plan, job_name, new_id, now_millis
from neptuneml_plugin.service.locations import resolve_file, resolve_folder, resolve_location
from neptuneml_plugin.service.wire.requests import DEFAULT_TIMEOUT_SECONDS

#: What the API trains where the request does not say (specification 4.1).
DEFAULT_TRIALS = 2
#: Between a training's name and the number of one of its trials, in a trial's name.
TRIAL_MARK = "-trial-"
#: Below the data root: outputs of jobs whose clients name an S3, which later jobs read here.
PUBLISHED = "published"
#: Files that an error names.
MOST_NAMED = 10
#: Members of an export's document, and of its `params`, that name files.
_REQUEST_FILES = ("completionFileS3Path", "configFileS3Path", "queriesFileS3Path")
_PARAMETER_FILES = ("filterConfigFile", "queriesFile")


@dataclass(frozen=True)
class _Output:
    """Where a job writes."""

    #: On this machine.
    folder: str
    #: As the client names it.
    location: str
    #: What has a stage publish the folder, where the client's location is in an S3.
    flags: tuple[str, ...] = ()

    def plan(
        self, command: str, flags: tuple[str, ...], settings: Mapping[str, Any], timeout_seconds: float
    ) -> Plan:
        """Return the plan of a stage that writes here."""
        return Plan(command, flags + self.flags, settings, self.folder, self.location, timeout_seconds)


@dataclass(frozen=True)
class Planner:
    """What plans a job needs to know."""

    config: ServiceConfig
    jobs: Jobs

    def record(self, kind: JobKind, request: Mapping[str, Any]) -> JobRecord:
        """Return the record of a new job.

        Args:
            kind: what is asked for.
            request: the members that were given, in their shapes.

        Raises:
            InvalidParameter: the id, or a job that does not exist.
            BadRequest: a location, or a job that is not completed.
            UnsupportedOperation: what this service does not run.
        """
        row = _KINDS[kind]
        job_id = check_id(request["id"]) if "id" in request else new_id()
        name = job_name(job_id, row.what)
        return JobRecord(
            kind, job_id, name, now_millis(), request, row.plan(self, request, name), row.inputs(request)
        )

    def completed(self, kind: JobKind, job_id: str) -> JobRecord:
        """Return a job that another one builds on.

        Raises:
            InvalidParameter: there is no data-processing job of this id.
            BadRequest: there is no other job of this id, or it is not completed (specification 7.4).
        """
        found = next((record for record in self.jobs.all(kind) if record.id == job_id), None)
        if found is None:
            refusal = InvalidParameter if kind is JobKind.DATA_PROCESSING else BadRequest
            raise refusal(f"there is no {kind} job {job_id[:60]!r}; `neptuneml job list` names those there are")
        if found.state is not JobState.COMPLETED:
            raise BadRequest(
                f"{kind} job '{job_id}' is {found.state}, not Completed; wait for it, or start another"
            )
        return found

    def output_of(self, kind: JobKind, job_id: str) -> JobRecord:
        """Return a job whose output another one reads.

        Raises:
            InvalidParameter, BadRequest: as `completed`.
            PreconditionsFailed: its output has vanished.
        """
        found = self.completed(kind, job_id)
        _check_output(found)
        return found

    def output(self, location: str, *folders: str) -> _Output:
        """Return a job's own folder under the location that a client has given, here and as the client names it.

        Raises:
            BadRequest: the location may not be written.
        """
        named = "/".join([location.rstrip("/"), *folders])
        place = resolve_location(location, self.config)
        if place.folder is not None:
            return _Output(str(place.folder.joinpath(*folders)), named)
        kept = self.config.data_root.absolute().joinpath(PUBLISHED, *folders)
        return _Output(str(kept), named, ("--publish", named))

    def input(self, location: str) -> str:
        """Return what a stage reads as it is told to: a folder of this machine, or a location in an S3.

        Raises:
            BadRequest: the location may not be read, or nothing is there.
        """
        if resolve_location(location, self.config).is_remote:
            return location
        return str(resolve_folder(location, self.config))

    def artifact(self, source: str, value: str) -> str:
        """Return where the artifact lies that a request for an endpoint names.

        Args:
            source: the member that names it.
            value: a location, or the id of a job.

        Raises:
            BadRequest: no such job, or it is not completed.
        """
        kind = {
            "mlModelTrainingJobId": JobKind.MODEL_TRAINING,
            "mlModelTransformJobId": JobKind.MODEL_TRANSFORM,
        }.get(source)
        if kind is None:
            return value
        location = self.completed(kind, value).plan.location
        return f"{location}/{ARTIFACT}" if kind is JobKind.MODEL_TRAINING else location

    def trial(self, trial_name: str) -> tuple[JobRecord, int]:
        """Return the training and the number of a trial.

        Raises:
            BadRequest: no trial bears this name, or its training is not completed.
        """
        name, _, number = trial_name.rpartition(TRIAL_MARK)
        found = [record for record in self.jobs.all(JobKind.MODEL_TRAINING) if record.name == name]
        if not found or not (number.isascii() and number.isdigit() and len(number) < 6):
            raise BadRequest(
                f"trainingJobName {trial_name[:80]!r} names no trial; the status of a training lists its own"
            )
        return self.output_of(JobKind.MODEL_TRAINING, found[0].id), int(number)

    def share(self) -> dict[str, int]:
        """Return the cores and the memory (MiB) that one job may use."""
        cores = self.config.job_cores or len(os.sched_getaffinity(0))
        return {
            "cores": max(1, cores // self.config.parallel_jobs),
            "memory_mib": self.config.job_memory_mib // self.config.parallel_jobs,
        }


def _check_output(record: JobRecord) -> None:
    if not Path(record.plan.output).is_dir():
        raise PreconditionsFailed(
            f"the output of {record.kind} job '{record.id}' is no longer there (looked for {record.plan.output}); "
            "run the job again"
        )


def _plan_export(planner: Planner, request: Mapping[str, Any], name: str) -> Plan:
    document = _with_local_files(planner, request)
    check_request(document)
    if planner.config.gremlin is None:
        raise PreconditionsFailed(
            "this service knows no Gremlin Server to export from; start it with `--gremlin ws://host:port/gremlin`"
        )
    output = planner.output(request["outputS3Path"], name)
    settings = {"gremlin": planner.config.gremlin, "request": document}
    return output.plan("export", (), settings, DEFAULT_TIMEOUT_SECONDS)


def _with_local_files(planner: Planner, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request whose files lie where this service may read and write.

    Raises:
        BadRequest: one does not.
    """
    document = {name: value for name, value in request.items() if name != "id"}
    given = request.get("params")
    if isinstance(given, dict):
        document["params"] = given = dict(given)
    for holder, names in ((document, _REQUEST_FILES), (given, _PARAMETER_FILES)):
        for name in names:
            if isinstance(holder, dict) and isinstance(holder.get(name), str) and holder[name]:
                holder[name] = str(resolve_file(holder[name], planner.config))
    return document


def _plan_processing(planner: Planner, request: Mapping[str, Any], name: str) -> Plan:
    source = planner.input(request["inputDataS3Location"])
    settings: dict[str, Any] = {}
    if "configFileName" in request:
        settings["config_file_name"] = _file_name(request["configFileName"])
    _check_export(planner, request["inputDataS3Location"], settings.get("config_file_name"))
    if "previousDataProcessingJobId" in request:
        before = planner.output_of(JobKind.DATA_PROCESSING, request["previousDataProcessingJobId"])
        settings["previous"] = before.plan.output
    output = planner.output(request["processedDataS3Location"], name, "preloading-output")
    timeout = request.get("processingTimeOutInSeconds") or DEFAULT_TIMEOUT_SECONDS
    return output.plan("process", ("--input", source), settings, timeout)


def _check_export(planner: Planner, location: str, configuration: str | None) -> None:
    """Refuse a folder that is on this machine, and holds no training-data configuration of this name.

    Raises:
        BadRequest: it does not.
    """
    folder, name = resolve_location(location, planner.config).folder, configuration or TRAINING_DATA_CONFIGURATION
    if folder is None or os.path.isfile(folder / name):  # noqa: PTH113 - false for what is no name at all
        return
    others = ", ".join(sorted(path.name for path in folder.glob("*.json"))[:MOST_NAMED]) or "no file of that kind"
    raise BadRequest(
        f"location {location!r} has no {name[:80]!r}; give the output of one export, and configFileName where its "
        f"configuration has another name (there: {others})"
    )


def _plan_training(planner: Planner, request: Mapping[str, Any], name: str) -> Plan:
    processed = planner.output_of(JobKind.DATA_PROCESSING, request["dataProcessingJobId"])
    settings: dict[str, Any] = {
        "trials": request.get("maxHPONumberOfTrainingJobs") or DEFAULT_TRIALS,
        "parallel": request.get("maxHPOParallelTrainingJobs") or DEFAULT_TRIALS,
        **planner.share(),
    }
    named, custom = request.get("modelName"), request.get("customModelTrainingParameters")
    if custom or named == CUSTOM:
        if named not in (None, CUSTOM):
            raise IllegalArgument(
                f"modelName '{named}' is a model of ours, and customModelTrainingParameters are for scripts of "
                "one's own; leave one of them out"
            )
        settings |= _custom(planner, custom or {}, trains=True)
    elif (model := named or _model_of_type(processed)) is not None:
        _check_model(model, processed)
        settings["model"] = model
    if "previousModelTrainingJobId" in request:
        before = planner.output_of(JobKind.MODEL_TRAINING, request["previousModelTrainingJobId"])
        settings["previous"] = before.plan.output
    output = planner.output(request["trainModelS3Location"], name, "output")
    timeout = request.get("trainingTimeOutInSeconds") or DEFAULT_TIMEOUT_SECONDS
    return output.plan("train", ("--input", processed.plan.output, *_scripts(planner, custom)), settings, timeout)


def _model_of_type(processed: JobRecord) -> str | None:
    """Return the model that a data-processing job's `modelType` stands for."""
    return {"heterogeneous": RGCN, "kge": KGE}.get(processed.request.get("modelType", ""))


def _check_model(model: str, processed: JobRecord) -> None:
    """Refuse a model that cannot learn what the data were processed for.

    Raises:
        IllegalArgument: it cannot.
    """
    templates = {path.stem for path in (Path(processed.plan.output) / HPO_TEMPLATES).glob("*.json")}
    if model != RGCN and templates == {RGCN}:
        raise IllegalArgument(
            f"model '{model}' predicts links, and data-processing job '{processed.id}' has another target; for "
            f"that there is '{RGCN}'"
        )


def _plan_transform(planner: Planner, request: Mapping[str, Any], name: str) -> Plan:
    processing, training, trial = _transformed(planner, request)
    settings: dict[str, Any] = {"model": training.plan.output}
    if trial is not None:
        settings["trial"] = trial
    custom, is_custom = request.get("customModelTransformParameters"), bool(training.plan.settings.get("custom"))
    if custom and not is_custom:
        raise IllegalArgument(
            f"training job '{training.id}' trained a model of ours, which no script transforms; leave out "
            "customModelTransformParameters"
        )
    if custom:
        settings |= _custom(planner, custom, trains=False)
    elif is_custom:
        settings["allow_custom_models"] = planner.config.allow_custom_models
    output = planner.output(request["modelTransformOutputS3Location"], name, "output")
    flags = ("--input", processing.plan.output, *_scripts(planner, custom))
    return output.plan("transform", flags, settings, DEFAULT_TIMEOUT_SECONDS)


def _transformed(planner: Planner, request: Mapping[str, Any]) -> tuple[JobRecord, JobRecord, int | None]:
    """Return the graph, the training, and the trial that is meant if it is not the best one."""
    processing, training = request.get("dataProcessingJobId"), request.get("mlModelTrainingJobId")
    trial_name = request.get("trainingJobName")
    if trial_name is None and (processing is None or training is None):
        raise MissingParameter("give dataProcessingJobId and mlModelTrainingJobId, or trainingJobName")
    if trial_name is None:
        model, number = planner.output_of(JobKind.MODEL_TRAINING, training or ""), None
    else:
        if training is not None:
            raise InvalidParameter("trainingJobName and mlModelTrainingJobId both name a model; give one of them")
        model, number = planner.trial(trial_name)
    data = processing or model.request["dataProcessingJobId"]
    return planner.output_of(JobKind.DATA_PROCESSING, data), model, number


def _custom(planner: Planner, given: Mapping[str, str], *, trains: bool) -> dict[str, Any]:
    """Return the settings of a custom model.

    Raises:
        MissingParameter: no folder of scripts.
        InvalidArgument: a script's name leads out of it.
        BadRequest: the folder is on this machine, and lacks something.
        UnsupportedOperation: the service does not run code of users.
    """
    if "sourceS3DirectoryPath" not in given:
        raise MissingParameter("sourceS3DirectoryPath is missing: the folder of a custom model's scripts")
    names = {"transformEntryPointScript": "transform_script"}
    if trains:
        names["trainingEntryPointScript"] = "training_script"
    scripts: dict[str, Any] = {
        ours: _script(theirs, given[theirs]) for theirs, ours in names.items() if theirs in given
    }
    if not planner.config.allow_custom_models:
        raise UnsupportedOperation(
            "custom models run code of users, which this service does not; start it with --allow-custom-models"
        )
    location = given["sourceS3DirectoryPath"]
    source = planner.input(location)
    if not resolve_location(location, planner.config).is_remote:
        lacks = list(missing(CustomModel(Path(source), **scripts), trains=trains))
        if lacks:
            named = ", ".join(f"its {what} ({path.name[:80]!r})" for what, path in lacks)
            raise BadRequest(
                f"sourceS3DirectoryPath {location!r} lacks {named}; trainingEntryPointScript and "
                "transformEntryPointScript name other scripts"
            )
    return {"custom": {"source": source, **scripts}, "allow_custom_models": True}


def _script(member: str, name: str) -> str:
    if leads_out(name):
        raise InvalidArgument(f"{member} is {name[:80]!r}, which leads out of sourceS3DirectoryPath")
    return name


def _scripts(planner: Planner, custom: Mapping[str, str] | None) -> tuple[str, ...]:
    """Return the flag that has a custom model's scripts fetched, where they lie in an S3."""
    location = (custom or {}).get("sourceS3DirectoryPath")
    is_remote = location is not None and resolve_location(location, planner.config).is_remote
    return ("--custom-source", str(location)) if is_remote else ()


def _file_name(name: str) -> str:
    if Path(name).name != name or name in (".", ".."):
        raise InvalidParameter(f"configFileName is {name[:80]!r}; it must be a file's name, without folders")
    return name


@dataclass(frozen=True)
class _Row:
    """What is particular to a kind of job."""

    #: In the names of its jobs.
    what: str
    plan: Callable[[Planner, Mapping[str, Any], str], Plan]
    #: Members that name other jobs.
    named: tuple[str, ...] = ()

    def inputs(self, request: Mapping[str, Any]) -> dict[str, str]:
        """Return the jobs that a request builds on."""
        return {name: request[name] for name in self.named if name in request}


_KINDS: Mapping[JobKind, _Row] = {
    JobKind.EXPORT: _Row("export", _plan_export),
    JobKind.DATA_PROCESSING: _Row("preloading", _plan_processing, ("previousDataProcessingJobId",)),
    JobKind.MODEL_TRAINING: _Row(
        "training", _plan_training, ("dataProcessingJobId", "previousModelTrainingJobId")
    ),
    JobKind.MODEL_TRANSFORM: _Row(
        "transform", _plan_transform, ("dataProcessingJobId", "mlModelTrainingJobId", "trainingJobName")
    ),
}
