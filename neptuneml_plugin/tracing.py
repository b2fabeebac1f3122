"""Traces of requests, by OpenTelemetry: off, and nothing imported, unless its environment variables say where to.

A request's spans: `invoke` in the service, `ask worker` for each worker that it is passed on to, `invocation` in
the worker, and in it the phases that are also counted (docs/serving.md, Traces). They find each other by the
header `traceparent`, which callers may send too.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from neptuneml_plugin.errors import InvalidSettings, PreconditionsFailed

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

#: Where spans are sent to, for any signal and for traces alone.
ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTER_VARIABLE = "OTEL_TRACES_EXPORTER"
DISABLED_VARIABLE = "OTEL_SDK_DISABLED"

_NOTHING = contextlib.nullcontext()


class _Tracing:
    """What a process traces with."""

    #: Of this process; None: it traces nothing.
    own: ClassVar["_Tracing | None"] = None

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry import context, trace  # noqa: PLC0415 - only where traces are wished
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self.provider, self.context, self.trace = provider, context, trace
        self.tracer = provider.get_tracer("neptuneml")
        self.propagator = TraceContextTextMapPropagator()

    @contextlib.contextmanager
    def within(self, parent: "Context") -> Iterator[None]:
        token = self.context.attach(parent)
        try:
            yield
        finally:
            self.context.detach(token)

    @contextlib.contextmanager
    def span(
        self, name: str, parent: "Context | None", kind: str, attributes: Mapping[str, Any]
    ) -> Iterator[None]:
        kinds = self.trace.SpanKind
        with self.tracer.start_as_current_span(
            name, parent, kind=kinds[kind], attributes=dict(attributes), set_status_on_exception=True
        ):
            yield


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether traces are to be sent anywhere.

    Raises:
        InvalidSettings: by another exporter than `otlp`.
    """
    default = "otlp" if any(environment.get(name) for name in ENDPOINT_VARIABLES) else "none"
    exporter = environment.get(EXPORTER_VARIABLE) or default
    if environment.get(DISABLED_VARIABLE, "").lower() == "true" or exporter == "none":
        return False
    if exporter != "otlp":
        raise InvalidSettings(EXPORTER_VARIABLE, [f"'{exporter}' must be 'otlp' or 'none'"])
    return True


def set_up(name: str) -> None:
    """Trace what this process does from now on, if its environment says so; for the main function of a process.

    Args:
        name: of the process, unless `OTEL_SERVICE_NAME` says another.

    Raises:
        PreconditionsFailed: OpenTelemetry is not installed.
        InvalidSettings: the environment asks for what is not offered.
    """
    if not is_wanted(os.environ):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise PreconditionsFailed(
            "the environment asks for traces (OTEL_…), which need `pip install neptuneml-plugin[otel]`; "
            f"{DISABLED_VARIABLE}=true does without"
        ) from None
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or name})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace_with(provider)


def trace_with(provider: "TracerProvider | None") -> None:
    """Have this process's spans made by a provider; None: no more are made."""
    _Tracing.own = None if provider is None else _Tracing(provider)


def shut_down() -> None:
    """Send what has not been sent; no more spans are made."""
    if _Tracing.own is not None:
        _Tracing.own.provider.shutdown()
    trace_with(None)


def serve(name: str, headers: Mapping[str, str], **attributes: str) -> contextlib.AbstractContextManager[None]:
    """Return the span of answering a request, below that which its headers name."""
    own = _Tracing.own
    if own is None:
        return _NOTHING
    return own.span(name, own.propagator.extract(_of_trace(headers)), "SERVER", attributes)


def ask(name: str, **attributes: str) -> contextlib.AbstractContextManager[None]:
    """Return the span of asking another process."""
    own = _Tracing.own
    return _NOTHING if own is None else own.span(name, None, "CLIENT", attributes)


def to_pass_on() -> dict[str, str]:
    """Return the headers by which another process's spans come below the current one."""
    carrier: dict[str, str] = {}
    if _Tracing.own is not None:
        _Tracing.own.propagator.inject(carrier)
    return carrier


def current() -> "Context | None":
    """Return what `within` takes in another thread; None where nothing is traced."""
    return None if _Tracing.own is None else _Tracing.own.context.get_current()


def within(parent: "Context | None") -> contextlib.AbstractContextManager[None]:
    """Have what happens meanwhile belong to a request."""
    own = _Tracing.own
    return _NOTHING if own is None or parent is None else own.within(parent)


def phase(name: str, seconds: float) -> None:
    """Add the span of a phase that has just ended to the request at hand, if that is traced."""
    own = _Tracing.own
    if own is None or not own.trace.get_current_span().is_recording():
        return
    end = time.time_ns()
    own.tracer.start_span(name, start_time=end - int(seconds * 1e9)).end(end)


def _of_trace(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a trace by the names that the propagator looks for, however they are written."""
    return {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
