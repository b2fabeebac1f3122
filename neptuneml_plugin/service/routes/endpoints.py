"""`/ml/endpoints`: endpoints as Neptune's clients manage them."""

from aiohttp import web

from neptuneml_plugin.service.endpoints.ensembles import locate
from neptuneml_plugin.service.endpoints.record import Status
from neptuneml_plugin.service.routes.requests import PLANNER, REGISTRY, read_body
from neptuneml_plugin.service.wire.endpoints import (
    parse_create_endpoint,
    parse_rollback,
    render_created,
    render_status,
)
from neptuneml_plugin.service.wire.members import parse_page, render_page
from neptuneml_plugin.service.wire.queries import DELETE, LIST, READ
from neptuneml_plugin.service.wire.requests import parse_members

routes = web.RouteTableDef()


@routes.post("/ml/endpoints")
async def create_endpoint(request: web.Request) -> web.Response:
    """Create an endpoint, or update one."""
    asked = parse_create_endpoint(await read_body(request))
    registry = request.app[REGISTRY]
    location = await locate(asked.source, request.app[PLANNER])
    if asked.update and asked.id is not None:
        record = await registry.update(asked.id, location, asked.options, asked.recorded, asked.model)
    else:
        record = await registry.create(asked.id, location, asked.options, asked.recorded, asked.model)
    return web.json_response(render_created(record))


@routes.get("/ml/endpoints")
async def list_endpoints(request: web.Request) -> web.Response:
    """List the ids of endpoints, newest first."""
    page = parse_page(request.query)
    parse_members(request.query, LIST)
    return web.json_response(render_page([record.id for record in request.app[REGISTRY].records()], page))


@routes.get("/ml/endpoints/{id}")
async def endpoint_status(request: web.Request) -> web.Response:
    """Tell an endpoint's state as Neptune does."""
    parse_members(request.query, READ)
    return web.json_response(render_status(request.app[REGISTRY].get(request.match_info["id"])))


@routes.post("/ml/endpoints/{id}/rollback")
async def roll_back_endpoint(request: web.Request) -> web.Response:
    """Bring an earlier version back; the present one answers until it is there."""
    version = parse_rollback(await read_body(request))
    record = await request.app[REGISTRY].rollback(request.match_info["id"], version)
    return web.json_response(render_status(record))


@routes.delete("/ml/endpoints/{id}")
async def delete_endpoint(request: web.Request) -> web.Response:
    """Delete an endpoint. `clean` finds nothing to remove: an artifact is served where its transform wrote it."""
    parse_members(request.query, DELETE)
    await request.app[REGISTRY].delete(request.match_info["id"])
    return web.json_response({"status": Status.DELETING.value})
