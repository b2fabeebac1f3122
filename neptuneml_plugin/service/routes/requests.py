"""What the routes need of a request and of the application."""

import asyncio

import aiohttp
from aiohttp import web

from neptuneml_plugin.errors import ClientTimeout
from neptuneml_plugin.service.chains.chains import Chains
from neptuneml_plugin.service.endpoints.registry import Registry
from neptuneml_plugin.service.jobs.jobs import Jobs
from neptuneml_plugin.service.jobs.plans import Planner

BODY_TIMEOUT_SECONDS = 30.0

REGISTRY = web.AppKey("registry", Registry)
JOBS = web.AppKey("jobs", Jobs)
PLANNER = web.AppKey("planner", Planner)
CHAINS = web.AppKey("chains", Chains)
CLIENT = web.AppKey("client", aiohttp.ClientSession)


async def read_body(request: web.Request) -> bytes:
    """Return the whole body.

    Raises:
        ClientTimeout: it did not arrive in time.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await request.read()
    except TimeoutError:
        raise ClientTimeout(f"the body did not arrive within {BODY_TIMEOUT_SECONDS:.0f} s") from None
