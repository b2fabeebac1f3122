"""An OpenTelemetry collector: what processes send it by OTLP over HTTP, read as spans."""

import gzip
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from neptuneml_plugin.testing import LoopbackServer


@dataclass(frozen=True)
class Span:
    """A span as it was received; ids in hexadecimal."""

    process: str
    name: str
    trace: str
    id: str
    parent: str


class Collector(LoopbackServer):
    """Keeps the spans that are sent to a free port of the loopback address."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        super().__init__(_Handler)

    def of_trace(self, trace: str) -> dict[str, Span]:
        """Return a trace's spans by their names."""
        return {span.name: span for span in self.spans if span.trace == trace}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.server.owner.spans += _spans(body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the output clean."""


def _spans(body: bytes) -> list[Span]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = [one.value.string_value for one in resource.resource.attributes if one.key == "service.name"]
        for scope in resource.scope_spans:
            found += [
                Span(names[0], span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                for span in scope.spans
            ]
    return found
