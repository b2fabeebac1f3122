"""A request's way through service and worker, as a collector receives it."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from neptuneml_plugin import tracing
from tests.made_artifacts import Made, make_artifact
from tests.running_service import eventually_async
from tests.service.test_lifecycle import ASK, service

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """What has been received: (process, name of the span, its id, its parent's)."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    if span.trace_id.hex() == PARENT[3:35]:
                        ids = span.span_id.hex(), span.parent_span_id.hex()
                        self.spans.append((names[0], span.name, *ids))
        return web.Response()


@pytest.mark.parametrize("options", [{}, {"workerGroup": "small"}])
async def test_one_request_is_one_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    make_artifact(tmp_path / "a", Made())
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", str(server.make_url("")).rstrip("/"))
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        tracing.set_up("neptuneml-service")
        try:
            async with service(tmp_path) as running:
                await running.put("e", "a", **options)
                answer = await running.client.post(
                    "/endpoints/e/invocations", json=ASK, headers={"traceparent": PARENT}
                )
                assert answer.status == 200
                await eventually_async(lambda: len(collector.spans) == 4)
        finally:
            await asyncio.to_thread(tracing.shut_down)
    found = {name: (process, span, parent) for process, name, span, parent in collector.spans}
    assert {name: process for name, (process, _, _) in found.items()} == {
        "invoke": "neptuneml-service",
        "ask worker": "neptuneml-service",
        "invocation": "neptuneml-worker",
        "encode": "neptuneml-worker",
    }
    assert found["invoke"][2] == PARENT[36:52]
    for name, above in (("ask worker", "invoke"), ("invocation", "ask worker"), ("encode", "invocation")):
        assert found[name][2] == found[above][1]
