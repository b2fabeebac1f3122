"""Requests in GraphSON, all versions: read strictly, rewritten, refused.

Format: https://tinkerpop.apache.org/docs/current/dev/io/#graphson
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neptuneml_plugin.service.gateway.messages import GREMLIN_LANG, MAX_DEPTH, Found, Message, Unreadable

_TYPE, _VALUE = "@type", "@value"


def read_request(body: bytes) -> Message:
    """Read the JSON of a request.

    Raises:
        Unreadable: it is not one.
    """
    document = _load(body)
    args = _arguments(document)
    found = Found()
    _look(document, found, 0)
    return Message(
        request_id=_request_id(document.get("requestId")),
        op=_text(document.get("op"), "op"),
        processor=_text(document.get("processor") or "", "processor"),
        language=_optional_text(args.get("language"), "language"),
        script=args["gremlin"] if isinstance(args.get("gremlin"), str) else None,
        found=found,
    )


def in_gremlin_lang(body: bytes) -> bytes:
    """Return a request that was read, with its script's language replaced."""
    document = _load(body)
    args = document["args"]
    if _TYPE in args:
        rest = [item for key, value in _arguments(document).items() if key != "language" for item in (key, value)]
        document["args"] = args | {_VALUE: ["language", GREMLIN_LANG, *rest]}
    else:
        document["args"] = args | {"language": GREMLIN_LANG}
    return json.dumps(document).encode()


def refusal(request_id: uuid.UUID, status: int, message: str) -> bytes:
    """Return a response that tells a refusal."""
    return json.dumps(
        {
            "requestId": str(request_id),
            "status": {"message": message, "code": status, "attributes": {}},
            "result": {"data": None, "meta": {}},
        }
    ).encode()


def plain(value: Any) -> Any:
    """Return what typed GraphSON stands for, as Python's own lists, dicts, numbers and texts.

    Keys that are no texts or numbers become texts; of types that Python has none of, the value is kept.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {_TYPE, _VALUE}:
        return {key: plain(item) for key, item in value.items()}
    inner = value[_VALUE]
    if value[_TYPE] == "g:Map":
        return dict(_pairs(inner))
    return plain(inner)


def _pairs(items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        found = plain(key)
        yield found if isinstance(found, str | int | float) else json.dumps(found), plain(value)


def _load(body: bytes) -> dict[str, Any]:
    try:
        # Decoded first: json would take UTF-16 and byte-order marks too.
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise Unreadable("is no JSON object")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse what readers of JSON understand differently: a key that stands twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unreadable("has a key twice")
    return found


def _refuse_constant(name: str) -> None:
    raise Unreadable(f"holds {name}, which is no JSON")


def _arguments(document: Mapping[str, Any]) -> dict[str, Any]:
    args = document.get("args")
    if not isinstance(args, dict):
        raise Unreadable("has no object 'args'")
    if _TYPE not in args:
        return args
    items = args.get(_VALUE)
    if args[_TYPE] != "g:Map" or not isinstance(items, list) or len(items) % 2 or len(args) != 2:
        raise Unreadable("has 'args' of another type than g:Map")
    keys = items[::2]
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise Unreadable("has keys of 'args' that are no texts or stand twice")
    return dict(zip(keys, items[1::2], strict=True))


def _request_id(value: Any) -> uuid.UUID:
    if isinstance(value, dict) and value.get(_TYPE) == "g:UUID":
        value = value.get(_VALUE)
    try:
        return uuid.UUID(_text(value, "requestId"))
    except ValueError:
        raise Unreadable("has no UUID 'requestId'") from None


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"has no text '{name}'")
    return value


def _optional_text(value: Any, name: str) -> str | None:
    return None if value is None else _text(value, name)


def _look(value: Any, found: Found, depth: int) -> None:
    """Note what a value holds."""
    if depth > MAX_DEPTH:
        raise Unreadable(f"is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        if _TYPE in value:
            _look_at_type(value, found)
        for item in value.values():
            _look(item, found, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _look(item, found, depth + 1)


def _look_at_type(value: Mapping[str, Any], found: Found) -> None:
    kind, inner = _text(value[_TYPE], _TYPE), value.get(_VALUE)
    if set(value) - {_TYPE, _VALUE, "fqcn"}:
        raise Unreadable(f"has a {kind} with other members than its value")
    if kind == "g:Lambda":
        found.lambdas = True
    elif kind == "g:Bytecode":
        found.steps |= set(_steps(inner))
    elif kind == "g:Class":
        found.classes.add(_text(inner, kind))
    for holder in (value, inner):
        if isinstance(holder, dict) and "fqcn" in holder:
            found.classes.add(_text(holder["fqcn"], "fqcn"))


def _steps(bytecode: Any) -> Iterator[str]:
    if not isinstance(bytecode, dict) or set(bytecode) - {"step", "source"}:
        raise Unreadable("has a g:Bytecode that is not made of steps")
    for instructions in bytecode.values():
        if not isinstance(instructions, list):
            raise Unreadable("has a g:Bytecode that is not made of lists")
        for instruction in instructions:
            if not isinstance(instruction, list) or not instruction:
                raise Unreadable("has a step of g:Bytecode without name")
            yield _text(instruction[0], "step")
