"""Spans of requests: whose they are, and that there are none, and nothing is imported, unless somebody asks."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from neptuneml_plugin import tracing
from neptuneml_plugin.artifacts import Task
from neptuneml_plugin.config import WorkerConfig
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.serving.endpoint import Endpoint
from neptuneml_plugin.serving.opening import open_predictor
from tests.made_artifacts import Made, make_artifact
from tests.worker_server import WorkerServer, worker_client

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, SPAN = int(PARENT[3:35], 16), int(PARENT[36:52], 16)
UNSAMPLED = PARENT[:-1] + "0"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.trace_with(provider)
    yield exporter
    tracing.shut_down()


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def parent_id(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def own_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def test_a_span_is_below_the_one_that_asked(spans: InMemorySpanExporter) -> None:
    with tracing.serve("invoke", {"traceparent": PARENT}, endpoint="e"), tracing.ask("ask worker"):
        passed = tracing.to_pass_on()
    with tracing.serve("invocation", passed):
        tracing.phase("encode", 0.25)
    found = by_name(spans)
    assert {span.context.trace_id for span in found.values() if span.context} == {TRACE}
    assert parent_id(found["invoke"]) == SPAN
    assert parent_id(found["ask worker"]) == own_id(found["invoke"])
    assert parent_id(found["invocation"]) == own_id(found["ask worker"])
    assert parent_id(found["encode"]) == own_id(found["invocation"])
    assert found["invoke"].attributes == {"endpoint": "e"}
    encode = found["encode"]
    assert encode.end_time is not None
    assert encode.start_time is not None
    assert encode.end_time - encode.start_time == 250_000_000


def test_a_request_that_fails_says_so(spans: InMemorySpanExporter) -> None:
    with pytest.raises(InvalidSettings), tracing.serve("invoke", {}):
        raise InvalidSettings("a", ["b"])
    (span,) = spans.get_finished_spans()
    assert (span.status.is_ok, span.parent) == (False, None)


def test_who_does_not_sample_gets_no_spans_and_other_headers_mean_nothing(spans: InMemorySpanExporter) -> None:
    with tracing.serve("invoke", {"traceparent": UNSAMPLED}):
        tracing.phase("encode", 0.1)
    assert spans.get_finished_spans() == ()
    with tracing.serve("invoke", {"traceparent": "00-xyz"}):
        pass
    assert by_name(spans)["invoke"].parent is None


def test_a_phase_in_another_thread_belongs_to_its_request(spans: InMemorySpanExporter) -> None:
    def compute(request: object) -> None:
        with tracing.within(request):  # type: ignore[arg-type]
            tracing.phase("model", 0.1)
        tracing.phase("nobody's", 0.1)

    with tracing.serve("invocation", {"traceparent": PARENT}):
        thread = threading.Thread(target=compute, args=(tracing.current(),))
        thread.start()
        thread.join()
    found = by_name(spans)
    assert parent_id(found["model"]) == own_id(found["invocation"])
    assert "nobody's" not in found


def test_without_tracing_nothing_happens() -> None:
    assert tracing.current() is None
    assert tracing.to_pass_on() == {}
    with tracing.serve("a", {"traceparent": PARENT}), tracing.ask("b"), tracing.within(None):
        tracing.phase("c", 1.0)
    assert tracing.serve("a", {}) is tracing.ask("b")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_EXPORTER": ""}, False),
    ],
)
def test_the_environment_decides(environment: dict[str, str], wanted: bool) -> None:  # noqa: FBT001
    assert tracing.is_wanted(environment) is wanted


def test_another_exporter_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="OTEL_TRACES_EXPORTER: 'zipkin' must be 'otlp' or 'none'"):
        tracing.is_wanted({"OTEL_TRACES_EXPORTER": "zipkin"})


@pytest.mark.parametrize("module", ["neptuneml_plugin.service.app", "neptuneml_plugin.serving.endpoint"])
def test_nothing_is_imported_unless_it_is_wished(module: str) -> None:
    script = (
        f"import sys, {module}; from neptuneml_plugin import tracing; tracing.set_up('x'); print([*sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PATH": ""}
    )
    assert "opentelemetry" not in done.stdout


async def test_the_phases_of_requests_that_share_a_batch(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    make_artifact(tmp_path, Made(task=Task.LINK_PREDICTION))
    manifest, predictor = open_predictor(tmp_path)
    server = WorkerServer(
        Endpoint(WorkerConfig("e", tmp_path, token="t", max_delay_us=50_000), manifest, predictor)
    )
    body = json.dumps({"mode": "predict_tail", "data": {"edges": [{"headNodeId": "1"}]}})
    async with worker_client(server) as client:

        async def ask(trace: int) -> None:
            headers = {"traceparent": f"00-{trace:032x}-00000000000000ff-01"}
            assert (await client.post("/invocations", data=body, headers=headers)).status == 200

        await asyncio.gather(*(ask(trace) for trace in (1, 2, 3)))
    for trace in (1, 2, 3):
        found = {
            span.name: span
            for span in spans.get_finished_spans()
            if span.context is not None and span.context.trace_id == trace
        }
        assert set(found) == {"invocation", "encode", "queue", "model", "decode"}
        assert parent_id(found["invocation"]) == 0xFF
        phases = [found[name] for name in ("encode", "queue", "model", "decode")]
        assert {parent_id(span) for span in phases} == {own_id(found["invocation"])}
        starts = [span.start_time or 0 for span in phases]
        assert starts == sorted(starts)
