"""The worker of a group: one process that answers for several endpoints, each to the token of its version.

`python -m neptuneml_plugin.serving.shared` reads its `SharedConfig` as `serving.endpoint` reads its own, and then
takes endpoints in (`POST /enter`) and forgets them (`POST /leave`) as the service says, which alone has the
process's token. Callers notice no difference to a worker of their own.
"""

import asyncio
import hmac
import signal
import sys

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST

from neptuneml_plugin import tracing
from neptuneml_plugin.config import SharedConfig, WorkerConfig, structure
from neptuneml_plugin.error_body import REQUEST_ID, answer_errors
from neptuneml_plugin.errors import AccessDenied, ClientTimeout, PreconditionsFailed
from neptuneml_plugin.serving.endpoint import SHUTDOWN_SECONDS, ParentWatch, report, run_process
from neptuneml_plugin.serving.paths import BODY_TIMEOUT_SECONDS
from neptuneml_plugin.serving.tenants import Tenant, Tenants

CONTROL = frozenset({"/enter", "/leave"})
TENANTS = web.AppKey("tenants", Tenants)
CONFIG = web.AppKey("config", SharedConfig)
_TENANT = web.RequestKey("tenant", Tenant)


def create_app(config: SharedConfig, tenants: Tenants) -> web.Application:
    """Return the application of the process."""
    app = web.Application(middlewares=[answer_errors, _require_token], client_max_size=config.max_body_mib << 20)
    app[CONFIG], app[TENANTS] = config, tenants
    app.router.add_post("/enter", _enter)
    app.router.add_post("/leave", _leave)
    app.router.add_post("/invocations", _invoke)
    app.router.add_get("/health", _health)
    app.router.add_get("/metrics", _metrics)
    return app


@web.middleware
async def _require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    given = request.headers.get("Authorization", "")
    if request.path in CONTROL:
        own = f"Bearer {request.app[CONFIG].token}".encode()
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), own):
            raise AccessDenied("the worker's own token is missing or wrong; the service alone has it")
        return await handler(request)
    tenant = request.app[TENANTS].of(given)
    if tenant is None:
        raise AccessDenied("the token is missing or wrong; ask the service for the endpoint's description")
    request[_TENANT] = tenant
    return await handler(request)


async def _enter(request: web.Request) -> web.Response:
    given = await request.json()
    config = structure(WorkerConfig, given["config"], "enter")
    address = f"http://{request.host}"
    version = await request.app[TENANTS].enter(config, address, given["version"])
    return web.json_response({"version": version})


async def _leave(request: web.Request) -> web.Response:
    request.app[TENANTS].leave((await request.json())["token"])
    return web.json_response({})


async def _invoke(request: web.Request) -> web.Response:
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise ClientTimeout(f"the body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} s") from None
    tenant = request[_TENANT]
    with tracing.serve("invocation", request.headers, endpoint=tenant.endpoint.config.endpoint):
        async with request.app[TENANTS].using(tenant) as endpoint:
            reply = await endpoint.answer(body, request[REQUEST_ID])
    return web.Response(body=reply, content_type="application/json")


async def _health(request: web.Request) -> web.Response:
    endpoint = request[_TENANT].endpoint
    names = {"endpoint": endpoint.config.endpoint, "artifactVersion": endpoint.manifest.version}
    return web.json_response({"status": "healthy", **names, "loaded": request[_TENANT].loadable.is_open})


async def _metrics(request: web.Request) -> web.Response:
    text = request[_TENANT].endpoint.metrics.text()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def serve(config: SharedConfig) -> None:
    """Answer until SIGTERM or until stdin closes.

    Raises:
        PreconditionsFailed: the port is taken.
    """
    stop, tenants = asyncio.Event(), Tenants()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    transport, _ = await loop.connect_read_pipe(lambda: ParentWatch(stop), sys.stdin)
    runner = web.AppRunner(
        create_app(config, tenants), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, handler_cancellation=True
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, config.host, config.port).start()
        except OSError as error:
            raise PreconditionsFailed(f"cannot listen on {config.host}:{config.port}: {error.strerror}") from None
        host = f"[{config.host}]" if ":" in config.host else config.host
        report({"address": f"http://{host}:{runner.addresses[0][1]}", "version": ""})
        watch = asyncio.create_task(tenants.watch(stop))
        await stop.wait()
        watch.cancel()
    finally:
        await runner.cleanup()
        tenants.close()
        transport.close()


if __name__ == "__main__":
    sys.exit(run_process(SharedConfig, serve))
