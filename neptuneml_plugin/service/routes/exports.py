"""`/neptune-export`, also under `/v1`: the export service of Neptune, which the notebook calls."""

import asyncio

from aiohttp import web

from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.routes.jobs import cancel, log, of_kind
from neptuneml_plugin.service.routes.requests import JOBS, PLANNER, origin, read_body
from neptuneml_plugin.service.wire.exports import is_in, parse_export, render_export, render_export_started
from neptuneml_plugin.service.wire.jobs import read_report
from neptuneml_plugin.service.wire.members import load_object, parse_page, render_page
from neptuneml_plugin.service.wire.queries import LIST_EXPORTS, READ
from neptuneml_plugin.service.wire.requests import parse_members


async def start(request: web.Request) -> web.StreamResponse:
    """Take an export into the queue."""
    given = parse_export(load_object(await read_body(request)))
    record = await asyncio.to_thread(request.app[PLANNER].record, JobKind.EXPORT, given)
    await request.app[JOBS].submit(record)
    return web.json_response(render_export_started(record))


async def list_exports(request: web.Request) -> web.StreamResponse:
    """List the ids of all exports, newest first."""
    page = parse_page(request.query)
    state = parse_members(request.query, LIST_EXPORTS).get("state")
    records = request.app[JOBS].all(JobKind.EXPORT)
    return web.json_response(render_page([record.id for record in records if is_in(record, state)], page))


async def status(request: web.Request) -> web.StreamResponse:
    """Tell an export's state."""
    parse_members(request.query, READ)
    record = request.app[JOBS].get(JobKind.EXPORT, request.match_info["id"])
    report = await asyncio.to_thread(read_report, record, request.app[JOBS].folder(record))
    return web.json_response(render_export(record, report, origin(request)))


def _routes(path: str) -> list[web.RouteDef]:
    return [
        web.post(path, start),
        web.get(path, list_exports),
        web.get(path + "/{id}", status),
        web.get(path + "/{id}/log", of_kind(JobKind.EXPORT, log)),
        web.delete(path + "/{id}", of_kind(JobKind.EXPORT, cancel)),
    ]


routes = [*_routes("/neptune-export"), *_routes("/v1/neptune-export")]
