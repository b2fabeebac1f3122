"""`/ml/endpoints` on the wire (`docs/wire.md`, section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from neptuneml_plugin.config import Choice, Index, NewNodeVectors, WarmUp, one_of
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
    Member("modelName", Shape.TEXT, RECORDED, choices=MODEL_NAMES),
    Member("instanceType", Shape.INSTANCE, RECORDED),
    Member("volumeEncryptionKMSKey", Shape.TEXT, RECORDED),
    Member("workerGroup", Shape.TEXT, "Name of the endpoints that share one process; none: not."),
    *(
        Member(name, Shape.COUNT, f"{number.meaning}: {number.least} to {number.most}.")
        for name, number in NUMBERS.items()
    ),
)


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
    group = members.get("workerGroup")
    warm_up = _choice(WarmUp, given, "warmUp")
    options = replace(
        parse_options(given),
        warm_up=warm_up,
        worker_group=None if group is None else check_id(group, "workerGroup"),
        index=_choice(Index, given, "index"),
        **_numbers(members),
    )
    endpoint_id = members.get("id")
    update = bool(members.get("update"))
    source = _source(members)
    if update and endpoint_id is None:
        raise MissingParameter("id is missing: an update must name its endpoint")
    checked = None if endpoint_id is None else check_id(endpoint_id)
    return CreateEndpoint(source, checked, update, options, without_effect(members, MEMBERS))


def _source(members: Mapping[str, Any]) -> tuple[str, Any]:
    """Return which member names the artifact, and its value."""
    named = [(name, members[name]) for name in SOURCES if name in members]
    if not named:
        choices = ", or ".join(f"{name}: {what}" for name, what in SOURCES.items())
        raise MissingParameter(f"nothing names the artifact to serve; give {choices}")
    if len(named) > 1:
        raise InvalidParameter(f"{' and '.join(name for name, _ in named)} both name the artifact; give one")
    return named[0]


def _choice(kind: type[Choice], given: Mapping[str, Any], name: str) -> Choice | None:
    """Return which of several words a member is; None where it is absent."""
    word = text_of(given, name)
    try:
        return None if word is None else one_of(kind, word)
    except ValueError as error:
        raise InvalidParameter(f"{name} {error}") from None


def _numbers(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are whole numbers, each within its bounds."""
    given = {name: number for name, number in NUMBERS.items() if name in members}
    for name, number in given.items():
        if not number.least <= members[name] <= number.most:
            raise InvalidParameter(f"{name} is {members[name]}; it must be {number.least} to {number.most}")
    return {number.option: members[name] for name, number in given.items()}


def parse_options(given: Mapping[str, Any]) -> EndpointOptions:
    """Read `newNodeVectors` and `fanouts`; the latter is a list, or a text such as `10,10`.

    Raises:
        InvalidParameter: not what it should be.
    """
    chosen, fanouts = _choice(NewNodeVectors, given, "newNodeVectors"), given.get("fanouts")
    if fanouts in (None, "", []):
        return EndpointOptions(chosen)
    hops = fanouts.split(",") if isinstance(fanouts, str) else fanouts
    texts = [str(hop).strip() for hop in hops] if isinstance(hops, list) else [""]
    if not all(text.isascii() and text.isdigit() and len(text) <= 9 and int(text) > 0 for text in texts):
        raise InvalidParameter(
            f"fanouts is {str(fanouts)[:60]!r}; it must be positive integers, one per hop, such as [10, 10]"
        )
    return EndpointOptions(chosen, tuple(int(text) for text in texts))


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
