"""``setup``, ``ping`` and ``deliver`` as a person types them, on a YAML file, against the stand-in of Salesforce."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.salesforce import Fault, OrgOptions, SalesforceSandbox


FILE = """\
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm, requests_per_minute: 6000}}
  crm: {{type: salesforce, domain: acme.my, credential: crm, base_url: "{url}"}}
flows:
  to_crm:
    source: acme
    companies: ["100"]
    entities: [purchase_orders, suppliers]
    start_date: 2025-11-01
    destinations:
      - connection: crm
"""

Run = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as running:
        yield running


@pytest.fixture
def home(
    sandbox: Sandbox, org: SalesforceSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An installation whose flow goes into an org that lacks everything."""
    org.reset()
    furnish(tmp_path, sandbox, org)
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(tmp_path / "flows.yaml"))
    return tmp_path


def furnish(folder: Path, sandbox: Sandbox, org: SalesforceSandbox) -> None:
    """The YAML file and the credentials."""
    (folder / "flows.yaml").write_text(FILE.format(url=org.url))
    (folder / "home").mkdir(exist_ok=True)
    store = open_store(read_settings({"ML_CONNECTOR_HOME": str(folder / "home")}))
    store.add("acme", "ionapi", {"ionapi": Secret(sandbox.ionapi_text("ACME_TST"))})
    client_id, client_secret = next(iter(org.options.clients.items()))
    secrets = {"client_id": Secret(client_id), "client_secret": Secret(client_secret)}
    store.add("crm", "salesforce", secrets)


def run(*words: str) -> tuple[int, Any]:
    """Exit code and what ``--json`` says."""
    result = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.usefixtures("home")
def test_setup_shows_what_is_missing_makes_it_and_then_has_nothing_to_do(
    org: SalesforceSandbox,
) -> None:
    code, shown = run("setup", "crm", "--dry-run")
    assert code == 1
    assert "ERP_PO__c: to be made, with 13 fields" in shown["missing"]
    assert any("ERP_Id__c: text, external id, unique" in line for line in shown["missing"])
    assert "ERP_PO__c" not in org.schema.objects
    code, made = run("setup", "crm")
    assert (code, made["made"]) == (0, shown["missing"])
    assert run("setup", "crm", "--dry-run") == (0, {"missing": [], "made": [], "by_hand": None})


@pytest.mark.usefixtures("home")
def test_ping_tells_what_stands_between_the_mapping_and_the_org() -> None:
    code, findings = run("ping", "crm")
    by_check = {one["check"]: one for one in findings}
    assert code == 1
    assert "there is no ERP_PO__c" in by_check["purchase_orders"]["detail"]
    assert "ml-connector setup crm" in by_check["purchase_orders"]["detail"]
    run("setup", "crm")
    code, findings = run("ping", "crm")
    by_check = {one["check"]: one for one in findings}
    assert code == 0
    assert by_check["suppliers"]["detail"].startswith("Account: 13 fields fit http")
    assert "we stop at 80,000" in by_check["API requests in 24 hours"]["detail"]


@pytest.mark.usefixtures("home")
def test_a_dry_run_tells_what_a_delivery_does(sandbox: Sandbox, org: SalesforceSandbox) -> None:
    run("setup", "crm")
    run("run", "to_crm")
    sandbox.clock.advance(hours=1)
    sandbox.erp.insert("purchase_orders", 2, seed=1)  # one in each company
    sandbox.erp.change("purchase_orders", 3, seed=1)
    org.faults.add(broken())
    code, _ = run("run", "to_crm")
    assert code == 1, "read, and not delivered"
    org.faults.clear()
    held = org.by_key("ERP_PO__c")

    code, [told] = run("deliver", "to_crm", "--dry-run")
    assert code == 0
    suppliers, orders = told["entities"]
    assert (suppliers["entity"], suppliers["new"], suppliers["changed"]) == ("suppliers", 0, 0)
    assert (orders["new"], orders["refused"], orders["calls"]) == (1, [], 1)
    assert orders["routes"] == ["collections"]
    assert {one["record_id"] for one in orders["changes"]} <= set(held), (
        "what changed is there already"
    )
    assert all(one["old"] != one["new"] for one in orders["changes"])
    assert org.by_key("ERP_PO__c") == held

    code, results = run("deliver", "to_crm")
    done = {one["entity"]: one for one in results}
    assert code == 0
    assert done["purchase_orders"]["inserted"] == orders["new"]
    assert done["purchase_orders"]["updated"] == orders["changed"]
    _, [told] = run("deliver", "to_crm", "--dry-run")
    assert all(one["new"] == one["changed"] == one["calls"] == 0 for one in told["entities"])


def broken() -> Fault:
    """Every write is refused for now."""

    return Fault(kind="limit", method="PATCH", path="composite", times=None)


def test_without_the_right_setup_prints_what_an_administrator_deploys(
    home: Path, sandbox: Sandbox
) -> None:
    with SalesforceSandbox.start(OrgOptions(may_customize=False)) as strict:
        furnish(home, sandbox, strict)
        code, told = run("setup", "crm")
    assert code == 1
    assert "sf project deploy start" in told["by_hand"]
    assert "<fullName>ERP_Id__c</fullName>" in told["by_hand"]


@pytest.mark.usefixtures("home")
def test_the_tables_for_people_are_printed() -> None:
    runner = CliRunner()
    assert "Missing at crm" in runner.invoke(app, ["setup", "crm", "--dry-run"]).stdout
    assert "Made at crm" in runner.invoke(app, ["setup", "crm"]).stdout
    assert "has everything" in runner.invoke(app, ["setup", "crm"]).stdout
    assert "Pending for crm" in runner.invoke(app, ["deliver", "to_crm", "--dry-run"]).stdout
    assert "Delivered" in runner.invoke(app, ["deliver", "to_crm"]).stdout
