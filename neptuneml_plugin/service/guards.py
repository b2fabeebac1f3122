"""Who may call (decision 33): hosts against DNS rebinding, origins against web pages, tokens, signatures."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from neptuneml_plugin.errors import AccessDenied
from neptuneml_plugin.service.routes.requests import CONFIG, read_body
from neptuneml_plugin.service.security.callers import CALLERS
from neptuneml_plugin.service.security.ratelimit import RateLimit
from neptuneml_plugin.service.security.signatures import (
    ALGORITHM,
    check_scope,
    check_signature,
    parse_signature,
)

RATE_LIMIT = web.AppKey("rate_limit", RateLimit)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Answer without token or signature, and as often as asked, so that a container's probe needs neither.
OPEN_PATHS = frozenset({"/health"})
#: What an allowed page may send, signatures included.
ALLOWED_HEADERS = (
    "Authorization, Content-Type, If-None-Match, X-Amz-Date, X-Amz-Content-SHA256, X-Amz-Security-Token"
)


@web.middleware
async def check_rate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests of an address that sends too many."""
    if request.path not in OPEN_PATHS:
        request.app[RATE_LIMIT].check(request.remote or "")
    return await handler(request)


@web.middleware
async def check_host_and_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a foreign web page may have made."""
    config = request.app[CONFIG]
    host = request.headers.get(hdrs.HOST, "")
    if _host_name(host) not in LOOPBACK | {config.host.lower(), *(name.lower() for name in config.allow_hosts)}:
        raise AccessDenied(f"Host {host[:100]!r} is not a name of this service; allow it with --allow-host")
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return await handler(request)
    if origin not in config.allow_origins and origin != f"{request.scheme}://{host}":
        raise AccessDenied(f"Origin {origin[:100]!r} may not call this service; allow it with --allow-origin")
    if request.method == hdrs.METH_OPTIONS:
        return _allow(web.Response(status=204), origin)
    return _allow(await handler(request), origin)


@web.middleware
async def check_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests with neither the service's token nor the signature of a known key, where one is set."""
    if request.app[CALLERS].are_asked and request.path not in OPEN_PATHS:
        await _check_caller(request)
    return await handler(request)


async def _check_caller(request: web.Request) -> None:
    callers = request.app[CALLERS]
    authorization = request.headers.get(hdrs.AUTHORIZATION, "")
    if callers.has_token(authorization):
        return
    if not (callers.keys and authorization.startswith(ALGORITHM)):
        ways = [
            *(["the service's token as 'Authorization: Bearer …'"] if callers.token else []),
            *([f"a request signed as AWS does ({ALGORITHM})"] if callers.keys else []),
        ]
        raise AccessDenied(f"the token is missing or wrong; send {' or '.join(ways)}")
    signature = parse_signature(authorization)
    check_scope(signature, request, datetime.now(UTC))
    check_signature(signature, request, await read_body(request), callers.keys)


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets; empty where it is not one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _allow(response: web.StreamResponse, origin: str) -> web.StreamResponse:
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, DELETE"
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = ALLOWED_HEADERS
    response.headers[hdrs.VARY] = hdrs.ORIGIN
    return response
