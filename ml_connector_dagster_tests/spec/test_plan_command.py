"""``ml-connector plan`` as a person types it, with Salesforce and DuckDB as destinations."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.cli.plan import spoken
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.salesforce import SalesforceSandbox


FILE = """\
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm, requests_per_minute: 6000}}
  crm: {{type: salesforce, domain: acme.my, credential: crm, base_url: "{url}", bulk_threshold: {bulk},
    usage_ceiling: {ceiling}}}
  warehouse: {{type: duckdb, path: warehouse.duckdb}}
flows:
  erp:
    source: acme
    companies: ["100"]
    entities: [suppliers, purchase_orders]
    start_date: 2025-11-01
    destinations: [{{connection: warehouse}}, {{connection: crm}}]
"""


@pytest.fixture(scope="module")
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as running:
        yield running


@pytest.fixture
def home(
    sandbox: Sandbox, org: SalesforceSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    org.reset()
    write_flows(tmp_path, org)
    (tmp_path / "home").mkdir()
    store = open_store(read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")}))
    store.add("acme", "ionapi", {"ionapi": Secret(sandbox.ionapi_text("ACME_TST"))})
    client_id, client_secret = next(iter(org.options.clients.items()))
    store.add(
        "crm",
        "salesforce",
        {"client_id": Secret(client_id), "client_secret": Secret(client_secret)},
    )
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(tmp_path / "flows.yaml"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(stdout, "width", 200)  # it may have been made by another test already
    return tmp_path


def write_flows(
    folder: Path, org: SalesforceSandbox, *, bulk: int = 2000, ceiling: float = 0.8
) -> None:
    text = FILE.format(url=org.url, bulk=bulk, ceiling=ceiling)
    (folder / "flows.yaml").write_text(text)


def plan(*words: str) -> Result:
    return CliRunner().invoke(app, ["plan", *words])


def planned(*words: str, code: int = 0) -> Any:
    result = plan(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("home")
def test_a_plan_tells_reads_ways_in_and_quotas() -> None:
    said = planned("erp", "--full")
    reads = {one["entity"]: one for one in said["reads"]}
    assert {name: (one["rows"], one["requests"]) for name, one in reads.items()} == {
        "suppliers": (10, 2),
        "purchase_orders": (30, 4),
    }
    ways = {(one["destination"], one["entity"]): one for one in said["deliveries"]}
    assert ways["warehouse.erp", "suppliers"]["ways"] == ["in process"]
    assert ways["crm", "suppliers"]["ways"] == ["collections"]
    assert ways["crm", "suppliers"]["calls"] == 1  # 10 records, 200 go in one call
    (quota,) = said["quotas"]
    assert quota["system"] == "crm"
    assert quota["needed"] == 2
    assert quota["suffices"] is True
    assert said["requests"] == 6
    assert said["warnings"] == []


def test_many_records_go_to_salesforce_as_a_job(home: Path, org: SalesforceSandbox) -> None:
    write_flows(home, org, bulk=20)
    said = planned("erp", "--full", "--destination", "crm")
    ways = {one["entity"]: (one["ways"], one["calls"]) for one in said["deliveries"]}
    assert ways == {"suppliers": (["collections"], 1), "purchase_orders": (["bulk"], 5)}


def test_a_quota_that_does_not_suffice_is_a_warning_and_exit_code_1(
    home: Path, org: SalesforceSandbox
) -> None:
    write_flows(home, org, ceiling=0.000_01)  # of 100,000 requests a day: one
    said = planned("erp", "--full", code=1)
    (warning,) = said["warnings"]
    assert warning.startswith(
        "crm: 2 API requests in 24 hours are needed and 0 are left of 100,000"
    )


@pytest.mark.usefixtures("home")
def test_the_tables_that_people_read() -> None:
    result = plan("erp", "--days", "2026-01-01..2026-01-31")
    assert result.exit_code == 0, result.output
    for text in (
        "Plan of erp: days, 2026-01-01 to 2026-01-31",
        "How it is read, and how that is known",
        "export MPHEAD",
        "API requests in 24 hours",
        "Other runs use the same budget.",
        "about routes and tables, which the run need not ask again.",
    ):
        assert text in result.stdout


@pytest.mark.usefixtures("home")
def test_afterwards_the_run_stands_beside_its_plan() -> None:
    planned("erp", "--full", "--destination", "warehouse")
    before = planned("erp", "--actual")
    assert [one["requests"] for one in before["reads"]] == [None, None]
    CliRunner().invoke(
        app, ["run", "erp", "--full"]
    )  # the org lacks objects: the warehouse is served
    after = planned("erp", "--actual")
    assert [(one["planned_requests"], one["requests"], one["off"]) for one in after["reads"]] == [
        (2, 2, 0.0),
        (4, 4, 0.0),
    ]
    assert [(one["planned_calls"], one["calls"]) for one in after["deliveries"]] == [(0, 0), (0, 0)]
    assert len(after["run_ids"]) == 1
    assert "+0%" in plan("erp", "--actual").stdout


@pytest.mark.usefixtures("home")
def test_what_was_never_planned_has_nothing_to_show() -> None:
    result = plan("erp", "--actual")
    assert isinstance(result.exception, ConfigError)
    assert "make one with: ml-connector plan erp" in str(result.exception)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--full", "--since", "2026-01-01"], "give one of --since, --days and --full"),
        (["--days", "2026-01-31..2026-01-01"], "ends before it begins"),
        (["--days", "january"], "is not like 2026-01-01..2026-03-31"),
        (["--since", "2999-01-01"], "is in the future"),
    ],
)
def test_words_that_make_no_sense_are_refused(words: list[str], said: str) -> None:
    result = plan("erp", *words)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "less than a second"),
        (42.0, "about 42 seconds"),
        (187.0, "about 3 minutes"),
        (5_400.0, "about 90 minutes"),
        (9_000.0, "about 2.5 hours"),
    ],
)
def test_a_duration_as_a_person_would_say_it(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
