"""The invocation body <-> dataclasses (`docs/wire.md`, section 2). Strict: unknown members are refused by name."""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring as _quoted
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.errors import BadRequest, InvalidParameter, MissingParameter, nearest
from neptuneml_plugin.serving.answers import Answers, columns, objects
from neptuneml_plugin.serving.embeddings import Embeddings, NewCandidates, new_candidates
from neptuneml_plugin.serving.members import (
    all_ascii,
    flag,
    json_list,
    json_object,
    known,
    required,
    same_length,
    shown,
    text,
    texts,
)
from neptuneml_plugin.serving.subgraph import Subgraph, parse_subgraph

Hashes = npt.NDArray[np.uint64]
Threshold = float | Literal["tuned"] | None


class Mode(StrEnum):
    """What is asked for."""

    PREDICT = "predict"
    #: Targets of new edges of a source.
    PREDICT_TAIL = "predict_tail"
    #: Sources of new edges to a target.
    PREDICT_HEAD = "predict_head"
    #: Embeddings of vertices in a subgraph.
    EMBED = "embed"
    #: Vertices with the most similar embeddings.
    EMBED_KNN = "embed_knn"


@dataclass(frozen=True)
class Items:
    """The items of a request in columns; those that a mode does not use are empty, the others equally long."""

    nodes: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    head_types: tuple[str | None, ...] = ()
    tail_types: tuple[str | None, ...] = ()
    excludes: tuple[tuple[str, ...], ...] = ()
    #: In place of the ids, where the caller names them so: XXH64 with seed 0 of each.
    node_hashes: Hashes | None = None
    head_hashes: Hashes | None = None
    tail_hashes: Hashes | None = None

    def __len__(self) -> int:
        hashes = (self.node_hashes, self.head_hashes)
        return max(len(ids) for ids in (self.nodes, self.heads, self.tails, *hashes) if ids is not None)

    @property
    def are_nodes(self) -> bool:
        """Whether they name vertices, not edges or their ends; False where there are none."""
        return bool(self.nodes) or (self.node_hashes is not None and len(self.node_hashes) > 0)

    @property
    def are_hashed(self) -> bool:
        """Whether they are named by hashes."""
        return self.node_hashes is not None or self.head_hashes is not None

    @property
    def vertices(self) -> frozenset[str]:
        """The ids of all vertices that the items name."""
        return frozenset((*self.nodes, *self.heads, *self.tails))


@dataclass(frozen=True)
class Invocation:
    """A checked request."""

    mode: Mode
    items: Items
    property_name: str | None = None
    #: Answers per item.
    topk: int = 1
    threshold: Threshold = None
    #: Whether classifications carry their probability.
    score: bool = False
    #: Whether the answer is wanted in columns.
    columns: bool = False
    #: Whether numbers in those columns are wanted as bytes.
    packed: bool = False
    edge_label: str | None = None
    head_type: str | None = None
    tail_type: str | None = None
    #: Label of the vertices to embed, or whose neighbours are wanted; theirs is `tail_type`.
    node_type: str | None = None
    #: Whether a vertex may be its own neighbour.
    include_self: bool = False
    #: What the items are answered from instead of the artifact's graph.
    subgraph: Subgraph | None = None
    new_candidates: NewCandidates | None = None
    #: Candidates left out for every item.
    exclude: tuple[str, ...] = ()
    #: Whether edges of the training graph are left out (`exclude_flag: "mask"`).
    mask_training_edges: bool = False
    #: How long the caller waits, counted from arrival.
    deadline_seconds: float | None = None
    request_id: str | None = None
    #: The version that the caller's query is pinned to (decision 21).
    artifact_version: str | None = None

    @property
    def is_inductive(self) -> bool:
        """Whether it needs the model and not only what was computed with it."""
        return self.subgraph is not None or self.new_candidates is not None


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
    items, live = _items(mode, data), _live(mode, data)
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
            _ids(ids, "data.newCandidates.ids"), text(embeddings, "data.newCandidates.embeddings")
        )
    return live


def _items(mode: Mode, data: Mapping[str, Any]) -> Items:
    given = [name for name in _ITEM_MEMBERS if name in data]
    if len(given) > 1:
        raise InvalidParameter(f"data has both {' and '.join(given)}; give the items once")
    if "items" in data:
        return _column_items(mode, json_object(data["items"], "data.items"))
    if "nodes" in data or mode in (Mode.EMBED, Mode.EMBED_KNN):
        if mode not in _NODE_MEMBERS:
            raise InvalidParameter(f"mode {mode} asks about edges; give data.edges instead of data.nodes")
        nodes = _objects(required(data, "nodes", "data"), "nodes", _NODE_MEMBERS[mode])
        excludes = (_ids(item.get("exclude", []), "exclude") for item in nodes)
        return Items(
            nodes=_column(nodes, "nodeId", "nodes"), excludes=tuple(excludes) if mode is Mode.EMBED_KNN else ()
        )
    items = _objects(required(data, "edges", "data"), "edges", _EDGE_MEMBERS[mode])
    return Items(
        heads=_column(items, "headNodeId", "edges") if mode is not Mode.PREDICT_HEAD else (),
        tails=_column(items, "tailNodeId", "edges") if mode is not Mode.PREDICT_TAIL else (),
        head_types=_optional_column(items, "headNodeType"),
        tail_types=_optional_column(items, "tailNodeType"),
        excludes=tuple(_ids(item.get("exclude", []), "exclude") for item in items),
    )


def _column_items(mode: Mode, given: Mapping[str, Any]) -> Items:
    """Read `data.items`: each member of the items as one list."""
    if mode is Mode.PREDICT and not given.keys().isdisjoint(_HASH_MEMBERS):
        return _hashed_items(given)
    known(given, _EDGE_MEMBERS[mode] | _NODE_MEMBERS.get(mode, set()), "data.items")
    lists = {key: json_list(column, f"data.items.{key}") for key, column in given.items()}
    count = same_length(lists, "data.items")
    excludes = tuple(_ids(value or [], "exclude") for value in given.get("exclude", ())) or ((),) * count
    if mode is Mode.EMBED_KNN:
        return Items(nodes=_text_column(given, "nodeId", count), excludes=excludes)
    if "nodeId" in given:
        if len(given) > 1:
            raise InvalidParameter("data.items has both nodeId and members of edges; give the items once")
        return Items(nodes=_text_column(given, "nodeId", count))
    _optional_text_column(given, "edgeId", count)
    for value in given.get("properties", ()):
        if value is not None:
            json_object(value, "properties")
    return Items(
        heads=_text_column(given, "headNodeId", count) if mode is not Mode.PREDICT_HEAD else (),
        tails=_text_column(given, "tailNodeId", count) if mode is not Mode.PREDICT_TAIL else (),
        head_types=_optional_text_column(given, "headNodeType", count),
        tail_types=_optional_text_column(given, "tailNodeType", count),
        excludes=excludes,
    )


def _hashed_items(given: Mapping[str, Any]) -> Items:
    """Read `data.items` that holds hashes of ids."""
    known(given, _HASH_MEMBERS, "data.items with hashes of ids")
    if "nodeHash" in given and len(given) > 1:
        raise InvalidParameter("data.items has both nodeHash and hashes of edges' ends; give the items once")
    if "nodeHash" in given:
        return Items(node_hashes=_hashes(given["nodeHash"], "nodeHash"))
    ends = {key: _hashes(required(given, key, "data.items"), key) for key in ("headNodeHash", "tailNodeHash")}
    same_length(ends, "data.items")
    return Items(head_hashes=ends["headNodeHash"], tail_hashes=ends["tailNodeHash"])


def _hashes(value: Any, key: str) -> Hashes:
    try:
        packed = base64.b64decode(text(value, key), validate=True)
    except ValueError as error:
        raise InvalidParameter(f"{key} is not Base64: {error}") from None
    if len(packed) % 8:
        raise InvalidParameter(f"{key} must hold a little-endian uint64 for each item, not {len(packed)} bytes")
    return np.frombuffer(packed, "<u8").astype(np.uint64, copy=False)


def _text_column(given: Mapping[str, Any], key: str, count: int) -> tuple[str, ...]:
    column = given.get(key, [None] * count)
    if all_ascii(column):
        return tuple(column)
    if None in column:
        raise MissingParameter(f"an item of data.items lacks '{key}'")
    return tuple(text(value, key) for value in column)


def _optional_text_column(given: Mapping[str, Any], key: str, count: int) -> tuple[str | None, ...]:
    column = given.get(key)
    if column is None:
        return (None,) * count
    if all_ascii(column):
        return tuple(column)
    return tuple(None if value is None else text(value, key) for value in column)


def _objects(value: Any, where: str, members: set[str]) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise InvalidParameter(f"data.{where} must be a list of objects")
    for item in value:
        if not isinstance(item, dict):
            raise InvalidParameter(f"data.{where} must be a list of objects, not of {type(item).__name__}")
        if not item.keys() <= members:
            known(item, members, f"an item of data.{where}")
        if len(item) > 1:
            _check_unread(item)
    return value


def _check_unread(item: Mapping[str, Any]) -> None:
    """Check the members that no decoder of this release reads."""
    if "edgeId" in item:
        text(item["edgeId"], "edgeId")
    if "properties" in item:
        json_object(item["properties"], "properties")


def _column(items: Sequence[Mapping[str, Any]], key: str, where: str) -> tuple[str, ...]:
    values: list[Any] = [item.get(key) for item in items]
    if all_ascii(values):
        return tuple(values)
    return tuple(text(required(item, key, f"an item of data.{where}"), key) for item in items)


def _optional_column(items: Sequence[Mapping[str, Any]], key: str) -> tuple[str | None, ...]:
    return tuple(None if item.get(key) is None else text(item[key], key) for item in items)


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


def _ids(value: Any, key: str) -> tuple[str, ...]:
    return tuple(texts(value, key))


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
    "exclude": ("exclude", _ids),
    "exclude_flag": ("mask_training_edges", _exclude_flag),
    "deadlineMs": ("deadline_seconds", _milliseconds),
    "requestId": ("request_id", text),
    "artifactVersion": ("artifact_version", text),
}
_UNUSED_BY_KNN = frozenset({"property", "edgeType", "headNodeType"})
_ONLY_OF_KNN = frozenset({"includeSelf"})
_MEMBERS = frozenset({"version", "mode", "data"})
#: Members of `data` that hold the items; one of them is given.
_ITEM_MEMBERS = ("nodes", "edges", "items")
_DATA_MEMBERS = frozenset({"globalParameters", "subgraph", "newCandidates", *_ITEM_MEMBERS})
_NODE_MEMBERS = {
    Mode.PREDICT: {"nodeId"},
    Mode.EMBED: {"nodeId"},
    Mode.EMBED_KNN: {"nodeId", "exclude"},
}
_HASH_MEMBERS = {"nodeHash", "headNodeHash", "tailNodeHash"}
_EDGE_MEMBERS = {
    # No decoder of this release reads an edge's id or properties; the plugin may send them.
    Mode.PREDICT: {"headNodeId", "tailNodeId", "edgeId", "headNodeType", "tailNodeType", "properties"},
    Mode.PREDICT_TAIL: {"headNodeId", "headNodeType", "exclude"},
    Mode.PREDICT_HEAD: {"tailNodeId", "tailNodeType", "exclude"},
    Mode.EMBED: set(),
    Mode.EMBED_KNN: set(),
}
