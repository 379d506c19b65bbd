"""OpenTelemetry traces: an optional extra, on when ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .settings import SettingsError

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def trace_id(traceparent: str | None) -> str | None:
    """The trace's id in a W3C ``traceparent`` header; None when there is none or it is malformed."""
    if traceparent is None:
        return None
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match and match[1] != "0" * 32 else None


@contextmanager
def tracing(service: str, version: str, endpoint: str) -> Iterator[None]:
    """Send a span for each request and outgoing call while the block runs; nothing without an endpoint.

    The exporter reads the standard ``OTEL_*`` variables. Raises SettingsError when the extra is missing.
    """
    if not endpoint:
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.tornado import TornadoInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            ["OTEL_EXPORTER_OTLP_ENDPOINT: set, but tracing is not installed: svc-common[tracing]"]
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.version": version}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    instrumentor = TornadoInstrumentor()  # type: ignore[no-untyped-call]
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()
        provider.shutdown()
