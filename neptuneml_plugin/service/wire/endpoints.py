"""`/ml/endpoints` on the wire (`docs/wire.md`, section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.config import NewNodeVectors, one_of
from neptuneml_plugin.errors import InvalidParameter, MissingParameter
from neptuneml_plugin.service.endpoints.record import (
    NO_OPTIONS,
    EndpointOptions,
    EndpointRecord,
    EndpointVersion,
    check_id,
)
from neptuneml_plugin.service.wire.members import arn, load_object, text_of
from neptuneml_plugin.service.wire.requests import ACCEPTED, MODEL_NAMES, Member, Shape, parse_members

#: Members of which exactly one names the artifact, and what each names.
SOURCES = {
    "mlModelTrainingJobId": "a completed training job",
    "mlModelTransformJobId": "a completed transform job",
    "artifactLocation": "the folder that `neptuneml transform` wrote",
}
MEMBERS = (
    Member("id", Shape.TEXT, "The endpoint's id; generated where absent."),
    *(Member(name, Shape.TEXT, f"The artifact: {what}.") for name, what in SOURCES.items()),
    Member("update", Shape.FLAG, "Whether an endpoint of this id gets a new version."),
    Member("neptuneIamRoleArn", Shape.ARN, ACCEPTED),
    Member("modelName", Shape.TEXT, ACCEPTED, choices=MODEL_NAMES),
    Member("instanceType", Shape.INSTANCE, ACCEPTED),
    Member("instanceCount", Shape.COUNT, ACCEPTED),
    Member("volumeEncryptionKMSKey", Shape.TEXT, ACCEPTED),
)


@dataclass(frozen=True)
class CreateEndpoint:
    """`POST /ml/endpoints`."""

    #: One of `SOURCES`, and what it names.
    source: tuple[str, str]
    #: None: to be generated.
    id: str | None = None
    update: bool = False
    options: EndpointOptions = NO_OPTIONS


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
    endpoint_id = members.get("id")
    update = bool(members.get("update"))
    source = _source(members)
    if update and endpoint_id is None:
        raise MissingParameter("id is missing: an update must name its endpoint")
    return CreateEndpoint(
        source, None if endpoint_id is None else check_id(endpoint_id), update, parse_options(given)
    )


def _source(members: Mapping[str, Any]) -> tuple[str, str]:
    """Return which member names the artifact, and its value."""
    named = [(name, members[name]) for name in SOURCES if name in members]
    if not named:
        choices = ", or ".join(f"{name}: {what}" for name, what in SOURCES.items())
        raise MissingParameter(f"nothing names the artifact to serve; give {choices}")
    if len(named) > 1:
        raise InvalidParameter(f"{' and '.join(name for name, _ in named)} both name the artifact; give one")
    return named[0]


def parse_options(given: Mapping[str, Any]) -> EndpointOptions:
    """Read `newNodeVectors` and `fanouts`; the latter is a list, or a text such as `10,10`.

    Raises:
        InvalidParameter: not what it should be.
    """
    vectors, fanouts = text_of(given, "newNodeVectors"), given.get("fanouts")
    try:
        chosen = None if vectors is None else one_of(NewNodeVectors, vectors)
    except ValueError as error:
        raise InvalidParameter(f"newNodeVectors {error}") from None
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
    }


def _version(entry: EndpointVersion) -> dict[str, Any]:
    vectors, fanouts = entry.options.new_node_vectors, entry.options.fanouts
    return {
        "version": entry.version,
        "outputLocation": entry.location,
        "sinceInMillis": entry.since_millis,
        **({} if vectors is None else {"newNodeVectors": vectors.value}),
        **({} if fanouts is None else {"fanouts": list(fanouts)}),
    }
