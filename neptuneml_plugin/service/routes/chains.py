"""`/ml/chains`: one document from an export to an endpoint, with the state of each part."""

import asyncio

from aiohttp import web

from neptuneml_plugin.errors import ResourceNotFound
from neptuneml_plugin.service.chains.document import Checker, complete
from neptuneml_plugin.service.chains.record import ChainRecord, Part
from neptuneml_plugin.service.endpoints.record import EndpointRecord
from neptuneml_plugin.service.jobs.record import JobRecord, now_millis
from neptuneml_plugin.service.routes.requests import CHAINS, CONFIG, JOBS, PLANNER, REGISTRY, read_body
from neptuneml_plugin.service.wire.chains import parse_chain, render_chain, render_chain_started
from neptuneml_plugin.service.wire.jobs import Report, read_report
from neptuneml_plugin.service.wire.members import load_object, parse_page, render_page
from neptuneml_plugin.service.wire.queries import CANCEL, LIST_JOBS, READ
from neptuneml_plugin.service.wire.requests import parse_members

FOLDER = "chains"

routes = web.RouteTableDef()


@routes.post("/ml/chains")
async def start_chain(request: web.Request) -> web.Response:
    """Begin a chain."""
    asked = parse_chain(load_object(await read_body(request)))
    folder = request.app[CONFIG].data_root.absolute() / FOLDER / asked.id
    bodies = complete(asked.id, asked.parts, str(folder))
    await asyncio.to_thread(Checker(request.app[PLANNER], request.app[REGISTRY]).check, bodies)
    record = ChainRecord(asked.id, now_millis(), bodies, asked.query)
    await request.app[CHAINS].submit(record)
    return web.json_response(render_chain_started(record))


@routes.get("/ml/chains")
async def list_chains(request: web.Request) -> web.Response:
    """List the ids of all chains, newest first."""
    page = parse_page(request.query)
    state = parse_members(request.query, LIST_JOBS).get("state")
    ids = [record.id for record in request.app[CHAINS].all() if state in (None, record.state.value)]
    return web.json_response(render_page(ids, page))


@routes.get("/ml/chains/{id}")
async def chain_status(request: web.Request) -> web.Response:
    """Tell a chain's state, and that of each of its parts."""
    parse_members(request.query, READ)
    record = request.app[CHAINS].get(request.match_info["id"])
    jobs = await asyncio.to_thread(_jobs, request.app, record)
    return web.json_response(render_chain(record, jobs, _endpoint(request.app, record)))


def _jobs(app: web.Application, record: ChainRecord) -> dict[Part, tuple[JobRecord, Report]]:
    """Return the jobs of the parts that have begun, with what their files say."""
    found = {}
    for part in record.begun:
        for job in app[JOBS].all(part.kind) if part.kind is not None else ():
            if job.id == record.parts[part]["id"]:
                found[part] = (job, read_report(job, app[JOBS].folder(job)))
    return found


def _endpoint(app: web.Application, record: ChainRecord) -> EndpointRecord | None:
    if Part.ENDPOINT not in record.begun:
        return None
    try:
        return app[REGISTRY].get(record.parts[Part.ENDPOINT]["id"])
    except ResourceNotFound:
        return None


@routes.delete("/ml/chains/{id}")
async def cancel_chain(request: web.Request) -> web.Response:
    """Stop a chain, or forget one that has ended (`?purge=true`)."""
    given = parse_members(request.query, CANCEL)
    chains, chain_id = request.app[CHAINS], request.match_info["id"]
    if given.get("purge"):
        record = await chains.purge(chain_id)
    else:
        record = await chains.cancel(chain_id, clean=bool(given.get("clean")))
    return web.json_response({"status": record.state.value})
