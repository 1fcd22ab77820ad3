"""Spans, metrics and log lines of a real flow; nothing of them when nobody listens, and no content of records ever."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster.telemetry import boundary, is_on, switch_off, switch_on
from ml_connector_dagster.telemetry.json_lines import JsonLines
from ml_connector_dagster_tests.world import World


pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ml_connector_dagster.telemetry.exporting import OpenTelemetryListener, otlp_listener


class Heard:
    """What a listener in memory has heard."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()

    def spans(self, name: str) -> list[ReadableSpan]:
        return [one for one in self.exporter.get_finished_spans() if one.name == name]

    def facts(self, name: str) -> list[dict[str, object]]:
        return [
            {
                key.removeprefix("ml_connector."): value
                for key, value in (one.attributes or {}).items()
            }
            for one in self.spans(name)
        ]

    def total(self, name: str) -> float:
        data = self.reader.get_metrics_data()
        return sum(
            point.value
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"ml_connector.{name}"
            for point in metric.data.data_points
        )

    def metrics(self) -> set[str]:
        data = self.reader.get_metrics_data()
        return {
            metric.name.removeprefix("ml_connector.")
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def heard() -> Iterator[Heard]:
    memory = Heard()
    switch_on(OpenTelemetryListener(SimpleSpanProcessor(memory.exporter), memory.reader))
    yield memory
    switch_off()


def test_a_run_is_told_from_the_flow_down_to_each_request(
    sandbox: Sandbox, tmp_path: Path, heard: Heard
) -> None:
    world = World(sandbox, tmp_path, ("suppliers",), companies=("100",))
    world.run_well()
    (run,) = heard.facts("run")
    assert run == {"flow": "flow", "tenant": "acme", "run_id": "run-1"}
    rows = len(sandbox.erp.truth("suppliers", "100"))
    (read,) = heard.facts("extract")
    assert (
        read.items()
        >= {"tenant": "acme", "entity": "suppliers", "company": "100", "rows": rows}.items()
    )
    (batch,) = heard.facts("batch")
    (sent,) = heard.facts("deliver")
    assert sent["batch_id"] == batch["batch_id"]
    assert (
        sent.items()
        >= {"destination": "warehouse.erp", "inserted": rows, "run_id": "run-1"}.items()
    )
    assert {one["status"] for one in heard.facts("request")} <= {200, 201, 202}
    inner = {
        one.context.trace_id for one in heard.exporter.get_finished_spans() if one.name != "request"
    }
    assert len(inner) == 1, "one trace"


def test_the_figures_of_a_dashboard_are_measured(
    sandbox: Sandbox, tmp_path: Path, heard: Heard
) -> None:
    world = World(sandbox, tmp_path, ("suppliers",), companies=("100",))
    sandbox.faults.add(Fault(kind="status", times=1))
    world.run_well()
    rows = len(sandbox.erp.truth("suppliers", "100"))
    assert heard.total("rows.read") == rows
    assert heard.total("rows.written") == rows
    assert heard.total("rows.rejected") == 0
    assert heard.total("requests") == len(sandbox.requests())
    assert heard.total("retries") == 1
    assert {"watermark.age", "dead_letters.open", "budget.wait"} <= heard.metrics()


def test_what_fails_is_told_by_its_class_and_not_by_its_text(heard: Heard) -> None:
    with pytest.raises(ValueError, match="s3cret"), boundary("deliver", {"batch_id": "b1"}):
        raise ValueError("the answer was s3cret")
    (span,) = heard.spans("deliver")
    assert span.status.description == "ValueError"
    assert span.events == ()
    assert "s3cret" not in span.to_json()


def test_no_content_of_a_record_is_told(sandbox: Sandbox, tmp_path: Path, heard: Heard) -> None:
    World(sandbox, tmp_path, ("suppliers",), companies=("100",)).run_well()
    told = "".join(one.to_json() for one in heard.exporter.get_finished_spans())
    names = [str(row["name"]) for row in sandbox.erp.truth("suppliers", "100")]
    assert [name for name in names if name in told] == []


def test_a_collector_gets_it_by_http(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: dict[str, bytes] = {}

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    switch_on(otlp_listener())
    try:
        World(sandbox, tmp_path, ("suppliers",), companies=("100",)).run_well()
    finally:
        switch_off()
        server.shutdown()
        server.server_close()
    assert bodies.keys() == {"/v1/traces", "/v1/metrics"}
    assert b"extract" in bodies["/v1/traces"]
    assert b"deployment.environment" in bodies["/v1/traces"]
    assert b"ml_connector.rows.read" in bodies["/v1/metrics"]


def test_a_collector_that_is_away_does_not_harm_a_run(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    switch_on(otlp_listener())
    try:
        World(sandbox, tmp_path, ("suppliers",), companies=("100",)).run_well()
    finally:
        switch_off()
        logging.getLogger("opentelemetry").setLevel(logging.NOTSET)


def test_without_being_asked_no_sdk_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from ml_connector_dagster.sync import workspace\n"
        "from ml_connector_dagster.telemetry import boundary, meter, Meter\n"
        "with boundary('deliver', {'rows': 1}): meter(Meter.ROWS_READ, 1, {})\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert not is_on()


def test_the_switches_are_off_until_they_are_set() -> None:
    assert not read_settings({}).telemetry
    assert read_settings({"ML_CONNECTOR_TELEMETRY": "otlp"}).telemetry
    assert not read_settings({}).json_logs
    assert read_settings({"ML_CONNECTOR_LOGS": "json"}).json_logs


def test_a_boundary_is_one_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ml_connector_dagster.boundary")
    with boundary("deliver", {"batch_id": "b1", "rows": 3}) as passing:
        passing.note({"inserted": 3})
    (record,) = caplog.records
    assert record.getMessage().startswith("deliver batch_id=b1 rows=3 inserted=3 seconds=")
    line = json.loads(JsonLines().format(record))
    assert (
        line.items()
        >= {"boundary": "deliver", "batch_id": "b1", "inserted": 3, "level": "info"}.items()
    )


def test_what_happens_often_is_logged_at_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ml_connector_dagster.boundary")
    with boundary("request", {"tenant": "acme"}):
        pass
    assert caplog.records == []
