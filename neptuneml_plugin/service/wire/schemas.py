"""JSON schemas of what crosses the wire: requests by the tables that read them, and answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from neptuneml_plugin.errors import NeptuneMLError
from neptuneml_plugin.service.endpoints.record import ID_PATTERN, Status
from neptuneml_plugin.service.wire.exports import STATUS as EXPORT_STATUS
from neptuneml_plugin.service.wire.queries import STATES
from neptuneml_plugin.service.wire.requests import HOP_PATTERN, INSTANCE_PATTERN, LARGEST_COUNT, Member, Shape

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
MILLIS: Schema = {"type": "integer", "minimum": 0}
ANY_OBJECT: Schema = {"type": "object"}
_DIGITS = len(str(LARGEST_COUNT))
_SHAPES: Mapping[Shape, Schema] = {
    Shape.TEXT: TEXT,
    Shape.COUNT: {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": LARGEST_COUNT},
            {"type": "string", "pattern": f"^[0-9]{{1,{_DIGITS}}}$"},
        ]
    },
    Shape.FLAG: {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "^([Tt]rue|TRUE|[Ff]alse|FALSE)$"}]},
    Shape.TEXTS: {"type": "array", "items": TEXT},
    Shape.INSTANCE: {"type": "string", "pattern": f"^{INSTANCE_PATTERN.pattern}$"},
    Shape.ARN: {"type": "string", "pattern": "^arn:"},
    Shape.HOPS: {
        "anyOf": [
            {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": LARGEST_COUNT}},
            {"type": "string", "pattern": f"^{HOP_PATTERN.pattern}(, ?{HOP_PATTERN.pattern})*$"},
        ]
    },
    Shape.OBJECT: {"type": "object", "additionalProperties": TEXT},
    Shape.DOCUMENT: ANY_OBJECT,
}


def reference(name: str) -> Schema:
    """Return a reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object."""
    return {"type": "object", "required": sorted(required), "properties": {**required, **(optional or {})}}


def list_of(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def member_schema(member: Member) -> Schema:
    """Return what a member may hold."""
    if member.name == "id":
        return {**TEXT, "pattern": f"^{ID_PATTERN.pattern}$", "description": member.meaning}
    choices: Schema = {"enum": list(member.choices)} if member.choices else {}
    return {**_SHAPES[member.shape], **choices, "description": member.meaning}


def request_schema(members: Iterable[Member]) -> Schema:
    """Return the schema of a request's body."""
    given = {member.name: member for member in members}
    schemas = {name: member_schema(member) for name, member in given.items()}
    needed = {name: schema for name, schema in schemas.items() if given[name].required}
    return object_of(needed, schemas)


def error_schema(codes: Iterable[str]) -> Schema:
    """Return the schema of an error's body (decision 1)."""
    return object_of(
        {"code": {"enum": sorted(codes)}, **dict.fromkeys(("detailedMessage", "message", "requestId"), TEXT)}
    )


def error_codes() -> dict[int, list[str]]:
    """Return the codes of all errors by their HTTP status."""
    found: dict[int, set[str]] = {}
    for error in _subclasses(NeptuneMLError):
        found.setdefault(error.http_status, set()).add(error.code)
    return {status: sorted(codes) for status, codes in sorted(found.items())}


def _subclasses(error: type[NeptuneMLError]) -> list[type[NeptuneMLError]]:
    return [error, *(deeper for inner in error.__subclasses__() for deeper in _subclasses(inner))]


_RESOURCE = reference("Resource")
_NAMED = reference("Named")
_JOB_STATUS: Schema = {"enum": list(STATES)}
_PROGRESS = object_of({"stage": TEXT, "fraction": NUMBER}, {"etaSeconds": NUMBER})
#: Of a chain's part, once it has begun.
_OF_A_PART: Mapping[str, Schema] = {
    "outputLocation": TEXT,
    "version": {"type": ["string", "null"]},
    "progress": _PROGRESS,
    "metrics": ANY_OBJECT,
    "failureReason": TEXT,
}
_OF_A_JOB: Mapping[str, Schema] = {
    "creationTimeInMillis": MILLIS,
    "startTimeInMillis": MILLIS,
    "endTimeInMillis": MILLIS,
    "queued": {"type": "boolean"},
    "failureReason": TEXT,
    "progress": _PROGRESS,
    "logTail": list_of(TEXT),
    "metrics": ANY_OBJECT,
    "baselines": ANY_OBJECT,
    "counts": ANY_OBJECT,
    "warnings": list_of({}),
    "reportLocation": TEXT,
    "trials": list_of(object_of({"name": TEXT, "status": TEXT, "isBest": {"type": "boolean"}, "metrics": {}})),
    "withoutEffect": ANY_OBJECT,
}


def _job(*blocks: str, models: str | None = None) -> Schema:
    parts: dict[str, Schema] = dict.fromkeys(blocks, _RESOURCE)
    if models is not None:
        parts[models] = list_of(_NAMED)
    return object_of({"id": TEXT, "status": _JOB_STATUS, **parts}, _OF_A_JOB)


#: Answers by their names in the document.
ANSWERS: Mapping[str, Schema] = {
    "Resource": object_of(
        {"name": TEXT, "arn": TEXT, "status": TEXT},
        {"outputLocation": TEXT, "failureReason": TEXT, "cloudwatchLogUrl": TEXT},
    ),
    "Named": object_of({"name": TEXT, "arn": TEXT}),
    "Started": object_of({"id": TEXT, "arn": TEXT, "creationTimeInMillis": MILLIS}),
    "Ids": object_of({"ids": list_of(TEXT)}, {"nextToken": TEXT}),
    "Cancelled": object_of({"status": TEXT}),
    "DataProcessingJob": _job("processingJob"),
    "ModelTrainingJob": _job("processingJob", "hpoJob", "modelTransformJob", models="mlModels"),
    "ModelTransformJob": _job("processingJob", "baseProcessingJob", "remoteModelTransformJob", models="models"),
    "Endpoint": object_of(
        {
            "id": TEXT,
            "status": {"enum": [status.value for status in Status]},
            "endpoint": _RESOURCE,
            "endpointConfig": _NAMED,
        },
        {
            "version": {"type": ["string", "null"]},
            "versions": list_of(ANY_OBJECT),
            "options": ANY_OBJECT,
            "withoutEffect": ANY_OBJECT,
        },
    ),
    "ChainStarted": object_of(
        {"id": TEXT, "arn": TEXT, "creationTimeInMillis": MILLIS},
        {"parts": list_of(object_of({"part": TEXT, "id": TEXT}))},
    ),
    "Chain": object_of(
        {
            "id": TEXT,
            "status": {"enum": list(STATES)},
            "creationTimeInMillis": MILLIS,
            "progress": _PROGRESS,
            "parts": list_of(object_of({"part": TEXT, "id": TEXT, "status": TEXT}, {"path": TEXT, **_OF_A_PART})),
        },
        {"query": TEXT, "endTimeInMillis": MILLIS, "failureReason": TEXT},
    ),
    "ExportStarted": object_of({"jobName": TEXT, "jobId": TEXT}),
    "Export": object_of(
        {"jobId": TEXT, "jobName": TEXT, "status": {"enum": sorted(set(EXPORT_STATUS.values()))}, "logs": TEXT},
        {"outputS3Uri": TEXT, **_OF_A_JOB},
    ),
    "Description": object_of(
        {"name": TEXT, "status": TEXT, "addresses": list_of(TEXT), "token": TEXT}, {"failureReason": TEXT}
    ),
    "Answers": object_of({"endpoint": TEXT, "artifactVersion": TEXT}),
    "Health": object_of({"status": TEXT, "version": TEXT}),
}
