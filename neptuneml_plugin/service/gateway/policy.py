"""What may pass to the Gremlin Server from callers who are not on this machine (decision 33).

Groovy and lambdas are a shell, and `io()` reads and writes the server's files. From loopback they pass, as
whoever calls has a shell there anyway. From elsewhere scripts run as gremlin-lang, and the rest is refused, unless
the service was started with `--allow-groovy`.
"""

import uuid

from aiohttp import web

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.service.gateway import graphbinary, graphson
from neptuneml_plugin.service.gateway.messages import GREMLIN_LANG, GROOVY, Message, Unreadable
from neptuneml_plugin.service.gateway.scripts import FILES, names
from neptuneml_plugin.service.guards import LOOPBACK
from neptuneml_plugin.service.security.callers import is_loopback

_OPS = frozenset({"eval", "bytecode", "close", "authentication"})
_JSON = frozenset(
    {"application/json"}
    | {f"application/vnd.gremlin-v{version}.0+json" for version in (1, 2, 3)}
    | {f"application/vnd.gremlin-v{version}.0+json;types=false" for version in (1, 2, 3)}
)
_BINARY = frozenset({"application/vnd.graphbinary-v1.0", "application/vnd.graphbinary-v1.0-stringd"})
#: Java packages whose classes a request may name, as strategies are.
_PACKAGE = "org.apache.tinkerpop."
_FORBIDDEN = 403
_ASK = "ask from this machine, or start the service with --allow-groovy"


class Refused(Exception):
    """A request that does not pass; its sender is told so in the request's own format."""

    def __init__(self, reason: str, request_id: uuid.UUID, *, binary: bool) -> None:
        super().__init__(reason)
        module = graphbinary if binary else graphson
        self.response = module.refusal(request_id, _FORBIDDEN, f"AccessDeniedException: {reason}")


def may_run_code(request: web.Request, config: ServiceConfig) -> bool:
    """Tell whether the caller may send what runs as code.

    A name beside loopback's in the Host header means a proxy, and so callers elsewhere.
    """
    return config.allow_groovy or (is_loopback(config.host) and (request.url.host or "").lower() in LOOPBACK)


def check_text(frame: str) -> str:
    """Return a text frame as it may pass.

    Raises:
        Refused: it may not.
        Unreadable: what it asks for cannot be told.
    """
    return _check(frame.encode(), b"", binary=False).decode()


def check_frame(frame: bytes) -> bytes:
    """Return a binary frame as it may pass.

    Raises:
        Refused: it may not.
        Unreadable: what it asks for cannot be told.
    """
    head_end = 1 + frame[0] if frame else 0
    head, body = frame[:head_end], frame[head_end:]
    mime_type = head[1:].decode("latin-1").replace(" ", "").lower()
    if mime_type not in _JSON | _BINARY:
        raise Unreadable(
            f"has the format {mime_type[:100]!r}, which is not one of {', '.join(sorted(_JSON | _BINARY))}"
        )
    return _check(body, head, binary=mime_type in _BINARY)


def _check(body: bytes, head: bytes, *, binary: bool) -> bytes:
    module = graphbinary if binary else graphson
    message = module.read_request(body)
    reason = _reason(message)
    if reason:
        raise Refused(reason, message.request_id, binary=binary)
    return head + (module.in_gremlin_lang(body) if message.op == "eval" else body)


def _reason(message: Message) -> str | None:
    """Say why a request does not pass; None if it does."""
    if message.op not in _OPS:
        return f"the operation '{message.op[:40]}' does not pass; {', '.join(sorted(_OPS))} do"
    if message.found.lambdas:
        return f"lambdas are code and do not pass; {_ASK}"
    if FILES in message.found.steps:
        return f"io() reads and writes the server's files and does not pass; {_ASK}"
    foreign = sorted(name for name in message.found.classes if not name.startswith(_PACKAGE))
    if foreign:
        return f"the class '{foreign[0][:100]}' does not pass, only those of {_PACKAGE}*; {_ASK}"
    return check_script(message.script, message.language) if message.op == "eval" else None


def check_script(script: str | None, language: str | None) -> str | None:
    """Say why a script does not pass; None if it does, as gremlin-lang.

    Drivers name Groovy for scripts of any kind, so that its name alone is no reason.
    """
    if script is None:
        return "a script must be a text"
    if language not in (None, GROOVY, GREMLIN_LANG):
        return f"scripts in '{language[:40]}' do not pass, only {GREMLIN_LANG}; {_ASK}"
    if FILES in names(script):
        return f"io() reads and writes the server's files and does not pass; {_ASK}"
    return None
