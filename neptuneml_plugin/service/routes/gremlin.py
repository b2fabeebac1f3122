"""`/gremlin`, `/status` and the graph's summary: Neptune's data plane on the service's port (docs/gateway.md)."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import hdrs, web

from neptuneml_plugin import __version__
from neptuneml_plugin.errors import AccessDenied, NeptuneMLError
from neptuneml_plugin.service.gateway import plans, summary
from neptuneml_plugin.service.gateway import server as gremlin_server
from neptuneml_plugin.service.gateway.answers import Script, ask, ask_all
from neptuneml_plugin.service.gateway.messages import GREMLIN_LANG, GROOVY
from neptuneml_plugin.service.gateway.policy import check_script, may_run_code
from neptuneml_plugin.service.gateway.queries import parse_accept, parse_body, parse_query, parse_script
from neptuneml_plugin.service.gateway.relay import relay
from neptuneml_plugin.service.gateway.replies import reply
from neptuneml_plugin.service.gateway.scripts import WRITING, names
from neptuneml_plugin.service.gateway.server import SERVER, server_of
from neptuneml_plugin.service.routes.requests import CONFIG, is_gone, read_body

SUMMARIES = web.AppKey("summaries", summary.Summaries)
STARTED_AT = web.AppKey("started_at", float)
STATUS_MILLIS = 5_000
_TIME_FORMAT = "%a %b %d %H:%M:%S UTC %Y"

routes = web.RouteTableDef()


async def lifetime(app: web.Application) -> AsyncIterator[None]:
    """Hold what these routes share while the application lives."""
    app[SUMMARIES], app[STARTED_AT] = summary.Summaries(), time.time()
    async for _ in gremlin_server.lifetime(app, app[CONFIG]):
        yield


@routes.get("/gremlin")
async def pass_through(request: web.Request) -> web.StreamResponse:
    """Pass a WebSocket through, or answer `?gremlin=`, which only reads."""
    config = request.app[CONFIG]
    server = server_of(request)
    if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
        return await relay(request, server, config.max_body_mib << 20, check=not may_run_code(request, config))
    script = _reading(parse_query(request.query))
    form = parse_accept(request.headers.get(hdrs.ACCEPT))
    return await reply(request, ask(server, script, form.asked, lambda: is_gone(request)), form)


@routes.post("/gremlin")
async def execute(request: web.Request) -> web.StreamResponse:
    """Run a script, and answer all of its results in one document."""
    server = server_of(request)
    script = _allowed(request, parse_script(parse_body(await read_body(request))))
    form = parse_accept(request.headers.get(hdrs.ACCEPT))
    return await reply(request, ask(server, script, form.asked, lambda: is_gone(request)), form)


@routes.post("/gremlin/explain")
async def explain(request: web.Request) -> web.Response:
    """Tell what strategies make of a traversal, without running it."""
    server = server_of(request)
    script = _allowed(request, parse_script(parse_body(await read_body(request))))
    return web.Response(text=await plans.explain(server, script))


@routes.post("/gremlin/profile")
async def profile(request: web.Request) -> web.Response:
    """Run a traversal, and tell what each step took."""
    server = server_of(request)
    members = parse_body(await read_body(request))
    plans.check_profile(members)
    return web.Response(text=await plans.profile(server, _allowed(request, parse_script(members))))


@routes.get("/status")
async def status(request: web.Request) -> web.Response:
    """Tell how service and Gremlin Server are, as far as a server without Neptune's engine can say."""
    config = request.app[CONFIG]
    document: dict[str, Any] = {
        "status": "healthy",
        "startTime": datetime.fromtimestamp(request.app[STARTED_AT], UTC).strftime(_TIME_FORMAT),
        "dbEngineVersion": __version__,
        "role": "writer",
        "labMode": {},
        "features": {},
        "settings": {"maxGremlinConnections": str(config.max_gremlin_connections)},
    }
    if SERVER in request.app:
        document |= await _server_status(request)
    return web.json_response(document)


async def _server_status(request: web.Request) -> dict[str, Any]:
    """Ask the Gremlin Server for its version; one that does not answer is in recovery, as Neptune calls it."""
    # A constant of ours, so that Groovy may run it; only Groovy can say.
    script = Script("Gremlin.version()", GROOVY, evaluation_timeout=STATUS_MILLIS)
    try:
        (version,) = await ask_all(request.app[SERVER], script)
    except NeptuneMLError as error:
        if error.http_status < 500:  # it answers, but has no Groovy
            return {"gremlin": {"version": "tinkerpop"}}
        return {"status": "recovery", "detailedMessage": str(error)}
    return {"gremlin": {"version": f"tinkerpop-{version}"}}


@routes.get("/propertygraph/statistics/summary")
@routes.get("/pg/statistics/summary")
async def graph_summary(request: web.Request) -> web.Response:
    """Tell what the graph holds."""
    mode = summary.parse_mode(request.query.get("mode"))
    found = await request.app[SUMMARIES].newest(server_of(request))
    return web.json_response(summary.render(found, mode))


def _allowed(request: web.Request, script: Script) -> Script:
    """Return a script as its caller may run it.

    Raises:
        AccessDenied: the caller may not (decision 33).
    """
    if may_run_code(request, request.app[CONFIG]):
        return script
    reason = check_script(script.text, script.language)
    if reason:
        raise AccessDenied(reason)
    return replace(script, language=GREMLIN_LANG)


def _reading(script: Script) -> Script:
    """Return a script of a GET, which any image of a foreign web page could send: so it only reads.

    Raises:
        AccessDenied: it does more.
    """
    found = sorted(names(script.text) & WRITING)
    if found:
        raise AccessDenied(f"GET only reads, and the script names '{found[0]}'; send it by POST")
    return replace(script, language=GREMLIN_LANG)
