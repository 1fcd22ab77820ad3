"""A run of Dagster is one trace, and its boundaries are lines of its log."""

import pytest

from ml_connector_dagster.telemetry import switch_off, switch_on
from ml_connector_dagster_tests.defs.conftest import Installation


pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ml_connector_dagster.telemetry.exporting import OpenTelemetryListener


def test_a_run_of_dagster_is_one_trace(installation: Installation) -> None:
    exporter = InMemorySpanExporter()
    switch_on(OpenTelemetryListener(SimpleSpanProcessor(exporter), InMemoryMetricReader()))
    try:
        result = installation.materialize("suppliers", full=True)
    finally:
        switch_off()
    assert result.success
    spans = exporter.get_finished_spans()
    told = {
        one.name: dict(one.attributes or {})["ml_connector.run_id"]
        for one in spans
        if one.name in ("run", "extract", "deliver")
    }
    assert told == dict.fromkeys(("run", "extract", "deliver"), result.run_id)
    (run,) = (one for one in spans if one.name == "run")
    roots = {one.name for one in spans if one.parent is None}
    assert run.parent is None
    assert "extract" not in roots
    assert "deliver" not in roots
