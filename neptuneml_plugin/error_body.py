"""Errors on the wire, one shape for service and worker (`docs/wire.md`, section 3; decision 1)."""

import logging
import os
import re
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from neptuneml_plugin.errors import BadRequest, NeptuneMLError, TooManyRequests, UnsupportedOperation

REQUEST_ID_HEADER = "x-amzn-RequestId"

#: Identity of a request, in every answer's header and in every error's body.
REQUEST_ID = web.RequestKey("request_id", str)

_REQUEST_ID = re.compile(r"[\w-]{1,64}", re.ASCII)

_log = logging.getLogger(__name__)


def error_document(error: NeptuneMLError, request_id: str) -> dict[str, Any]:
    """Return the body of an error: `message` is what boto3 prints, `detailedMessage` what Neptune documents."""
    text = str(error)
    return {"code": error.code, "detailedMessage": text, "message": text, "requestId": request_id}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id, and every failure the one shape."""
    request[REQUEST_ID] = _request_id(request)
    try:
        response = await handler(request)
    except NeptuneMLError as error:
        response = _error_response(error, request[REQUEST_ID])
    except web.HTTPException as error:
        response = _error_response(_http_error(error, request), request[REQUEST_ID])
    except ConnectionError:  # the caller has gone
        raise
    except Exception:  # noqa: BLE001 - the last resort: logged here, and told without its details
        _log.exception("request %s failed", request[REQUEST_ID])
        problem = f"an unexpected error; the log has it under request {request[REQUEST_ID]}"
        response = _error_response(NeptuneMLError(problem), request[REQUEST_ID])
    response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    return response


def _error_response(error: NeptuneMLError, request_id: str) -> web.Response:
    headers = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, TooManyRequests) else {}
    return web.json_response(error_document(error, request_id), status=error.http_status, headers=headers)


def _http_error(error: web.HTTPException, request: web.Request) -> NeptuneMLError:
    """Return the class of Neptune's list for what aiohttp itself refuses."""
    if isinstance(error, web.HTTPNotFound):
        paths = sorted({resource.canonical for resource in request.app.router.resources()})
        return UnsupportedOperation(f"nothing is served at {request.path}; this server has {', '.join(paths)}")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return UnsupportedOperation(f"{request.path} does not take {error.method}; it takes {allowed}")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BadRequest(f"the request's body is too large: {error.text}; send fewer items at once")
    return BadRequest(f"the request cannot be read: {error.text or error.reason}")


def _request_id(request: web.Request) -> str:
    """Return the caller's id, so that service and worker log one, or a new one."""
    given = request.headers.get(REQUEST_ID_HEADER)
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    digits = os.urandom(16).hex()  # as `uuid.uuid4` writes it, in a fifth of the time
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
