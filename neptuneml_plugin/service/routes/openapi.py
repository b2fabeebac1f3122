"""`/openapi.json`: the description of this service for tools."""

from aiohttp import web

from neptuneml_plugin.service.openapi import document

routes = web.RouteTableDef()


@routes.get("/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """Describe every route of this service as OpenAPI."""
    return web.json_response(document(request.app.router))
