"""``ml-connector reconcile``: what it prints, writes and exits with."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.test_reconcile import ReconciledWorld


FLOWS = """\
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm, requests_per_minute: 6000}}
  warehouse: {{type: duckdb, path: warehouse.duckdb}}
flows:
  flow:
    source: acme
    companies: ["100"]
    entities: [suppliers, payments]
    destinations: [{{connection: warehouse, schema: erp}}]
    start_date: {start}
"""


def test_a_red_table_is_told_written_and_exits_when_it_is_asked_to(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = ReconciledWorld(sandbox, tmp_path, ("suppliers", "payments"), companies=("100",))
    world.run_well()
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS.format(start=world.flow.start_date), encoding="utf-8")
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(world.settings.home))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(flows))
    runner = CliRunner()
    page, text = tmp_path / "report.html", tmp_path / "report.md"

    clean = runner.invoke(app, ["reconcile", "flow", "--fail-on-difference"])
    assert clean.exit_code == 0, clean.output
    assert "All 2 tables agree with the ERP" in clean.output

    record = world.one("SELECT min(record_id) FROM payments")
    world.tamper(f"UPDATE payments SET amount = amount + 0.5 WHERE record_id = '{record}'")
    told = runner.invoke(app, ["reconcile", "flow", "--report", str(page)])
    assert told.exit_code == 0
    assert record in told.output.replace("\n", "")
    assert record in page.read_text(encoding="utf-8")
    assert "http" not in page.read_text(encoding="utf-8")  # it needs nothing else

    failed = runner.invoke(
        app,
        [
            "reconcile",
            "flow",
            "--entity",
            "payments",
            "--fail-on-difference",
            "--json",
            "--report",
            str(text),
        ],
    )
    assert failed.exit_code == 1
    (one,) = json.loads(failed.output)
    assert (one["state"], one["wrong"]) == ("different", 1)
    assert one["differences"][0]["record_id"] == record
    assert f"| {record} | different, **wrong**" in text.read_text(encoding="utf-8")

    repaired = runner.invoke(app, ["reconcile", "flow", "--repair", "--fail-on-difference"])
    assert repaired.exit_code == 0, repaired.output
    assert "Repair: 1 record goes out again as the ERP has them." in repaired.output
    assert "1 of 2 tables differ from the ERP" in repaired.output  # before
    assert "All 2 tables agree with the ERP" in repaired.output  # after
    told = runner.invoke(app, ["trace", record, "--entity", "payments", "--json"])
    (story,) = json.loads(told.output)
    assert story["events"][-1]["detail"].startswith("repair: the ERP's values")

    world.tamper(f"DELETE FROM payments WHERE record_id = '{record}'")
    printed = runner.invoke(
        app, ["reconcile", "flow", "--entity", "payments", "--repair", "--json"]
    )
    (one,) = json.loads(printed.output)
    assert (one["state"], one["restorable"]) == ("clean", 0)
    assert [(each["sent"], each["put_back"]) for each in one["repairs"]] == [(1, 1)]

    idle = runner.invoke(app, ["reconcile", "flow", "--repair"])
    assert "there is nothing that sending the ERP's values again would mend" in idle.output

    # The table cannot take rows: what is wrong is staged, and does not arrive.
    world.tamper(f"DELETE FROM payments WHERE record_id = '{record}'")
    world.tamper("ALTER TABLE payments ALTER COLUMN _modified_at TYPE VARCHAR")
    failed = runner.invoke(app, ["reconcile", "flow", "--entity", "payments", "--repair"])
    told = " ".join(failed.output.split())
    assert failed.exit_code == 1
    assert "staged and did not arrive. Nothing is lost: `ml-connector replay flow` sends" in told
    world.tamper("ALTER TABLE payments ALTER COLUMN _modified_at TYPE TIMESTAMP WITH TIME ZONE")
    listed = runner.invoke(app, ["replay", "flow", "--list"])
    assert "No record is open." in listed.output
    assert "Deliveries that did not end" in listed.output
    assert "repairs" in listed.output
    replayed = runner.invoke(app, ["replay", "flow", "--entity", "payments", "--json"])
    assert replayed.exit_code == 0, replayed.output
    (sent,) = json.loads(replayed.output)["deliveries"]
    assert (sent["entity"], sent["repairs"], sent["written"]) == ("payments", 1, 1)
    healed = runner.invoke(app, ["reconcile", "flow", "--fail-on-difference"])
    assert healed.exit_code == 0, healed.output

    for wrong in (["--period", "October"], ["--period", "0202-10"], ["--report", "report.pdf"]):
        assert runner.invoke(app, ["reconcile", "flow", *wrong]).exit_code == 2
