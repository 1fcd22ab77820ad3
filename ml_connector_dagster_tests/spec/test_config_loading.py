"""What a good project looks like once it is loaded."""

import json
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_connector_dagster.config.applications import MondayConnection, SalesforceConnection
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.json_schema import project_json_schema
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import CONNECTION_TYPES, Flow, FlowDestination, Project
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.config.warehouses import (
    DatabricksConnection,
    DuckDBConnection,
    SnowflakeConnection,
)
from ml_connector_dagster.config.yaml_source import read_document
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret


SANDBOX = Path(__file__).parents[2] / "flows" / "sandbox.yaml"


def load(tmp_path: Path, *texts: str) -> Project:
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8")
    return load_project(tmp_path, settings(tmp_path))


def settings(tmp_path: Path) -> Settings:
    return read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})


def test_the_sandbox_file_is_what_a_newcomer_reads(tmp_path: Path) -> None:
    project = load_project(SANDBOX, settings(tmp_path))
    assert project.connections == {
        "acme": CloudSuiteConnection(
            name="acme",
            product_line="m3",
            credential="acme",
            timezone="Europe/Stockholm",
            requests_per_minute=600,
        ),
        "warehouse": DuckDBConnection(name="warehouse", path=tmp_path / "home/warehouse.duckdb"),
        "snowflake": SnowflakeConnection(
            name="snowflake",
            account="ACME",
            user="ETL",
            role="LOADER",
            warehouse="LOADING",
            database="ANALYTICS",
            credential="snowflake",
            host="127.0.0.1",
            port=8700,
            protocol="http",
        ),
        "databricks": DatabricksConnection(
            name="databricks",
            host="http://127.0.0.1:8700",
            warehouse_id="0123456789abcdef",
            catalog="main",
            credential="databricks",
        ),
        "salesforce": SalesforceConnection(
            name="salesforce",
            domain="acme.my",
            credential="salesforce",
            base_url="http://127.0.0.1:8700",
        ),
        "monday": MondayConnection(
            name="monday",
            credential="monday",
            ingest_threshold=20,
            base_url="http://127.0.0.1:8700/v2",
        ),
        "looker": LookerConnection(
            name="looker",
            base_url="http://127.0.0.1:8700",
            credential="looker",
            database="warehouse",
            edition="enterprise",
        ),
    }
    flow = project.flows["erp_to_warehouse"]
    assert flow == Flow(
        name="erp_to_warehouse",
        description=flow.description,
        source="acme",
        companies=("100", "200"),
        entities=tuple(ENTITIES),
        destinations=tuple(
            FlowDestination(connection=name, schema_name="erp")
            for name in ("warehouse", "snowflake", "databricks")
        ),
        start_date=date(2025, 11, 1),
        schedule=Schedule(cron="*/15 * * * *", timezone="Europe/Stockholm", enabled=False),
        owners=("team:finance-data",),
        looker=flow.looker,
    )
    assert flow.looker is not None
    assert flow.looker.warehouse == "warehouse"


CONNECTIONS = """
connections:
  acme: {type: cloudsuite, product_line: m3, credential: acme-prod, timezone: America/New_York, catalog: catalogs/ours.yaml}
  warehouse: {type: duckdb, path: sub/w.duckdb, memory_limit: 2 GB}
"""
FLOWS = """
defaults:
  companies: ["007", "1e3"]
  start_date: "2025-11-01"
  destinations: [{connection: warehouse}]
  schedule: {every: day}
flows:
  masters:
    source: acme
    entities: [suppliers]
  orders:
    source: acme
    entities: [purchase_orders]
    schedule:
    destinations:
      - {connection: warehouse, schema: po, tables: per_company, write_mode: upsert}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "flows"
    (folder / "catalogs").mkdir(parents=True)
    (folder / "catalogs" / "ours.yaml").write_text("{}")
    return load(folder, CONNECTIONS, FLOWS)


def test_a_folder_is_one_project(project: Project) -> None:
    assert (list(project.connections), list(project.flows)) == (
        ["acme", "warehouse"],
        ["masters", "orders"],
    )


def test_paths_are_found_from_where_they_belong(project: Project, tmp_path: Path) -> None:
    acme, warehouse = project.connections["acme"], project.connections["warehouse"]
    assert isinstance(acme, CloudSuiteConnection)
    assert acme.catalog == tmp_path / "flows" / "catalogs" / "ours.yaml"
    assert isinstance(warehouse, DuckDBConnection)
    assert warehouse.path == tmp_path / "flows" / "home" / "sub" / "w.duckdb"


def test_quoted_companies_stay_as_they_are_written(project: Project) -> None:
    assert project.flows["masters"].companies == ("007", "1e3")


def test_defaults_fill_what_a_flow_leaves_out_and_an_empty_key_takes_them_away(
    project: Project,
) -> None:
    masters, orders = project.flows["masters"], project.flows["orders"]
    assert masters.schedule == Schedule(every="day", timezone="America/New_York")
    assert orders.schedule is None
    assert masters.destinations == (FlowDestination(connection="warehouse", schema_name="erp"),)
    assert orders.destinations == (
        FlowDestination(
            connection="warehouse",
            schema_name="po",
            tables="per_company",
            write_mode=WriteMode.UPSERT,
        ),
    )


def test_a_destination_is_called_connection_dot_schema() -> None:
    assert FlowDestination(connection="warehouse", schema_name="po").name == "warehouse.po"


@pytest.mark.parametrize(
    ("schedule", "crons"),
    [
        ({"every": "day"}, ("0 6 * * *",)),
        ({"every": "day", "at": "7:30"}, ("30 7 * * *",)),
        ({"every": "week"}, ("0 6 * * 1",)),
        ({"every": "week", "on": "Sun", "at": "23:59"}, ("59 23 * * 0",)),
        ({"every": "6 hours"}, ("0 0,6,12,18 * * *",)),
        ({"every": "8 hours", "at": "02:15"}, ("15 2,10,18 * * *",)),
        ({"every": "1 hour", "at": "00:20"}, ("20 " + ",".join(map(str, range(24))) + " * * *",)),
        ({"every": "month_end", "at": "05:00"}, ("0 5 28-31 * *", "0 5 1-5 * *")),
        ({"cron": "*/15  6-20 * * mon-fri"}, ("*/15 6-20 * * mon-fri",)),
    ],
)
def test_a_schedule_in_words_is_these_cron_expressions(
    schedule: dict[str, str], crons: tuple[str, ...]
) -> None:
    assert Schedule.model_validate(schedule).cron_expressions == crons


@pytest.mark.parametrize(("year", "month"), [(2024, 2), (2025, 2), (2025, 4), (2025, 12)])
def test_month_end_covers_the_last_day_of_each_month_and_five_days_of_the_next(
    year: int, month: int
) -> None:
    crons = Schedule(every="month_end").cron_expressions
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    ticks = {
        tick.date()
        for cron in crons
        for tick in [croniter(cron, datetime(year, month, 27, tzinfo=UTC))]
        for tick in [tick.get_next(datetime) for _ in range(8)]
    }
    last = date.fromordinal(following.date().toordinal() - 1)
    assert {last, *(following.date().replace(day=day) for day in range(1, 6))} <= ticks


@examples(deadline=None)
@given(
    st.from_regex(r"([01][0-9]|2[0-3]):[0-5][0-9]", fullmatch=True),
    st.sampled_from([1, 2, 3, 4, 6, 8, 12]),
)
def test_every_n_hours_comes_evenly_all_day_and_at_the_time_given(at: str, hours: int) -> None:
    (cron,) = Schedule(every=f"{hours} hours", at=at).cron_expressions
    ticks = croniter(cron, datetime(2025, 1, 1, tzinfo=UTC))
    times = [ticks.get_next(datetime) for _ in range(2 * 24 // hours)]
    gaps = {after - before for before, after in pairwise(times)}
    assert {gap.total_seconds() for gap in gaps} == {hours * 3600}
    assert at in {time.strftime("%H:%M") for time in times}


@pytest.mark.parametrize(
    ("environ", "read"),
    [
        ({}, {"home": Path.cwd() / ".ml_connector", "encryption_keys": ()}),
        ({"ML_CONNECTOR_HOME": "/srv/x"}, {"home": Path("/srv/x"), "ledger_url": "sqlite:////srv/x/ledger.db", "staging_url": "/srv/x/staging", "key_file": Path("/srv/x/encryption.key"), "credentials_file": Path("/srv/x/credentials.json")}),
        ({"ML_CONNECTOR_HOME": " "}, {"home": Path.cwd() / ".ml_connector"}),
        ({"ML_CONNECTOR_FLOWS": "my/flows"}, {"flows": Path("my/flows")}),
        ({"ML_CONNECTOR_LEDGER_URL": "postgresql://db/x", "ML_CONNECTOR_STAGING_URL": "s3://b"}, {"ledger_url": "postgresql://db/x", "staging_url": "s3://b"}),
        ({"ML_CONNECTOR_KEY": " new, old,"}, {"encryption_keys": (Secret("new"), Secret("old"))}),
    ],
)  # fmt: skip
def test_settings_come_from_these_variables(
    environ: dict[str, str], read: dict[str, object]
) -> None:
    found = read_settings(environ)
    assert {name: getattr(found, name) for name in read} == read


def test_without_a_variable_the_sandbox_file_is_used_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings({}).flows == Path("flows")
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "sandbox.yaml").touch()
    assert read_settings({}).flows == Path("flows/sandbox.yaml")


def test_settings_do_not_show_passwords() -> None:
    found = read_settings(
        {"ML_CONNECTOR_KEY": "hunter2", "ML_CONNECTOR_LEDGER_URL": "postgresql://me:hunter2@db/x"}
    )
    assert "hunter2" not in repr(found)


def test_the_json_schema_describes_every_key_that_yaml_takes() -> None:
    schema = project_json_schema()
    json.dumps(schema)
    definitions = schema["$defs"]
    assert [
        f"{name}.{key}"
        for name, definition in definitions.items()
        for key, field in definition.get("properties", {}).items()
        if "description" not in field and "$ref" not in field
    ] == []
    for model in (*CONNECTION_TYPES.values(), Flow):
        assert "name" not in definitions[model.__name__]["properties"]
    assert definitions["FlowDestination"]["required"] == ["connection"]
    assert set(definitions["DuckDBConnection"]["required"]) == {"type", "path"}
    assert "required" not in definitions["FlowDefaults"]


def test_the_json_schema_knows_every_key_of_the_sandbox_file() -> None:
    definitions = project_json_schema()["$defs"]
    keys = {path for path in read_document(SANDBOX).places if path}
    for model, prefix in [
        ("CloudSuiteConnection", ("connections", "acme")),
        ("DuckDBConnection", ("connections", "warehouse")),
        ("Flow", ("flows", "erp_to_warehouse")),
    ]:
        written = {path[2] for path in keys if path[:2] == prefix and len(path) > 2}
        assert written <= set(definitions[model]["properties"])
