"""GraphSON 3 with types, written without: what `types=false` asks for, which few servers can write themselves."""

import json
from collections.abc import Callable
from typing import Any

_TYPE, _VALUE = "@type", "@value"


def untyped(value: Any) -> Any:
    """Return a typed value as GraphSON 3 writes it without types."""
    if isinstance(value, list):
        return [untyped(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {_TYPE, _VALUE}:
        return {key: untyped(item) for key, item in value.items()}
    write = _WRITES.get(value[_TYPE], untyped)
    return write(value[_VALUE])


def _map(items: list[Any]) -> dict[str, Any]:
    return {_key(key): untyped(item) for key, item in zip(items[::2], items[1::2], strict=True)}


def _bulk_set(items: list[Any]) -> list[Any]:
    pairs = zip(items[::2], items[1::2], strict=True)
    return [untyped(item) for item, bulk in pairs for _ in range(untyped(bulk))]


def _vertex_property(held: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in untyped(held).items() if key != "vertex"}


def _property(held: dict[str, Any]) -> dict[str, Any]:
    return {"key": held["key"], "value": untyped(held["value"])}


def _key(key: Any) -> str:
    """Return a map's key as a text; an element's is its id."""
    plain = untyped(key)
    if isinstance(key, dict) and key.get(_TYPE) in ("g:Vertex", "g:Edge"):
        plain = plain["id"]
    return plain if isinstance(plain, str) else json.dumps(plain)


_WRITES: dict[str, Callable[[Any], Any]] = {
    "g:Map": _map,
    "g:BulkSet": _bulk_set,
    "g:VertexProperty": _vertex_property,
    "g:Property": _property,
}
