"""Neptune's management JSON <-> dataclasses, and the endpoint's description (`docs/wire.md`, sections 1 and 4).

Lenient, as Neptune's clients need it: unknown keys are ignored, an empty text means "not given", and booleans come
as `true`, `"true"` or `TRUE`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import EdgeType, Manifest, Target, table_name
from neptuneml_plugin.config import NewNodeVectors, one_of
from neptuneml_plugin.errors import BadRequest, InvalidParameter, MissingParameter, UnsupportedOperation
from neptuneml_plugin.service.endpoints import NO_OPTIONS, EndpointOptions, EndpointRecord, Status, check_id
from neptuneml_plugin.service.inductive import Inductive

DEFAULT_MAX_ITEMS = 10
LARGEST_MAX_ITEMS = 1024
#: What graph-notebook's `%neptune_ml endpoint create` sends as the id where the user gave none.
NO_ID = "A unique identifier for the new inference endpoint."
LATER_RELEASE = ("mlModelTrainingJobId", "mlModelTransformJobId")


@dataclass(frozen=True)
class CreateEndpoint:
    """`POST /ml/endpoints`."""

    location: str
    #: None: to be generated.
    id: str | None = None
    update: bool = False
    options: EndpointOptions = NO_OPTIONS


@dataclass(frozen=True)
class Page:
    """`?maxItems=&nextToken=` of a list."""

    max_items: int = DEFAULT_MAX_ITEMS
    #: The last id of the page before.
    after: str | None = None


def parse_create_endpoint(body: bytes) -> CreateEndpoint:
    """Read the body of a create or an update.

    Raises:
        BadRequest: not a JSON object.
        UnsupportedOperation: an endpoint of a training or transform job.
        MissingParameter: no artifact, or an update without an id.
        InvalidParameter: a member is not what it should be.
    """
    given = _load_object(body)
    for name in LATER_RELEASE:
        if _text(given, name) is not None:
            raise UnsupportedOperation(f"{name} belongs to a later release; give artifactLocation instead")
    location = _text(given, "artifactLocation")
    if location is None:
        raise MissingParameter("artifactLocation is missing: the folder that `neptuneml transform` wrote")
    endpoint_id = None if given.get("id") == NO_ID else _text(given, "id")
    update = parse_flag(given.get("update"), "update")
    if update and endpoint_id is None:
        raise MissingParameter("id is missing: an update must name its endpoint")
    return CreateEndpoint(
        location, None if endpoint_id is None else check_id(endpoint_id), update, parse_options(given)
    )


def parse_options(given: Mapping[str, Any]) -> EndpointOptions:
    """Read `newNodeVectors` and `fanouts`; the latter is a list, or a text such as `10,10`.

    Raises:
        InvalidParameter: not what it should be.
    """
    vectors, fanouts = _text(given, "newNodeVectors"), given.get("fanouts")
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


def parse_page(query: Mapping[str, str]) -> Page:
    """Read the query of a list.

    Raises:
        InvalidParameter: `maxItems` is not 1 to 1024.
    """
    given = query.get("maxItems") or str(DEFAULT_MAX_ITEMS)
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= 9 else 0
    if not 1 <= number <= LARGEST_MAX_ITEMS:
        raise InvalidParameter(f"maxItems is {given[:60]!r}; it must be 1 to {LARGEST_MAX_ITEMS}")
    return Page(number, query.get("nextToken") or None)


def parse_flag(value: Any, name: str) -> bool:
    """Read a boolean in any of the spellings that clients send; absent and empty are false.

    Raises:
        InvalidParameter: none of them.
    """
    spelled = str(value).lower()
    if value in (None, "") or spelled == "false":
        return False
    if spelled == "true":
        return True
    raise InvalidParameter(f"{name} is {str(value)[:60]!r}; it must be true or false")


def pinned_version(body: bytes) -> str | None:
    """Return an invocation's `artifactVersion`; None where there is none, or the worker will refuse the body."""
    if b'"artifactVersion"' not in body:
        return None
    try:
        version = json.loads(body)["data"]["globalParameters"]["artifactVersion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, str) else None


def render_created(record: EndpointRecord) -> dict[str, Any]:
    """Answer a create or an update."""
    return {"id": record.id, "arn": _arn(record), "creationTimeInMillis": record.created_at_millis}


def render_page(records: Sequence[EndpointRecord], page: Page) -> dict[str, Any]:
    """Answer a list, newest first."""
    ids = [record.id for record in records]
    if page.after is not None:
        if page.after not in ids:
            raise InvalidParameter(f"nextToken is {page.after[:60]!r}, which no list of this service gave")
        ids = ids[ids.index(page.after) + 1 :]
    shown = ids[: page.max_items]
    return {"ids": shown} if len(shown) == len(ids) else {"ids": shown, "nextToken": shown[-1]}


def render_status(record: EndpointRecord) -> dict[str, Any]:
    """Answer `GET /ml/endpoints/{id}`."""
    endpoint = {
        "name": record.id,
        "arn": _arn(record),
        "status": record.status.value,
        "outputLocation": record.location,
    }
    if record.failure_reason is not None:
        endpoint["failureReason"] = record.failure_reason
    return {
        "id": record.id,
        "status": record.status.value,
        "endpoint": endpoint,
        "endpointConfig": {"name": f"{record.id}-config", "arn": f"{_arn(record)}-config"},
        "version": record.version,
    }


@dataclass(frozen=True)
class Version:
    """What is served."""

    manifest: Manifest
    #: The artifact's folder.
    artifact: Path
    #: How a caller gathers around an element; None where the model cannot be asked so.
    inductive: Inductive | None = None
    #: The worker's address and token; None while it is being started.
    access: tuple[str, str] | None = None


def render_description(
    name: str, status: Status, failure_reason: str | None, version: Version | None
) -> dict[str, Any]:
    """Describe an endpoint at one version.

    Args:
        name: the endpoint's id.
        status: its state.
        failure_reason: why it does not answer, or why its last update failed.
        version: what is served; None while nothing is.
    """
    address, token = (version and version.access) or (None, "")
    described: dict[str, Any] = {"name": name, "status": status.value}
    if failure_reason is not None:
        described["failureReason"] = failure_reason
    if version is not None:
        manifest = version.manifest
        described |= {
            "version": manifest.version,
            "task": manifest.task.value,
            "target": _target(manifest.target),
            "schema": _schema(manifest),
            "threshold": manifest.threshold,
            "modes": ["transductive"] if version.inductive is None else ["transductive", "inductive"],
            "tables": _tables(manifest, version.artifact),
            "idHashes": manifest.target.property_name is not None,
            "inductive": None if version.inductive is None else _inductive(version.inductive),
        }
    return described | {"addresses": [] if address is None else [address], "token": token}


def etag(document: Mapping[str, Any]) -> str:
    """Return a strong validator of a description."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]


def _target(target: Target) -> dict[str, Any]:
    if target.property_name is None:
        return {"element": "edge", "edges": [_edge(edge) for edge in target.edges]}
    element = (
        {"element": "edge", **_edge(target.edges[0])}
        if target.edges
        else {"element": "node", "label": target.node}
    )
    return element | {
        "property": target.property_name,
        "dataType": target.data_type,
        "multiLabel": target.multi_label,
    }


def _schema(manifest: Manifest) -> dict[str, Any]:
    nodes = [{"label": node.label, "idType": node.id_type, "count": node.count} for node in manifest.schema.nodes]
    edges = [{**_edge(edge.type), "count": edge.count} for edge in manifest.schema.edges]
    return {"nodes": nodes, "edges": edges}


def _tables(manifest: Manifest, artifact: Path) -> list[dict[str, Any]]:
    named = [(node.label, table_name(position)) for position, node in enumerate(manifest.schema.nodes)]
    return [
        {"label": label, "bytes": manifest.files[name].size, "path": str(artifact / name)}
        for label, name in named
        if name in manifest.files
    ]


def _inductive(inductive: Inductive) -> dict[str, Any]:
    return {
        "fanouts": list(inductive.fanouts),
        "nodes": {label: list(properties) for label, properties in inductive.nodes},
        "edges": [{**_edge(edge), "properties": list(properties)} for edge, properties in inductive.edges],
        "maxNewCandidates": inductive.max_new_candidates,
    }


def _edge(edge: EdgeType) -> dict[str, Any]:
    return {"from": edge.source, "label": edge.label, "to": edge.target}


def _arn(record: EndpointRecord) -> str:
    return f"arn:neptuneml:service:local::endpoint/{record.id}"


def _load_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest("the body must be a JSON object")
    return value


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise InvalidParameter(f"{name} must be a text, not {str(value)[:60]!r}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidParameter(f"{name} holds half a surrogate pair, which no UTF-8 text can")
    return value
