"""The whole way: M3's sandbox through a flow into the Databricks sandbox and DuckDB, with the same facts in both."""

from datetime import timedelta
from pathlib import Path

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.config.project import (
    CloudSuiteConnection,
    DatabricksConnection,
    DuckDBConnection,
    Flow,
    FlowDestination,
    Project,
)
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.spec.databricks_workspace import sandbox_workspace


WANTED = ("suppliers", "purchase_orders", "purchase_order_lines")


def test_a_flow_loads_databricks_and_duckdb_alike(tmp_path: Path) -> None:
    with (
        Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as erp,
        sandbox_workspace() as databricks,
    ):
        settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
        settings.home.mkdir(parents=True)
        store = open_store(settings)
        store.add("acme", "ionapi", {"ionapi": Secret(erp.ionapi_text("ACME_TST"))})
        options = databricks.options
        secrets = {
            "client_id": Secret(options.client_id),
            "client_secret": Secret(options.client_secret),
        }
        store.add("lake", "databricks", secrets)
        targets = (
            FlowDestination(connection="lake"),
            FlowDestination(connection="warehouse"),
        )
        flow = Flow(
            name="flow",
            source="acme",
            companies=("100", "200"),
            entities=WANTED,
            destinations=targets,
            start_date=erp.clock.today() - timedelta(days=20),
        )
        project = Project(
            connections={
                "acme": CloudSuiteConnection(
                    name="acme",
                    product_line="m3",
                    credential="acme",
                    timezone="Europe/Stockholm",
                    requests_per_minute=6000,
                ),
                "lake": DatabricksConnection(
                    name="lake",
                    host=databricks.url,
                    warehouse_id=options.warehouse_id,
                    catalog="main",
                    credential="lake",
                    inline_rows=50,
                ),
                "warehouse": DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb")),
            },
            flows={"flow": flow},
        )
        with Workspace.open(settings, project=project, now=erp.clock.now) as workspace:
            assert all(finding.ok for finding in ping_connection(workspace, "lake"))
            results = run_flow(workspace, flow, run_id="first")
            assert [result.error for result in results if result.error] == []
            with (
                workspace.destination(targets[0]) as lake,
                workspace.destination(targets[1]) as warehouse,
            ):
                for name in WANTED:
                    facts = lake.inspect(ENTITIES[name], Scope(tenant="acme"))
                    assert facts.rows > 0
                    assert facts == warehouse.inspect(ENTITIES[name], Scope(tenant="acme"))
