"""Errors on the wire, one shape for service and worker (`docs/wire.md`, section 3; decision 1)."""

import difflib
import logging
import os
import re
from collections.abc import Collection
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from neptuneml_plugin.errors import (
    BadRequest,
    MethodNotAllowed,
    NeptuneMLError,
    TooManyRequests,
    UnsupportedOperation,
)

REQUEST_ID_HEADER = "x-amzn-RequestId"

#: Identity of a request, in every answer's header and in every error's body.
REQUEST_ID = web.RequestKey("request_id", str)

#: Paths that a caller may have meant: how many are told, and how like they are (as `difflib` says).
MOST_NEAR, NEAR = 3, 0.6
#: A server of more paths does not list them all in an error.
MOST_TOLD = 10

_REQUEST_ID = re.compile(r"[\w-]{1,64}", re.ASCII)

_log = logging.getLogger(__name__)


def error_document(error: NeptuneMLError, request_id: str) -> dict[str, Any]:
    """Return the body of an error: `message` is what boto3 prints, `detailedMessage` what Neptune documents."""
    text = str(error)
    return {"code": error.code, "detailedMessage": text, "message": text, "requestId": request_id}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id, and every failure the one shape."""
    request[REQUEST_ID] = request_id = request_id_of(request)
    try:
        response = await handler(request)
    except ConnectionError:  # the caller has gone
        raise
    except web.HTTPException as error:
        paths = {resource.canonical for resource in request.app.router.resources()}
        response = error_response(http_error(error, request, paths), request_id)
    except Exception as error:  # noqa: BLE001 - the last resort
        response = error_response(error, request_id)
    response.headers[REQUEST_ID_HEADER] = request_id
    return response


class _Protocol(web.RequestHandler):
    """Answers what is no request of HTTP, and what no handler takes, in the one shape too."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that cannot be read."""
        super().handle_error(request, status, exc, message)  # logs it
        reason = (message or "").partition("\n")[0].rstrip(": ")  # further lines repeat what was sent
        error = BadRequest(f"the request cannot be read: {reason or 'it is no HTTP'}")
        told = error if status < 500 else NeptuneMLError("an unexpected error")
        response = error_response(told, request_id_of(request))
        response.force_close()
        return response


class Server(web.Server):
    """Answers what cannot be read in the one shape too."""

    def __call__(self) -> web.RequestHandler:
        """Return what reads a connection."""
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application whose every error has the one shape, those before its middlewares included."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await made.request_handler(request)
            except web.HTTPException as error:
                unreadable = BadRequest(f"the request cannot be read: {error.text or error.reason}")
                return error_response(unreadable, request_id_of(request))

        return Server(
            handle,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,
            **made._kwargs,
        )


def error_response(error: Exception, request_id: str) -> web.Response:
    """Return the answer to a request that failed; what nobody expected is logged, and told without its details."""
    if not isinstance(error, NeptuneMLError):
        _log.error("request %s failed", request_id, exc_info=error)
        error = NeptuneMLError(f"an unexpected error; the log has it under request {request_id}")
    headers = {REQUEST_ID_HEADER: request_id}
    if isinstance(error, TooManyRequests):
        headers[hdrs.RETRY_AFTER] = str(error.retry_after_seconds)
    if isinstance(error, MethodNotAllowed):
        headers[hdrs.ALLOW] = ", ".join(error.allowed)
    return web.json_response(error_document(error, request_id), status=error.http_status, headers=headers)


def http_error(error: web.HTTPException, request: web.BaseRequest, paths: Collection[str]) -> NeptuneMLError:
    """Return the class of Neptune's list for what aiohttp refuses.

    Args:
        error: the refusal.
        request: what was refused.
        paths: what is served.
    """
    if isinstance(error, web.HTTPNotFound):
        near = difflib.get_close_matches(request.path, paths, MOST_NEAR, NEAR)
        hint = f"; near it are {', '.join(near)}" if near else f"; there are {', '.join(sorted(paths))}"
        if len(paths) > MOST_TOLD:
            hint = f"{hint if near else ''}; GET /openapi.json lists what there is"
        return UnsupportedOperation(f"nothing is served at {request.path[:100]}{hint}")
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(f"{request.path} does not take {error.method}", error.allowed_methods)
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BadRequest(f"the request's body is too large: {error.text}; send fewer items at once")
    return BadRequest(f"the request cannot be read: {error.text or error.reason}")


def request_id_of(request: web.BaseRequest) -> str:
    """Return the caller's id, so that service and worker log one, or a new one."""
    given = request.headers.get(REQUEST_ID_HEADER)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    digits = os.urandom(16).hex()  # as `uuid.uuid4` writes it, in a fifth of the time
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
