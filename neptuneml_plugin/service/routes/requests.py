"""What the routes need of a request and of the application."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.errors import BadRequest, ClientTimeout, InvalidParameter, QueryTooLarge
from neptuneml_plugin.service.chains.chains import Chains
from neptuneml_plugin.service.endpoints.registry import Registry
from neptuneml_plugin.service.jobs.jobs import Jobs
from neptuneml_plugin.service.jobs.logs import RedactedLogs
from neptuneml_plugin.service.jobs.plans import Planner

#: Paths of queries.
QUERIES = "/gremlin"
PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
#: How soon it is noticed that a caller has gone.
LOOK_SECONDS = 0.05

CONFIG = web.AppKey("config", ServiceConfig)
REGISTRY = web.AppKey("registry", Registry)
JOBS = web.AppKey("jobs", Jobs)
LOGS = web.AppKey("logs", RedactedLogs)
PLANNER = web.AppKey("planner", Planner)
CHAINS = web.AppKey("chains", Chains)
CLIENT = web.AppKey("client", aiohttp.ClientSession)

Result = TypeVar("Result")


async def read_body(request: web.Request) -> bytes:
    """Return the whole body.

    Raises:
        ClientTimeout: it did not arrive in time.
        BadRequest: it is too large, or compressed and broken.
        QueryTooLarge: it is a query, and too large.
    """
    seconds = request.app[CONFIG].body_seconds
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError:
        raise ClientTimeout(f"the body did not arrive within {seconds:g} s") from None
    except web.HTTPRequestEntityTooLarge:
        kind = QueryTooLarge if request.path.startswith(QUERIES) else BadRequest
        raise kind(
            f"the body is too large: at most {request.app[CONFIG].max_body_mib} MiB may be sent at once; "
            "send less, or raise 'max_body_mib' in the service's settings"
        ) from None
    except (HttpProcessingError, web.RequestPayloadError):
        raise BadRequest("the body is not encoded as its Content-Encoding says") from None


def check_public_url(url: str | None) -> None:
    """Refuse a setting that no link can begin with.

    Raises:
        InvalidParameter: it is none.
    """
    if url is not None and not PUBLIC_URL.fullmatch(url):
        raise InvalidParameter(
            "the setting 'public_url' (--public-url) is no address that links could begin with; give it as "
            "https://host[:port][/path], without user, query or fragment"
        )


def origin(request: web.Request) -> str:
    """Return how the caller reaches this service, so that a link opens where its request came from.

    What a proxy says of that in headers is not read, since whoever calls could say it too.
    """
    public = request.app[CONFIG].public_url
    return public.rstrip("/") if public else f"{request.scheme}://{request.host}"


def is_gone(request: web.Request) -> bool:
    """Tell whether the caller has left."""
    return request.transport is None or request.transport.is_closing()


async def while_wanted(request: web.Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of some work, which ends early when nobody waits for it any more.

    Raises:
        ConnectionResetError: the caller has gone.
    """
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            if is_gone(request):
                raise ConnectionResetError("the caller has gone")
        return task.result()
    finally:
        task.cancel()
