"""`/metrics`: figures of the service and of its workers, for Prometheus."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from neptuneml_plugin.service import metrics
from neptuneml_plugin.service.jobs.record import JobKind
from neptuneml_plugin.service.routes.requests import CLIENT, JOBS, REGISTRY

routes = web.RouteTableDef()


@routes.get("/metrics")
async def service_metrics(request: web.Request) -> web.Response:
    """Tell all figures."""
    registry, jobs = request.app[REGISTRY], request.app[JOBS]
    groups = [served.instances for served in registry.all_served()]
    own = [
        *metrics.endpoint_families(registry.records(), groups),
        metrics.job_family(record for kind in JobKind for record in jobs.all(kind)),
    ]
    text = metrics.render(await metrics.gather(groups, request.app[CLIENT]), own)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
