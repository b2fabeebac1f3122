"""The items of an invocation's body: objects, columns, or columns of hashes (`docs/wire.md`, section 2)."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neptuneml_plugin.errors import InvalidParameter, MissingParameter
from neptuneml_plugin.serving.invocation import Hashes, Items, Mode
from neptuneml_plugin.serving.members import (
    all_ascii,
    json_list,
    json_object,
    known,
    required,
    same_length,
    text,
    texts,
)

#: Members of `data` that hold the items; one of them is given.
ITEM_MEMBERS = ("nodes", "edges", "items")
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


def read_items(mode: Mode, data: Mapping[str, Any]) -> Items:
    """Check the items of `data`, whichever member holds them.

    Raises:
        InvalidParameter: a member is unknown, of the wrong type, or does not go with the mode.
        MissingParameter: an item lacks what the mode needs.
    """
    given = [name for name in ITEM_MEMBERS if name in data]
    if len(given) > 1:
        raise InvalidParameter(f"data has both {' and '.join(given)}; give the items once")
    if "items" in data:
        return _column_items(mode, json_object(data["items"], "data.items"))
    if "nodes" in data or mode in (Mode.EMBED, Mode.EMBED_KNN):
        if mode not in _NODE_MEMBERS:
            raise InvalidParameter(f"mode {mode} asks about edges; give data.edges instead of data.nodes")
        nodes = _objects(required(data, "nodes", "data"), "nodes", _NODE_MEMBERS[mode])
        excludes = (read_ids(item.get("exclude", []), "exclude") for item in nodes)
        return Items(
            nodes=_column(nodes, "nodeId", "nodes"), excludes=tuple(excludes) if mode is Mode.EMBED_KNN else ()
        )
    items = _objects(required(data, "edges", "data"), "edges", _EDGE_MEMBERS[mode])
    return Items(
        heads=_column(items, "headNodeId", "edges") if mode is not Mode.PREDICT_HEAD else (),
        tails=_column(items, "tailNodeId", "edges") if mode is not Mode.PREDICT_TAIL else (),
        head_types=_optional_column(items, "headNodeType"),
        tail_types=_optional_column(items, "tailNodeType"),
        excludes=tuple(read_ids(item.get("exclude", []), "exclude") for item in items),
    )


def _column_items(mode: Mode, given: Mapping[str, Any]) -> Items:
    """Read `data.items`: each member of the items as one list."""
    if mode is Mode.PREDICT and not given.keys().isdisjoint(_HASH_MEMBERS):
        return _hashed_items(given)
    known(given, _EDGE_MEMBERS[mode] | _NODE_MEMBERS.get(mode, set()), "data.items")
    lists = {key: json_list(column, f"data.items.{key}") for key, column in given.items()}
    count = same_length(lists, "data.items")
    excludes = tuple(read_ids(value or [], "exclude") for value in given.get("exclude", ())) or ((),) * count
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


def read_ids(value: Any, key: str) -> tuple[str, ...]:
    """Check a list of ids."""
    return tuple(texts(value, key))
