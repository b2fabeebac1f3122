"""`/ml/dataprocessing`, `/ml/modeltraining`, `/ml/modeltransform`: one set of handlers for all kinds of job."""

import asyncio
import functools
from collections.abc import Awaitable, Callable

from aiohttp import web

from neptuneml_plugin.errors import ResourceNotFound
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.routes.requests import JOBS, LOGS, PLANNER, origin, read_body
from neptuneml_plugin.service.wire import jobs as wire
from neptuneml_plugin.service.wire.members import load_object, parse_page, render_page
from neptuneml_plugin.service.wire.queries import CANCEL, LIST_JOBS, READ
from neptuneml_plugin.service.wire.requests import MEMBERS, parse_members

Handler = Callable[[web.Request, JobKind], Awaitable[web.StreamResponse]]


async def start(request: web.Request, kind: JobKind) -> web.StreamResponse:
    """Take a job into the queue."""
    given = parse_members(load_object(await read_body(request)), MEMBERS[kind])
    planner = request.app[PLANNER]
    record = await asyncio.to_thread(planner.record, kind, given)
    await request.app[JOBS].submit(record)
    return web.json_response(wire.render_started(record))


async def list_jobs(request: web.Request, kind: JobKind) -> web.StreamResponse:
    """List the ids of all jobs of a kind, newest first (decision 3)."""
    page = parse_page(request.query)
    state = parse_members(request.query, LIST_JOBS).get("state")
    records = request.app[JOBS].all(kind)
    ids = [record.id for record in records if state in (None, wire.wire_status(record.state))]
    return web.json_response(render_page(ids, page))


async def status(request: web.Request, kind: JobKind) -> web.StreamResponse:
    """Tell a job's state."""
    parse_members(request.query, READ)
    record = request.app[JOBS].get(kind, request.match_info["id"])
    report = await asyncio.to_thread(wire.read_report, record, request.app[JOBS].folder(record))
    return web.json_response(wire.render_status(record, report, origin(request)))


async def log(request: web.Request, kind: JobKind) -> web.StreamResponse:
    """Send all that a job's process has printed, but for secrets."""
    jobs = request.app[JOBS]
    record = jobs.get(kind, request.match_info["id"])
    copied = functools.partial(request.app[LOGS].copy_of, has_ended=record.state.is_final)
    try:
        path = await asyncio.to_thread(copied, jobs.folder(record).log)
    except FileNotFoundError:
        raise ResourceNotFound(f"{kind} job '{record.id}' has printed nothing yet") from None
    return web.FileResponse(
        path, headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache"}
    )


async def cancel(request: web.Request, kind: JobKind) -> web.StreamResponse:
    """Stop a job, or forget one that has ended (`?purge=true`)."""
    given = parse_members(request.query, CANCEL)
    jobs, job_id, clean = request.app[JOBS], request.match_info["id"], given.get("clean", False)
    if given.get("purge"):
        record = await jobs.purge(kind, job_id, clean=clean)
    else:
        record = await jobs.cancel(kind, job_id, clean=clean)
    return web.json_response({"status": wire.wire_status(record.state)})


def of_kind(kind: JobKind, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return a handler for the jobs of a kind."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, kind)

    return handle


def _routes(kind: JobKind) -> list[web.RouteDef]:
    path = f"/ml/{kind}"
    return [
        web.post(path, of_kind(kind, start)),
        web.get(path, of_kind(kind, list_jobs)),
        web.get(path + "/{id}", of_kind(kind, status)),
        web.get(path + "/{id}/log", of_kind(kind, log)),
        web.delete(path + "/{id}", of_kind(kind, cancel)),
    ]


#: Kinds of job with Neptune's management routes.
MANAGED = (JobKind.DATA_PROCESSING, JobKind.MODEL_TRAINING, JobKind.MODEL_TRANSFORM)
routes = [route for kind in MANAGED for route in _routes(kind)]
