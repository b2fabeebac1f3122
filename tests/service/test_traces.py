"""A request's way through service and worker, as a collector receives it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from neptuneml_plugin import tracing
from tests.collector import Collector
from tests.made_artifacts import Made, make_artifact
from tests.running_service import eventually_async
from tests.service.test_lifecycle import ASK, service

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("options", [{}, {"workerGroup": "small"}])
async def test_one_request_is_one_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    make_artifact(tmp_path / "a", Made())
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        tracing.set_up("neptuneml-service")
        try:
            async with service(tmp_path) as running:
                await running.put("e", "a", **options)
                answer = await running.client.post(
                    "/endpoints/e/invocations", json=ASK, headers={"traceparent": PARENT}
                )
                assert answer.status == 200
                await eventually_async(lambda: len(collector.of_trace(PARENT[3:35])) == 4)
        finally:
            await asyncio.to_thread(tracing.shut_down)
    found = collector.of_trace(PARENT[3:35])
    assert {name: span.process for name, span in found.items()} == {
        "invoke": "neptuneml-service",
        "ask worker": "neptuneml-service",
        "invocation": "neptuneml-worker",
        "encode": "neptuneml-worker",
    }
    assert found["invoke"].parent == PARENT[36:52]
    for name, above in (("ask worker", "invoke"), ("invocation", "ask worker"), ("encode", "invocation")):
        assert found[name].parent == found[above].id
