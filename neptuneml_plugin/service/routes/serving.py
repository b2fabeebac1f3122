"""`/endpoints`: what the plugin and other callers of a model ask (`docs/wire.md`, sections 1 and 2)."""

import asyncio
import logging
from pathlib import Path

from aiohttp import web

from neptuneml_plugin import tracing
from neptuneml_plugin.artifacts import table_name
from neptuneml_plugin.config import ServiceConfig
from neptuneml_plugin.error_body import REQUEST_ID, REQUEST_ID_HEADER
from neptuneml_plugin.errors import ConstraintViolation, PreconditionsFailed, ResourceNotFound
from neptuneml_plugin.service.endpoints.inductive import inductive
from neptuneml_plugin.service.endpoints.passing import pass_on
from neptuneml_plugin.service.endpoints.record import Status
from neptuneml_plugin.service.endpoints.registry import Registry, Served
from neptuneml_plugin.service.routes.requests import CLIENT, CONFIG, REGISTRY, read_body, while_wanted
from neptuneml_plugin.service.wire.description import Version, etag, pinned_version, render_description

routes = web.RouteTableDef()

_log = logging.getLogger(__name__)


@routes.get("/endpoints/{name}")
async def describe_endpoint(request: web.Request) -> web.Response:
    """Describe an endpoint to the plugin; 304 while nothing has changed."""
    name, version = request.match_info["name"], request.query.get("version") or None
    served = request.app[REGISTRY].served(name, version)
    status, reason = Status.IN_SERVICE, None
    if version is None:
        record = request.app[REGISTRY].get(name)
        status, reason = record.status, record.failure_reason
    document = render_description(name, status, reason, _version(served, request.app[CONFIG]))
    tag = etag(document)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.json_response(document, headers=headers)


def _version(served: Served | None, config: ServiceConfig) -> Version | None:
    if served is None:
        return None
    instances, manifest = served.instances, served.manifest
    addresses = tuple(running.address for running in instances.running)
    indices = next((running.indices for running in instances.running), ())  # all make the same
    asked = inductive(manifest, instances.options, config)
    return Version(manifest, instances.artifact, asked, addresses, instances.token, indices)


@routes.get("/endpoints/{name}/tables/{label:(?s:.+)}")  # a label may hold anything
async def table(request: web.Request) -> web.FileResponse:
    """Send the table of a vertex label, or a range of it."""
    name, label = request.match_info["name"], request.match_info["label"]
    served = request.app[REGISTRY].served(name, request.query.get("version") or None)
    path = None if served is None else await asyncio.to_thread(_table_path, served, label)
    if path is None:
        raise ResourceNotFound(f"endpoint '{name}' has no table of '{label}'; its description names those it has")
    return web.FileResponse(path, headers={"Cache-Control": "no-cache"})


def _table_path(served: Served, label: str) -> Path | None:
    """Return the table's file, if the version has one.

    Raises:
        ConstraintViolation: it is not the file that the version was made with.
    """
    labels = [node.label for node in served.manifest.schema.nodes]
    name = table_name(labels.index(label)) if label in labels else ""
    if name not in served.manifest.files:
        return None
    path = served.instances.artifact / name
    if not path.is_file() or path.stat().st_size != served.manifest.files[name].size:
        raise ConstraintViolation(f"{path} has changed or vanished; update the endpoint with another artifact")
    return path


@routes.post("/endpoints/{name}/invocations")
async def invoke_endpoint(request: web.Request) -> web.Response:
    """Pass an invocation on to a worker of the version that it is pinned to."""
    body = await read_body(request)
    registry, name = request.app[REGISTRY], request.match_info["name"]
    version = pinned_version(body) if len(body) < 1 << 16 else await asyncio.to_thread(pinned_version, body)
    served = _served(registry, name, version)
    if served is None:
        record = registry.get(name)
        reason = f": {record.failure_reason}" if record.failure_reason else ""
        raise PreconditionsFailed(f"endpoint '{name}' is {record.status} and does not answer{reason}")
    headers = {REQUEST_ID_HEADER: request[REQUEST_ID]}
    with tracing.serve("invoke", request.headers, endpoint=name):
        answer = await while_wanted(request, pass_on(body, served.instances, request.app[CLIENT], headers))
    fields = {"requestId": request[REQUEST_ID], "endpoint": name, "status": answer.status}
    _log.info("passed on", extra={"fields": fields})
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def _served(registry: Registry, name: str, version: str | None) -> Served | None:
    try:
        return registry.served(name, version)
    except ResourceNotFound as error:
        registry.get(name)
        raise ConstraintViolation(f"{error}; run the query again") from None
