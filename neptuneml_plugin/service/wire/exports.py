"""`/neptune-export` on the wire, as the export service of Neptune answers it (specification 2.1)."""

from collections.abc import Mapping
from typing import Any

from neptuneml_plugin.errors import MissingParameter
from neptuneml_plugin.service.jobs.record import JobRecord, JobState
from neptuneml_plugin.service.wire.jobs import Report, render_own, wire_status
from neptuneml_plugin.service.wire.members import text_of

#: The words that clients wait for; a stopped job ends their waiting too.
STATUS = {
    JobState.QUEUED: "pending",
    JobState.RUNNING: "running",
    JobState.STOPPING: "running",
    JobState.COMPLETED: "succeeded",
    JobState.FAILED: "failed",
    JobState.STOPPED: "failed",
}


def is_in(record: JobRecord, state: str | None) -> bool:
    """Return whether an export is in a state; None: any."""
    return state in (None, STATUS[record.state], wire_status(record.state))


#: Of the document; what `params` and `additionalParams` hold, `docs/export.md` says.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["outputS3Path"],
    "properties": {
        "id": {"type": "string"},
        "command": {"type": "string"},
        "outputS3Path": {"type": "string"},
        "params": {"type": "object"},
        "additionalParams": {"type": "object"},
    },
}


def parse_export(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the document of an export: `id` is ours, as for other jobs; what else is in it the planner checks.

    Raises:
        MissingParameter: no location for the output.
        InvalidParameter: the id or the location is no text.
    """
    job_id = text_of(given, "id")
    if text_of(given, "outputS3Path") is None:
        raise MissingParameter("outputS3Path is missing: the folder for exports, such as s3://bucket/exports")
    document = {name: value for name, value in given.items() if name != "id"}
    return document if job_id is None else {**document, "id": job_id}


def render_export_started(record: JobRecord) -> dict[str, Any]:
    """Answer a start."""
    return {"jobName": record.name, "jobId": record.id}


def render_export(record: JobRecord, report: Report, origin: str) -> dict[str, Any]:
    """Answer `GET /neptune-export/{id}`; `origin` is as in `render_status`."""
    document = {
        "jobId": record.id,
        "jobName": record.name,
        "status": STATUS[record.state],
        "logs": f"{origin}/neptune-export/{record.id}/log",
    }
    if record.state is JobState.COMPLETED:
        document["outputS3Uri"] = record.plan.location
    if record.state is JobState.STOPPED:
        document["failureReason"] = "stopped by a client"
    return {**document, **render_own(record, report)}
