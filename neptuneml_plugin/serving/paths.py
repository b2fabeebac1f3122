"""The worker's HTTP paths, for callers that have its token.

They stand on aiohttp's bare server: an application's routes and middlewares take as long as a look-up.
"""

import asyncio
import functools
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from neptuneml_plugin import tracing
from neptuneml_plugin.error_body import REQUEST_ID_HEADER, Server, error_response, http_error, request_id_of
from neptuneml_plugin.errors import AccessDenied, ClientTimeout

if TYPE_CHECKING:
    from neptuneml_plugin.serving.endpoint import Endpoint

BODY_TIMEOUT_SECONDS = 30.0

#: Answers a request, which has an id.
_Handler = Callable[[web.BaseRequest, str], Awaitable[web.Response]]


def create_server(endpoint: "Endpoint") -> web.Server:
    """Return what answers the requests of every connection, for a `web.ServerRunner`."""
    return bare_server(Paths(endpoint).answer, endpoint.config.max_body_mib)


def bare_server(answer: Callable[[web.BaseRequest], Awaitable[web.Response]], max_body_mib: int) -> web.Server:
    """Return a server that has each request answered."""
    loop, limit = asyncio.get_running_loop(), max_body_mib << 20
    return Server(
        answer,
        request_factory=functools.partial(web.BaseRequest, loop=loop, client_max_size=limit),
        access_log=None,
        handler_cancellation=True,  # what a caller who has gone still waits for is not computed
    )


class Paths:
    """What is served at which path."""

    def __init__(self, endpoint: "Endpoint") -> None:
        self._endpoint = endpoint
        self._authorization = f"Bearer {endpoint.config.token}".encode()
        self._handlers: Mapping[str, Mapping[str, _Handler]] = {
            "/invocations": {"POST": self._invoke},
            "/health": {"GET": self._health, "HEAD": self._health},
            "/metrics": {"GET": self._metrics, "HEAD": self._metrics},
        }

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Return the answer to any request; every failure has the one shape."""
        request_id = request_id_of(request)
        try:
            self._require_token(request)
            return await self._handler(request)(request, request_id)
        except ConnectionError:  # the caller has gone
            raise
        except web.HTTPException as error:
            return error_response(http_error(error, request, self._handlers), request_id)
        except Exception as error:  # noqa: BLE001 - the last resort
            return error_response(error, request_id)

    def _require_token(self, request: web.BaseRequest) -> None:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._authorization):
            raise AccessDenied(
                "the worker's token is missing or wrong; ask the service for the endpoint's description"
            )

    def _handler(self, request: web.BaseRequest) -> _Handler:
        methods = self._handlers.get(request.path)
        if methods is None:
            raise web.HTTPNotFound
        if request.method not in methods:
            raise web.HTTPMethodNotAllowed(request.method, methods)
        return methods[request.method]

    async def _invoke(self, request: web.BaseRequest, request_id: str) -> web.Response:
        with tracing.serve("invocation", request.headers, endpoint=self._endpoint.config.endpoint):
            reply = await self._endpoint.answer(await _body(request), request_id)
        headers = {"Content-Type": "application/json", REQUEST_ID_HEADER: request_id}
        return web.Response(body=reply, headers=headers)

    async def _health(self, request: web.BaseRequest, request_id: str) -> web.Response:
        del request
        name, version = self._endpoint.config.endpoint, self._endpoint.manifest.version
        told = {"status": "healthy", "endpoint": name, "artifactVersion": version}
        return web.json_response(told, headers={REQUEST_ID_HEADER: request_id})

    async def _metrics(self, request: web.BaseRequest, request_id: str) -> web.Response:
        del request
        headers = {"Content-Type": CONTENT_TYPE_LATEST, REQUEST_ID_HEADER: request_id}
        return web.Response(body=self._endpoint.metrics.text(), headers=headers)


async def _body(request: web.BaseRequest) -> bytes:
    if request.content.is_eof():  # it came with the head, as small ones do
        return await request.read()
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer itself
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await request.read()
    except TimeoutError:
        raise ClientTimeout(f"the body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} s") from None
