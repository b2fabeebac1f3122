"""Jobs on the wire: answers of the management API (specification 7.2; decisions 1 to 3)."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import DATA_REPORT_PAGE, TRAINING, TRAINING_REPORT_PAGE
from neptuneml_plugin.jobfolder import JobFolder, Step
from neptuneml_plugin.redaction import redact
from neptuneml_plugin.service.jobs.plans import TRIAL_MARK
from neptuneml_plugin.service.jobs.record import JobKind, JobRecord, JobState, now_millis
from neptuneml_plugin.service.wire.members import arn
from neptuneml_plugin.service.wire.requests import MEMBERS, without_effect

LOG_LINES = 10


@dataclass(frozen=True)
class Report:
    """What a status shows beside the record; read from the job's folders."""

    step: Step | None = None
    log_tail: tuple[str, ...] = ()
    summary: Mapping[str, Any] | None = None
    #: Name of a trial -> its state and metrics.
    trials: tuple[Mapping[str, Any], ...] = ()


def read_report(record: JobRecord, folder: JobFolder) -> Report:
    """Return what a job's files say."""
    summary = folder.summary()
    return Report(folder.step(), tuple(map(_redacted, folder.log_tail(LOG_LINES))), summary, _trials(record))


@functools.lru_cache(maxsize=256)
def _redacted(line: str) -> str:
    """Redact a line, by far the most work of a status; who waits for a job asks for the same ones again."""
    return redact(line)


def _trials(record: JobRecord) -> tuple[Mapping[str, Any], ...]:
    if record.kind is not JobKind.MODEL_TRAINING or record.state is not JobState.COMPLETED:
        return ()
    try:
        document = json.loads((Path(record.plan.output) / TRAINING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(
        {
            "name": f"{record.name}{TRIAL_MARK}{trial['number']}",
            "status": trial["state"],
            "isBest": trial["number"] == document["best_trial"],
            "metrics": trial["metrics"],
        }
        for trial in document["trials"]
    )


def render_started(record: JobRecord) -> dict[str, Any]:
    """Answer a start."""
    return {"id": record.id, "arn": _arn(record), "creationTimeInMillis": record.created_at_millis}


def wire_status(state: JobState) -> str:
    """Return a state in the words that clients know (decision 2)."""
    return JobState.RUNNING.value if state is JobState.QUEUED else state.value


def render_status(record: JobRecord, report: Report, origin: str) -> dict[str, Any]:
    """Answer `GET /ml/<kind>/{id}`: Neptune's members, and ours after them.

    Args:
        record: the job.
        report: what its files say.
        origin: how the client reaches this service, such as `http://localhost:8183`.
    """
    resource = _resource(record, origin)
    document = {"status": wire_status(record.state), "id": record.id, **_blocks(record, resource)}
    return {**document, **render_own(record, report)}


def _blocks(record: JobRecord, resource: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of which Neptune's jobs of this kind consist."""
    status, name = wire_status(record.state), record.name
    if record.kind is JobKind.DATA_PROCESSING:
        return {"processingJob": resource}
    models = [{"name": f"{name}-model", "arn": arn("model", f"{name}-model")}]
    done = models if record.state is JobState.COMPLETED else []
    if record.kind is JobKind.MODEL_TRANSFORM:
        remote = _part(f"{name}-remote", status)
        return {
            "processingJob": resource,
            "baseProcessingJob": resource,
            "remoteModelTransformJob": remote,
            "models": done,
        }
    return {
        "processingJob": resource,
        "hpoJob": _part(f"{name}-hpo", status),
        "modelTransformJob": _part(f"{name}-transform", status),
        "mlModels": done,
    }


def _resource(record: JobRecord, origin: str) -> dict[str, Any]:
    resource = {
        "name": record.name,
        "arn": _arn(record),
        "status": wire_status(record.state),
        "outputLocation": record.plan.location,
        "cloudwatchLogUrl": f"{origin}/ml/{record.kind}/{record.id}/log",
    }
    if record.failure_reason is not None:
        resource["failureReason"] = record.failure_reason
    return resource


def _part(name: str, status: str) -> dict[str, Any]:
    return {"name": name, "arn": arn("job", name), "status": status}


def render_own(record: JobRecord, report: Report) -> dict[str, Any]:
    """Return what this service tells of a job beyond Neptune."""
    document: dict[str, Any] = {"creationTimeInMillis": record.created_at_millis}
    if record.state is JobState.QUEUED:
        document["queued"] = True
    if record.started_at_millis is not None:
        document["startTimeInMillis"] = record.started_at_millis
    if record.ended_at_millis is not None:
        document["endTimeInMillis"] = record.ended_at_millis
    if record.failure_reason is not None:
        document["failureReason"] = record.failure_reason
    document["progress"] = _progress(record, report.step)
    document["logTail"] = list(report.log_tail)
    summary = report.summary or {}
    for name in ("metrics", "baselines", "counts", "warnings"):
        if summary.get(name):
            document[name] = summary[name]
    page = {JobKind.MODEL_TRAINING: TRAINING_REPORT_PAGE, JobKind.DATA_PROCESSING: DATA_REPORT_PAGE}.get(
        record.kind
    )
    if page is not None and record.state is JobState.COMPLETED:
        document["reportLocation"] = f"{record.plan.location}/{page}"
    unused = without_effect(record.request, MEMBERS.get(record.kind, ()))
    if unused:
        document["withoutEffect"] = unused
    if report.trials:
        document["trials"] = list(report.trials)
    return document


def _progress(record: JobRecord, step: Step | None) -> dict[str, Any]:
    """Return stage, fraction and the seconds that are left where they can be told."""
    if record.state is JobState.COMPLETED:
        return {"stage": "done", "fraction": 1.0, "etaSeconds": 0.0}
    if step is None or record.state is JobState.QUEUED:
        return {"stage": record.state.name.lower(), "fraction": 0.0}
    document: dict[str, Any] = {"stage": step.message, "fraction": step.fraction or 0.0}
    if record.state is JobState.RUNNING and step.fraction and record.started_at_millis is not None:
        elapsed = (now_millis() - record.started_at_millis) / 1000
        document["etaSeconds"] = round(elapsed * (1 - step.fraction) / step.fraction, 1)
    return document


def _arn(record: JobRecord) -> str:
    return arn(f"{record.kind}-job", record.name)
