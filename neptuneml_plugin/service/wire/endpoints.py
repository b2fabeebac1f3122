"""`/ml/endpoints` on the wire (`docs/wire.md`, section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cattrs

from neptuneml_plugin.config import Index, NewNodeVectors, WarmUp
from neptuneml_plugin.errors import InvalidParameter, MissingParameter
from neptuneml_plugin.service.endpoints.record import (
    NO_OPTIONS,
    EndpointOptions,
    EndpointRecord,
    EndpointVersion,
    check_id,
)
from neptuneml_plugin.service.wire.members import arn, load_object, text_of
from neptuneml_plugin.service.wire.requests import (
    MODEL_NAMES,
    RECORDED,
    Member,
    Shape,
    parse_members,
    without_effect,
)


@dataclass(frozen=True)
class Number:
    """An option that is a whole number."""

    #: Field of `EndpointOptions`.
    option: str
    meaning: str
    least: int
    most: int


#: The member that holds an ensemble's definition.
ENSEMBLE = "ensemble"
#: Members of which exactly one names the artifact, and what each names.
SOURCES = {
    "mlModelTrainingJobId": "a completed training job",
    "mlModelTransformJobId": "a completed transform job",
    "artifactLocation": "the folder that `neptuneml transform` wrote",
    ENSEMBLE: "several of these that answer as one (docs/serving.md, Ensembles)",
}
#: Options that are whole numbers, by the names of their members.
NUMBERS = {
    "instanceCount": Number("instances", "Worker processes that answer", 1, 64),
    "maxBatch": Number("max_batch", "Items answered together", 1, 1_000_000),
    "maxDelayMicros": Number(
        "max_delay_us", "How long a batch waits for others to join, microseconds", 0, 1_000_000
    ),
    "maxQueue": Number("max_queue", "Requests that may wait in one worker", 1, 100_000),
    "cacheMib": Number("cache_mib", "Answers that a worker keeps for those who ask the same again, MiB", 0, 65536),
    "memoryMib": Number("memory_mib", "Memory of its own that a worker may take, MiB, 0 for any", 0, 1 << 20),
}
#: Every member that says how an endpoint answers -> field of `EndpointOptions`.
OPTIONS = {
    "newNodeVectors": "new_node_vectors",
    "fanouts": "fanouts",
    "warmUp": "warm_up",
    "workerGroup": "worker_group",
    "index": "index",
    **{name: number.option for name, number in NUMBERS.items()},
}
MEMBERS = (
    Member("id", Shape.TEXT, "The endpoint's id; generated where absent."),
    *(
        Member(name, Shape.DOCUMENT if name == ENSEMBLE else Shape.TEXT, f"The artifact: {what}.")
        for name, what in SOURCES.items()
    ),
    Member("update", Shape.FLAG, "Whether an endpoint of this id gets a new version."),
    Member("neptuneIamRoleArn", Shape.ARN, RECORDED),
    Member(
        "modelName", Shape.TEXT, "The artifact's model, which is checked; any where absent.", choices=MODEL_NAMES
    ),
    Member("instanceType", Shape.INSTANCE, RECORDED),
    Member("volumeEncryptionKMSKey", Shape.TEXT, RECORDED),
    Member("workerGroup", Shape.TEXT, "Name of the endpoints that share one process; none: not."),
    Member(
        "newNodeVectors",
        Shape.TEXT,
        "What stands for the learned vector of a vertex that the model does not know: an average over its label, "
        "or over its neighbours.",
        choices=tuple(NewNodeVectors),
    ),
    Member("fanouts", Shape.HOPS, "Edges that an inductive caller draws per edge type, of each hop."),
    Member("warmUp", Shape.TEXT, "What a worker answers before it is in service.", choices=tuple(WarmUp)),
    Member("index", Shape.TEXT, "How the best of many candidates are found.", choices=tuple(Index)),
    *(
        Member(name, Shape.COUNT, f"{number.meaning}: {number.least} to {number.most}.")
        for name, number in NUMBERS.items()
    ),
)

_converter = cattrs.Converter()


@dataclass(frozen=True)
class CreateEndpoint:
    """`POST /ml/endpoints`."""

    #: One of `SOURCES`, and what it holds.
    source: tuple[str, Any]
    #: None: to be generated.
    id: str | None = None
    update: bool = False
    options: EndpointOptions = NO_OPTIONS
    #: Members that change nothing here.
    recorded: Mapping[str, Any] = field(default_factory=dict)
    #: The model that the artifact must hold; None: any.
    model: str | None = None


def parse_create_endpoint(body: bytes) -> CreateEndpoint:
    """Read the body of a create or an update.

    Raises:
        BadRequest: not a JSON object.
        MissingParameter, InvalidParameter: as `read_create_endpoint`.
    """
    return read_create_endpoint(load_object(body))


def read_create_endpoint(given: Mapping[str, Any]) -> CreateEndpoint:
    """Read the members of a create or an update.

    Raises:
        MissingParameter: no artifact, or an update without an id.
        InvalidParameter: a member is not what it should be, or several name the artifact.
    """
    members = parse_members(given, MEMBERS)
    options = _options(members)
    endpoint_id = members.get("id")
    update = bool(members.get("update"))
    source = _source(members)
    if update and endpoint_id is None:
        raise MissingParameter("id is missing: an update must name its endpoint")
    checked = None if endpoint_id is None else check_id(endpoint_id)
    return CreateEndpoint(
        source, checked, update, options, without_effect(members, MEMBERS), members.get("modelName")
    )


def _source(members: Mapping[str, Any]) -> tuple[str, Any]:
    """Return which member names the artifact, and its value."""
    named = [(name, members[name]) for name in SOURCES if name in members]
    if not named:
        choices = ", or ".join(f"{name}: {what}" for name, what in SOURCES.items())
        raise MissingParameter(f"nothing names the artifact to serve; give {choices}")
    if len(named) > 1:
        raise InvalidParameter(f"{' and '.join(name for name, _ in named)} both name the artifact; give one")
    return named[0]


def _options(members: Mapping[str, Any]) -> EndpointOptions:
    """Return how an endpoint is to answer.

    Raises:
        InvalidParameter: a number is out of its bounds, or the group's name is none.
    """
    for name, number in NUMBERS.items():
        if name in members and not number.least <= members[name] <= number.most:
            raise InvalidParameter(f"{name} is {members[name]}; it must be {number.least} to {number.most}")
    if "workerGroup" in members:
        check_id(members["workerGroup"], "workerGroup")
    return _converter.structure(
        {option: members[name] for name, option in OPTIONS.items() if name in members}, EndpointOptions
    )


def parse_rollback(body: bytes) -> str | None:
    """Read the body of a rollback, which may be empty: the version to bring back; None: the one before.

    Raises:
        BadRequest: not a JSON object.
        InvalidParameter: the version is no text.
    """
    return text_of(load_object(body), "version") if body.strip() else None


def render_created(record: EndpointRecord) -> dict[str, Any]:
    """Answer a create or an update."""
    return {"id": record.id, "arn": arn("endpoint", record.id), "creationTimeInMillis": record.created_at_millis}


def render_status(record: EndpointRecord) -> dict[str, Any]:
    """Answer `GET /ml/endpoints/{id}`."""
    endpoint = {
        "name": record.id,
        "arn": arn("endpoint", record.id),
        "status": record.status.value,
        "outputLocation": record.location,
    }
    if record.failure_reason is not None:
        endpoint["failureReason"] = record.failure_reason
    return {
        "id": record.id,
        "status": record.status.value,
        "endpoint": endpoint,
        "endpointConfig": {"name": f"{record.id}-config", "arn": f"{arn('endpoint', record.id)}-config"},
        "version": record.version,
        "versions": [_version(entry) for entry in reversed(record.versions)],
        "options": _said(record.options),
        **({"withoutEffect": dict(record.recorded)} if record.recorded else {}),
    }


def _version(entry: EndpointVersion) -> dict[str, Any]:
    return {
        "version": entry.version,
        "outputLocation": entry.location,
        "sinceInMillis": entry.since_millis,
        **_said(entry.options),
    }


def _said(options: EndpointOptions) -> dict[str, Any]:
    """Return the options that somebody has said, by the names of their members."""
    said = options.said()
    return {
        name: list(said[option]) if isinstance(said[option], tuple) else said[option]
        for name, option in OPTIONS.items()
        if option in said
    }
