"""What a caller of `/gremlin` over HTTP asks for: the script, and the format of its answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.errors import BadRequest, InvalidParameter, MissingParameter, UnsupportedOperation, nearest
from neptuneml_plugin.service.gateway.answers import GRAPHSON_3, Script
from neptuneml_plugin.service.gateway.messages import GREMLIN_LANG, GROOVY

_JSON = "application/json"


@dataclass(frozen=True)
class Format:
    """How an answer is written."""

    #: What it is called in the reply.
    name: str
    #: What the server is asked for.
    asked: str = GRAPHSON_3
    #: Whether the types are left out here.
    untyped: bool = False

    @property
    def lists_have_types(self) -> bool:
        """Whether a list is written as `g:List`."""
        return self.asked == GRAPHSON_3 and not self.untyped


_TYPED = Format(GRAPHSON_3)
_GRAPHSON = "application/vnd.gremlin-v{}.0+json"
_UNTYPED = (*(f"{_GRAPHSON.format(version)};types=false" for version in (1, 2, 3)), _GRAPHSON.format(1))
#: What `Accept` may name -> the format.
FORMATS = {
    "*/*": _TYPED,
    "application/*": _TYPED,
    _JSON: Format(_JSON),
    GRAPHSON_3: _TYPED,
    _GRAPHSON.format(2): Format(_GRAPHSON.format(2), _GRAPHSON.format(2)),
    **{name: Format(name, untyped=True) for name in _UNTYPED},
}


def parse_accept(header: str | None) -> Format:
    """Return the first format of an `Accept` header that can be written.

    Raises:
        UnsupportedOperation: there is none.
    """
    if not header:
        return _TYPED
    for accepted in header.split(","):
        parts = [part.strip().lower() for part in accepted.split(";")]
        name = ";".join([parts[0], *(part for part in parts[1:] if part == "types=false")])
        if name in FORMATS:
            return FORMATS[name]
    raise UnsupportedOperation(
        f"no answer over HTTP in {header[:200]!r}; ask over WebSocket, or accept one of {', '.join(FORMATS)}"
    )


def parse_body(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON body, whatever its Content-Type says.

    Raises:
        BadRequest: it is no JSON object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f'the body is no JSON ({error}); send {{"gremlin": "g.V().count()"}}') from None
    if not isinstance(document, dict):
        raise BadRequest(f'the body is no JSON object but {type(document).__name__}; send {{"gremlin": "…"}}')
    return document


def parse_script(members: Mapping[str, Any]) -> Script:
    """Return what the members of a body say; unknown ones are ignored, as Neptune does.

    Raises:
        MissingParameter: no `gremlin`.
        InvalidParameter: a member is not what it should be.
    """
    text = members.get("gremlin")
    if text in (None, ""):
        raise MissingParameter("'gremlin' is missing; it holds the query")
    if not isinstance(text, str):
        raise InvalidParameter(f"'gremlin' must be a text, not {type(text).__name__}")
    language = members.get("language") or None
    if language not in (None, GROOVY, GREMLIN_LANG):
        raise InvalidParameter(f"no language {language!r}{nearest(str(language), (GROOVY, GREMLIN_LANG))}")
    return Script(
        text,
        language,
        _mapping(members, "bindings"),
        _mapping(members, "aliases"),
        _count(members, "evaluationTimeout"),
        _count(members, "batchSize"),
    )


def parse_query(query: Mapping[str, str]) -> Script:
    """Return what a query string says; a binding is `bindings.NAME=text`.

    Raises:
        MissingParameter, InvalidParameter: as `parse_script`.
    """
    members: dict[str, Any] = {name: value for name, value in query.items() if "." not in name}
    for prefix in ("bindings", "aliases"):
        members[prefix] = {
            name.removeprefix(f"{prefix}."): value
            for name, value in query.items()
            if name.startswith(f"{prefix}.")
        }
    for name in ("evaluationTimeout", "batchSize"):
        if members.get(name, "").isascii() and members.get(name, "").isdigit():
            members[name] = int(members[name])
    return parse_script(members)


def _mapping(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name) or {}
    if not isinstance(value, dict):
        raise InvalidParameter(f"'{name}' must be an object, not {type(value).__name__}")
    return value


def _count(members: Mapping[str, Any], name: str) -> int | None:
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise InvalidParameter(f"'{name}' must be a whole number that is not negative, not {value!r}")
    return value
