"""`/health`: whether the service answers."""

from aiohttp import web

from neptuneml_plugin import __version__

routes = web.RouteTableDef()


@routes.get("/health")
async def health(_: web.Request) -> web.Response:
    """Tell that the service answers."""
    return web.json_response({"status": "healthy", "version": __version__})
