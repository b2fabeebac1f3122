"""Who may call (decision 33): hosts against DNS rebinding, origins against foreign web pages, the token."""

import hmac
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import AccessDenied

CONFIG = web.AppKey("config", ServiceConfig)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Answers without the token, so that a container's probe needs none.
OPEN_PATHS = frozenset({"/health"})


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
async def check_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests without the service's token, where one is set."""
    token = request.app[CONFIG].token
    if token and request.path not in OPEN_PATHS:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise AccessDenied("the service's token is missing or wrong; send 'Authorization: Bearer …'")
    return await handler(request)


def _host_name(host: str) -> str:
    """Return the name in a Host header, without port and brackets; empty where it is not one."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _allow(response: web.StreamResponse, origin: str) -> web.StreamResponse:
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, DELETE"
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Authorization, Content-Type, If-None-Match"
    response.headers[hdrs.VARY] = hdrs.ORIGIN
    return response
