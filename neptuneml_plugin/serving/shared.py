"""The worker of a group: one process that answers for several endpoints, each to the token of its version.

`python -m neptuneml_plugin.serving.shared` reads its `SharedConfig` as `serving.endpoint` reads its own, and then
takes endpoints in (`POST /enter`) and forgets them (`POST /leave`) as the service says, which alone has the
process's token. Callers notice no difference to a worker of their own.
"""

import asyncio
import hmac
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from neptuneml_plugin.config import SharedConfig, WorkerConfig, structure
from neptuneml_plugin.error_body import error_response, http_error, request_id_of
from neptuneml_plugin.errors import AccessDenied, PreconditionsFailed
from neptuneml_plugin.serving.endpoint import SHUTDOWN_SECONDS, ParentWatch, report, run_process
from neptuneml_plugin.serving.memory import use_one_pool
from neptuneml_plugin.serving.paths import bare_server
from neptuneml_plugin.serving.tenants import Tenants


class SharedPaths:
    """What is served at which path: the service says who is in, all others ask the one whose token they show."""

    def __init__(self, config: SharedConfig, tenants: Tenants) -> None:
        self._authorization = f"Bearer {config.token}".encode()
        self._tenants = tenants
        self._told: Mapping[str, Callable[[web.BaseRequest], Awaitable[dict[str, Any]]]] = {
            "/enter": self._enter,
            "/leave": self._leave,
        }

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Return the answer to any request; every failure has the one shape."""
        try:
            if (told := self._told.get(request.path)) is not None:
                self._require_token(request)
                return web.json_response(await told(request))
            return await self._answer(request)
        except ConnectionError:  # the caller has gone
            raise
        except web.HTTPException as error:
            return error_response(http_error(error, request, self._told), request_id_of(request))
        except Exception as error:  # noqa: BLE001 - the last resort
            return error_response(error, request_id_of(request))

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        tenant = self._tenants.of(request.headers.get("Authorization", ""))
        if tenant is None:
            raise AccessDenied("the token is missing or wrong; ask the service for the endpoint's description")
        if request.path != "/invocations":
            return await tenant.paths.answer(request)
        async with self._tenants.using(tenant):
            return await tenant.paths.answer(request)

    def _require_token(self, request: web.BaseRequest) -> None:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            raise AccessDenied("the worker's own token is missing or wrong; the service alone has it")

    async def _enter(self, request: web.BaseRequest) -> dict[str, Any]:
        given = await request.json()
        config = structure(WorkerConfig, given["config"], "enter")
        version = await self._tenants.enter(config, f"http://{request.host}", given["version"])
        return {"version": version}

    async def _leave(self, request: web.BaseRequest) -> dict[str, Any]:
        self._tenants.leave((await request.json())["token"])
        return {}


async def serve(config: SharedConfig) -> None:
    """Answer until SIGTERM or until stdin closes.

    Raises:
        PreconditionsFailed: the port is taken.
    """
    use_one_pool()
    stop, tenants = asyncio.Event(), Tenants()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    transport, _ = await loop.connect_read_pipe(lambda: ParentWatch(stop), sys.stdin)
    server = bare_server(SharedPaths(config, tenants).answer, config.max_body_mib)
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
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
