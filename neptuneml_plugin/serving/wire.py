"""The invocation body <-> dataclasses (`docs/wire.md`, section 2). Strict: unknown members are refused by name."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from neptuneml_plugin.errors import BadRequest, InvalidParameter, MissingParameter, UnsupportedOperation, nearest
from neptuneml_plugin.serving.answers import Answers, columns, objects
from neptuneml_plugin.serving.embeddings import Embeddings, NewCandidates, new_candidates
from neptuneml_plugin.serving.subgraph import Subgraph, parse_subgraph

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


@dataclass(frozen=True)
class Items:
    """The items of a request in columns; those that a mode does not use are empty, the others equally long."""

    nodes: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()
    head_types: tuple[str | None, ...] = ()
    tail_types: tuple[str | None, ...] = ()
    excludes: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return max(len(self.nodes), len(self.heads), len(self.tails))


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
    edge_label: str | None = None
    head_type: str | None = None
    tail_type: str | None = None
    #: Label of the vertices to embed.
    node_type: str | None = None
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


def parse_invocation(body: bytes) -> Invocation:
    """Read a request.

    Raises:
        BadRequest: not a JSON object.
        InvalidParameter: a member is unknown, of the wrong type, or out of its range.
        MissingParameter: a required member is absent.
        UnsupportedOperation: nearest neighbours, which are not built yet.
    """
    document = _load(body)
    _known(document, {"version", "mode", "data"}, "the request")
    if document.get("version", "v1") != "v1":
        raise InvalidParameter(f"version is {document['version']!r}; this release speaks 'v1'")
    mode = _mode(document.get("mode"))
    data = _object(_required(document, "data", "the request"), "data")
    _known(data, {"globalParameters", "subgraph", "newCandidates", *_ITEM_MEMBERS}, "data")
    values = _global_parameters(_object(data.get("globalParameters", {}), "globalParameters"))
    return Invocation(mode=mode, items=_items(mode, data), **values, **_live(mode, data))


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
    rendered = _json(columns(reply.answers)) if reply.columns else objects(reply.answers)
    head = _json(members)
    return f'{head[:-1]},"{name}":{rendered}}}'.encode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _load(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    return _object(document, "the body")


def _mode(value: Any) -> Mode:
    if value in (None, ""):
        return Mode.PREDICT
    if value == "embed_knn":
        raise UnsupportedOperation("mode embed_knn (nearest neighbours) is not offered by this release")
    if not isinstance(value, str) or value not in set(Mode):
        raise InvalidParameter(f"mode {value!r} is unknown{nearest(str(value), set(Mode))}")
    return Mode(value)


def _global_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    _known(given, set(_PARAMETERS), "globalParameters")
    return {
        name: read(given[key], key)
        for key, (name, read) in _PARAMETERS.items()
        if key in given and given[key] is not None
    }


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
        given = _object(data["newCandidates"], "data.newCandidates")
        _known(given, {"ids", "embeddings"}, "data.newCandidates")
        ids, text = (_required(given, key, "data.newCandidates") for key in ("ids", "embeddings"))
        live["new_candidates"] = new_candidates(
            _texts(ids, "data.newCandidates.ids"), _text(text, "data.newCandidates.embeddings")
        )
    return live


def _items(mode: Mode, data: Mapping[str, Any]) -> Items:
    given = [name for name in _ITEM_MEMBERS if name in data]
    if len(given) > 1:
        raise InvalidParameter(f"data has both {' and '.join(given)}; give the items once")
    if "items" in data:
        return _column_items(mode, _object(data["items"], "data.items"))
    if "nodes" in data or mode is Mode.EMBED:
        if mode not in _NODE_MODES:
            raise InvalidParameter(f"mode {mode} asks about edges; give data.edges instead of data.nodes")
        nodes = _objects(_required(data, "nodes", "data"), "nodes", _NODE_MEMBERS)
        return Items(nodes=_column(nodes, "nodeId", "nodes"))
    items = _objects(_required(data, "edges", "data"), "edges", _EDGE_MEMBERS[mode])
    return Items(
        heads=_column(items, "headNodeId", "edges") if mode is not Mode.PREDICT_HEAD else (),
        tails=_column(items, "tailNodeId", "edges") if mode is not Mode.PREDICT_TAIL else (),
        head_types=_optional_column(items, "headNodeType"),
        tail_types=_optional_column(items, "tailNodeType"),
        excludes=tuple(_texts(item["exclude"], "exclude") if "exclude" in item else () for item in items),
    )


def _column_items(mode: Mode, given: Mapping[str, Any]) -> Items:
    """Read `data.items`: each member of the items as one list."""
    _known(given, _EDGE_MEMBERS[mode] | (_NODE_MEMBERS if mode in _NODE_MODES else set()), "data.items")
    count = _rows(given)
    if "nodeId" in given:
        if len(given) > 1:
            raise InvalidParameter("data.items has both nodeId and members of edges; give the items once")
        return Items(nodes=_text_column(given, "nodeId", count))
    for key, read in (("edgeId", _text), ("properties", _object)):
        for value in given.get(key, ()):
            if value is not None:
                read(value, key)
    return Items(
        heads=_text_column(given, "headNodeId", count) if mode is not Mode.PREDICT_HEAD else (),
        tails=_text_column(given, "tailNodeId", count) if mode is not Mode.PREDICT_TAIL else (),
        head_types=_optional_text_column(given, "headNodeType", count),
        tail_types=_optional_text_column(given, "tailNodeType", count),
        excludes=tuple(_texts(value or (), "exclude") for value in given["exclude"])
        if "exclude" in given
        else ((),) * count,
    )


def _rows(given: Mapping[str, Any]) -> int:
    """Return how long the columns are."""
    for key, column in given.items():
        if not isinstance(column, list):
            raise InvalidParameter(f"data.items.{key} must be a list, not {_shown(column)}")
    lengths = {key: len(column) for key, column in given.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidParameter(f"the lists of data.items must be equally long, not {lengths}")
    return next(iter(lengths.values()), 0)


def _text_column(given: Mapping[str, Any], key: str, count: int) -> tuple[str, ...]:
    column = given.get(key, [None] * count)
    if _all_ascii(column):
        return tuple(column)
    if None in column:
        raise MissingParameter(f"an item of data.items lacks '{key}'")
    return tuple(_text(value, key) for value in column)


def _optional_text_column(given: Mapping[str, Any], key: str, count: int) -> tuple[str | None, ...]:
    column = given.get(key)
    if column is None:
        return (None,) * count
    if _all_ascii(column):
        return tuple(column)
    return tuple(None if value is None else _text(value, key) for value in column)


def _all_ascii(values: list[Any]) -> bool:
    """Return whether all are ASCII texts: nearly always so, and a tenth of the time of asking each."""
    try:
        return "".join(values).isascii()
    except TypeError:
        return False


def _objects(value: Any, where: str, members: set[str]) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise InvalidParameter(f"data.{where} must be a list of objects")
    for item in value:
        if not isinstance(item, dict):
            raise InvalidParameter(f"data.{where} must be a list of objects, not of {type(item).__name__}")
        if not item.keys() <= members:
            _known(item, members, f"an item of data.{where}")
        if len(item) > 1:
            _check_unread(item)
    return value


def _check_unread(item: Mapping[str, Any]) -> None:
    """Check the members that no decoder of this release reads."""
    if "edgeId" in item:
        _text(item["edgeId"], "edgeId")
    if "properties" in item:
        _object(item["properties"], "properties")


def _column(items: Sequence[Mapping[str, Any]], key: str, where: str) -> tuple[str, ...]:
    values: list[Any] = [item.get(key) for item in items]
    if _all_ascii(values):
        return tuple(values)
    return tuple(_text(_required(item, key, f"an item of data.{where}"), key) for item in items)


def _optional_column(items: Sequence[Mapping[str, Any]], key: str) -> tuple[str | None, ...]:
    return tuple(None if item.get(key) is None else _text(item[key], key) for item in items)


def _known(given: Mapping[str, Any], allowed: set[str], where: str) -> None:
    for key in given:
        if key not in allowed:
            raise InvalidParameter(f"unknown member '{key}' in {where}{nearest(key, allowed)}")


def _required(given: Mapping[str, Any], key: str, where: str) -> Any:
    if given.get(key) is None:
        raise MissingParameter(f"{where} lacks '{key}'")
    return given[key]


def _object(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidParameter(f"{key} must be a JSON object, not {_shown(value)}")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise InvalidParameter(f"{key} must be a text, not {_shown(value)}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidParameter(f"{key} holds half a surrogate pair, which no UTF-8 text can")
    return value


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if isinstance(value, (str, dict)) or not isinstance(value, Sequence):
        raise InvalidParameter(f"{key} must be a list of texts, not {_shown(value)}")
    return tuple(_text(entry, key) for entry in value)


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidParameter(f"{key} must be true or false, not {_shown(value)}")
    return value


def _positive_integer(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidParameter(f"{key} must be an integer of at least 1, not {_shown(value)}")
    return value


def _threshold(value: Any, key: str) -> Threshold:
    if value == "tuned":
        return "tuned"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidParameter(f"{key} must be a number from 0 to 1, or 'tuned', not {_shown(value)}")
    return float(value)


def _milliseconds(value: Any, key: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < 1e12 or not math.isfinite(value):
        raise InvalidParameter(f"{key} must be a number of milliseconds, not {_shown(value)}")
    return float(value) / 1000


def _exclude_flag(value: Any, key: str) -> bool:
    if value not in ("", "mask"):
        raise InvalidParameter(f"{key} must be 'mask' or absent, not {_shown(value)}")
    return bool(value == "mask")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


#: Member of `globalParameters` -> field of `Invocation`, and how it is read.
_PARAMETERS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "property": ("property_name", _text),
    "topk": ("topk", _positive_integer),
    "threshold": ("threshold", _threshold),
    "score": ("score", _flag),
    "columns": ("columns", _flag),
    "edgeType": ("edge_label", _text),
    "headNodeType": ("head_type", _text),
    "tailNodeType": ("tail_type", _text),
    "nodeType": ("node_type", _text),
    "exclude": ("exclude", _texts),
    "exclude_flag": ("mask_training_edges", _exclude_flag),
    "deadlineMs": ("deadline_seconds", _milliseconds),
    "requestId": ("request_id", _text),
    "artifactVersion": ("artifact_version", _text),
}
#: Members of `data` that hold the items; one of them is given.
_ITEM_MEMBERS = ("nodes", "edges", "items")
_NODE_MEMBERS = {"nodeId"}
_NODE_MODES = (Mode.PREDICT, Mode.EMBED)
_EDGE_MEMBERS = {
    # No decoder of this release reads an edge's id or properties; the plugin may send them.
    Mode.PREDICT: {"headNodeId", "tailNodeId", "edgeId", "headNodeType", "tailNodeType", "properties"},
    Mode.PREDICT_TAIL: {"headNodeId", "headNodeType", "exclude"},
    Mode.PREDICT_HEAD: {"tailNodeId", "tailNodeType", "exclude"},
    Mode.EMBED: set(),
}
