"""The invocation body <-> dataclasses (`docs/wire.md`, section 2). Strict: unknown members are refused by name."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from typing import Any

from neptuneml_plugin.errors import BadRequest, InvalidParameter, MissingParameter, nearest
from neptuneml_plugin.serving.answers import Answers, columns, objects
from neptuneml_plugin.serving.embeddings import Embeddings, new_candidates
from neptuneml_plugin.serving.invocation import Invocation, Mode, Threshold
from neptuneml_plugin.serving.items import ITEM_MEMBERS, read_ids, read_items
from neptuneml_plugin.serving.members import (
    flag,
    json_object,
    known,
    required,
    shown,
    text,
)
from neptuneml_plugin.serving.subgraph import parse_subgraph


@dataclass(frozen=True)
class Reply:
    """The answers to an invocation, in the items' order."""

    endpoint: str
    artifact_version: str
    request_id: str
    answers: Answers | Embeddings
    #: Whether they are written in columns.
    columns: bool = False
    #: Whether numbers in those columns are written as bytes.
    packed: bool = False


def load(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds.

    Raises:
        BadRequest: not JSON.
        InvalidParameter: not an object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    return json_object(document, "the body")


def read_invocation(document: Mapping[str, Any]) -> Invocation:
    """Check a request's JSON.

    Raises:
        InvalidParameter: a member is unknown, of the wrong type, or out of its range.
        MissingParameter: a required member is absent.
    """
    known(document, _MEMBERS, "the request")
    if document.get("version", "v1") != "v1":
        raise InvalidParameter(f"version is {document['version']!r}; this release speaks 'v1'")
    mode = _mode(document.get("mode"))
    data = json_object(required(document, "data", "the request"), "data")
    known(data, _DATA_MEMBERS, "data")
    values = global_parameters(mode, json_object(data.get("globalParameters", {}), "globalParameters"))
    items, live = read_items(mode, data), _live(mode, data)
    if items.are_hashed and live:
        raise InvalidParameter("data.items holds hashes of ids; beside data.subgraph, give the ids")
    return Invocation(mode=mode, items=items, **values, **live)


def render_reply(reply: Reply) -> bytes:
    """Write the answer's body.

    Raises:
        ValueError: a number is not finite.
    """
    members = {
        "endpoint": reply.endpoint, "artifactVersion": reply.artifact_version, "requestId": reply.request_id
    }  # fmt: skip
    if isinstance(reply.answers, Embeddings):
        return _json(members | reply.answers.render()).encode()
    name = "columns" if reply.columns else "answers"
    rendered = _json(columns(reply.answers, packed=reply.packed)) if reply.columns else objects(reply.answers)
    head = _json(members)
    return f'{head[:-1]},"{name}":{rendered}}}'.encode()


def render_answers(endpoint: str, artifact_version: str, request_id: str, answers: str) -> bytes:
    """Write the body of a reply whose member `answers` is JSON already."""
    named = f'{{"endpoint":{_quoted(endpoint)},"artifactVersion":{_quoted(artifact_version)}'
    return f'{named},"requestId":{_quoted(request_id)},"answers":{answers}}}'.encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _mode(value: Any) -> Mode:
    if value in (None, ""):
        return Mode.PREDICT
    if not isinstance(value, str) or value not in set(Mode):
        raise InvalidParameter(f"mode {value!r} is unknown{nearest(str(value), set(Mode))}")
    return Mode(value)


def global_parameters(mode: Mode, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check `globalParameters`; return the fields of `Invocation` that they set.

    Raises:
        InvalidParameter: a member is unknown, of the wrong type, or out of its range.
    """
    known(given, _PARAMETERS, "globalParameters")
    unused = _UNUSED_BY_KNN if mode is Mode.EMBED_KNN else _ONLY_OF_KNN
    values = {}
    for key, value in given.items():
        if value is not None:
            if key in unused:
                raise InvalidParameter(f"{key} means nothing to mode {mode}; leave it out")
            name, read = _PARAMETERS[key]
            values[name] = read(value, key)
    return values


def _live(mode: Mode, data: Mapping[str, Any]) -> dict[str, Any]:
    """Read what stands in for the artifact's graph, or beside it."""
    live: dict[str, Any] = {}
    if data.get("subgraph") is not None:
        live["subgraph"] = parse_subgraph(data["subgraph"])
    elif mode is Mode.EMBED:
        raise MissingParameter("mode embed needs data.subgraph, the neighbourhood of the vertices to embed")
    if data.get("newCandidates") is not None:
        if mode not in (Mode.PREDICT_TAIL, Mode.PREDICT_HEAD):
            raise InvalidParameter(f"data.newCandidates are for predict_tail and predict_head, not for {mode}")
        given = json_object(data["newCandidates"], "data.newCandidates")
        known(given, {"ids", "embeddings"}, "data.newCandidates")
        ids, embeddings = (required(given, key, "data.newCandidates") for key in ("ids", "embeddings"))
        live["new_candidates"] = new_candidates(
            read_ids(ids, "data.newCandidates.ids"), text(embeddings, "data.newCandidates.embeddings")
        )
    return live


def _positive_integer(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidParameter(f"{key} must be an integer of at least 1, not {shown(value)}")
    return value


def _threshold(value: Any, key: str) -> Threshold:
    if value == "tuned":
        return "tuned"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidParameter(f"{key} must be a number from 0 to 1, or 'tuned', not {shown(value)}")
    return float(value)


def _milliseconds(value: Any, key: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < 1e12 or not math.isfinite(value):
        raise InvalidParameter(f"{key} must be a number of milliseconds, not {shown(value)}")
    return float(value) / 1000


def _exclude_flag(value: Any, key: str) -> bool:
    if value not in ("", "mask"):
        raise InvalidParameter(f"{key} must be 'mask' or absent, not {shown(value)}")
    return bool(value == "mask")


#: Member of `globalParameters` -> field of `Invocation`, and how it is read.
_PARAMETERS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "property": ("property_name", text),
    "topk": ("topk", _positive_integer),
    "threshold": ("threshold", _threshold),
    "score": ("score", flag),
    "columns": ("columns", flag),
    "packed": ("packed", flag),
    "edgeType": ("edge_label", text),
    "headNodeType": ("head_type", text),
    "tailNodeType": ("tail_type", text),
    "nodeType": ("node_type", text),
    "includeSelf": ("include_self", flag),
    "exclude": ("exclude", read_ids),
    "exclude_flag": ("mask_training_edges", _exclude_flag),
    "deadlineMs": ("deadline_seconds", _milliseconds),
    "requestId": ("request_id", text),
    "artifactVersion": ("artifact_version", text),
}
_UNUSED_BY_KNN = frozenset({"property", "edgeType", "headNodeType"})
_ONLY_OF_KNN = frozenset({"includeSelf"})
_MEMBERS = frozenset({"version", "mode", "data"})
_DATA_MEMBERS = frozenset({"globalParameters", "subgraph", "newCandidates", *ITEM_MEMBERS})
