"""The whole way: M3's sandbox through a flow into the Databricks sandbox and DuckDB; with an outage in the middle."""

from datetime import timedelta
from pathlib import Path

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.config.warehouses import DatabricksConnection, DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, Fault
from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.pending import answers, deliver_overdue, overdue_deliveries
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.spec.databricks_workspace import of_sandbox


WANTED = ("suppliers", "purchase_orders")
TARGETS = (
    FlowDestination.model_validate(
        {"connection": "lake", "schema": "flow", "tables": "per_company"}
    ),
    FlowDestination(connection="warehouse"),
)


def project_of(sandbox: Sandbox, databricks: DatabricksSandbox) -> Project:
    flow = Flow(
        name="flow",
        source="acme",
        companies=("100", "200"),
        entities=WANTED,
        destinations=TARGETS,
        marts=(),
        start_date=sandbox.clock.today() - timedelta(days=20),
    )
    acme = CloudSuiteConnection(
        name="acme",
        product_line="m3",
        credential="acme",
        timezone="Europe/Stockholm",
        requests_per_minute=6000,
    )
    lake = DatabricksConnection(
        name="lake",
        host=databricks.url,
        warehouse_id=databricks.options.warehouse_id,
        catalog="main",
        credential="lake",
        inline_rows=50,
        retry_seconds=1,
    )
    duck = DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb"))
    return Project(
        connections={"acme": acme, "lake": lake, "warehouse": duck}, flows={"flow": flow}
    )


def test_a_flow_loads_databricks_and_duckdb_alike_and_an_outage_is_made_up_for(
    sandbox: Sandbox, databricks: DatabricksSandbox, tmp_path: Path
) -> None:
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    settings.home.mkdir(parents=True)
    store = open_store(settings)
    store.add("acme", "ionapi", {"ionapi": Secret(sandbox.ionapi_text("ACME_TST"))})
    options = databricks.options
    secrets = {
        "client_id": Secret(options.client_id),
        "client_secret": Secret(options.client_secret),
    }
    store.add("lake", "databricks", secrets)
    project = project_of(sandbox, databricks)
    flow = project.flows["flow"]
    with Workspace.open(settings, project=project, now=sandbox.clock.now) as workspace:
        assert all(finding.ok for finding in ping_connection(workspace, "lake"))

        # Suppliers get through to their history; then the service is away, in the middle of a delivery.
        down = Fault(kind="refused", statement=r"MERGE INTO .*`suppliers_200` AS t", times=None)
        databricks.faults.add(down)
        failed = run_flow(workspace, flow, run_id="first", entities=WANTED[:1])
        (error,) = [result.error for result in failed if result.error]
        assert "was not available for 1 s" in error
        databricks.faults.add(Fault(kind="refused", path="/api/", times=None))
        assert "the replay sensor delivers again" in answers(workspace, flow, TARGETS[0])

        databricks.faults.clear()
        assert answers(workspace, flow, TARGETS[0]) == ""
        overdue = overdue_deliveries(workspace, flow, older_than=timedelta(0))
        assert ("suppliers", "200", "lake.flow") in {
            (one.entity, one.company, one.target.name) for one in overdue
        }
        made_up = deliver_overdue(workspace, flow, overdue, run_id="replay")
        assert [one.error for one in made_up if one.error] == []

        again = run_flow(workspace, flow, run_id="second")
        assert [result.error for result in again if result.error] == []
        with (
            workspace.destination(TARGETS[0], flow.name) as lake,
            workspace.destination(TARGETS[1], flow.name) as warehouse,
        ):
            for name in WANTED:
                facts = lake.inspect(ENTITIES[name], Scope(tenant="acme"))
                assert facts.rows > 0
                assert facts.duplicates == 0
                assert facts == warehouse.inspect(ENTITIES[name], Scope(tenant="acme"))
    access = of_sandbox(databricks)
    for table, batch in {"_audit": "batch_id", "suppliers_history": "_batch_id"}.items():
        doubled = access.workspace().run(
            f"SELECT count(*) FROM (SELECT record_id FROM `main`.`flow`.`{table}`"
            f" GROUP BY record_id, {batch} HAVING count(*) > 1) AS twice"
        )
        assert doubled == [["0"]]
    access.clear()
