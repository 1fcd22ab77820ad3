"""OpenTelemetry: spans and metrics to wherever OTEL_EXPORTER_OTLP_ENDPOINT and the other standard variables say.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ ; the SDK reads them itself. Imported by
``switching.py`` alone, and only when telemetry is on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Counter, Meter
from opentelemetry.metrics import _Gauge as Gauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, Status, StatusCode

from ml_connector_dagster.telemetry.listeners import Facts


#: What the instruments are registered as, and the service where OTEL_SERVICE_NAME says nothing else.
NAME = "ml-connector-dagster"

#: Milliseconds to wait for a collector at the end: telemetry must not hold a run up.
PATIENCE = 3_000


class OpenTelemetrySpan:
    """A span of the SDK, under our two verbs."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def note(self, facts: Facts) -> None:
        self._span.set_attributes(_named(facts))

    def fail(self, kind: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, kind))


class OpenTelemetryListener:
    """Spans and measurements into an SDK of its own: the process' global providers are left alone."""

    def __init__(self, processor: SpanProcessor, reader: MetricReader) -> None:
        resource = Resource.create({SERVICE_NAME: NAME}).merge(Resource.create())
        self._tracers = TracerProvider(resource=resource)
        self._tracers.add_span_processor(processor)
        self._meters = MeterProvider([reader], resource=resource)
        self._tracer = self._tracers.get_tracer(NAME)
        self._meter: Meter = self._meters.get_meter(NAME)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    @contextmanager
    def span(self, name: str, facts: Facts) -> Iterator[OpenTelemetrySpan]:
        # An exception's text may quote the other side: only its class is told, by ``fail``.
        with self._tracer.start_as_current_span(
            name,
            attributes=_named(facts),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield OpenTelemetrySpan(span)

    def add(self, name: str, amount: float, facts: Facts) -> None:
        if name not in self._counters:
            self._counters[name] = self._meter.create_counter(name)
        self._counters[name].add(amount, _named(facts))

    def set(self, name: str, value: float, facts: Facts) -> None:
        if name not in self._gauges:
            self._gauges[name] = self._meter.create_gauge(name)
        self._gauges[name].set(value, _named(facts))

    def flush(self) -> None:
        self._tracers.force_flush(PATIENCE)
        self._meters.force_flush(PATIENCE)

    def close(self) -> None:
        self.flush()
        self._tracers.shutdown()
        self._meters.shutdown(PATIENCE)


def otlp_listener() -> OpenTelemetryListener:
    """To a collector, by OTLP over HTTP."""
    return OpenTelemetryListener(
        BatchSpanProcessor(OTLPSpanExporter()), PeriodicExportingMetricReader(OTLPMetricExporter())
    )


def _named(facts: Facts) -> dict[str, str | int | float | bool]:
    return {f"ml_connector.{key}": value for key, value in facts.items()}
