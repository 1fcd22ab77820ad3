"""The whole way: M3's sandbox through a flow into the Snowflake sandbox and DuckDB; with an outage in the middle."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.snowflake import sql_api
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.snowflake import Fault
from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.pending import answers, deliver_overdue, overdue_deliveries
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.spec.snowflake_account import (
    KEY,
    Account,
    import_vendor_packages,
    pem,
    sandbox_account,
)


WANTED = ("suppliers", "purchase_orders")


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    import_vendor_packages()
    with sandbox_account() as found:
        yield found


def test_a_flow_loads_snowflake_and_duckdb_alike_and_an_outage_is_made_up_for(
    account: Account, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_api, "LONGEST_PAUSE", 0.01)
    assert account.sandbox is not None
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    settings.home.mkdir(parents=True)
    store = open_store(settings)
    store.add("acme", "ionapi", {"ionapi": Secret(sandbox.ionapi_text("ACME_TST"))})
    store.add("snow", "snowflake", {"private_key": Secret(pem(KEY))})
    targets = (
        FlowDestination.model_validate({"connection": "snow", "tables": "per_company"}),
        FlowDestination(connection="warehouse"),
    )
    flow = Flow(
        name="flow",
        source="acme",
        companies=("100",),
        entities=WANTED,
        destinations=targets,
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
    project = Project(
        connections={
            "acme": acme,
            "snow": account.connection.model_copy(update={"inline_rows": 20}),
            "warehouse": DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb")),
        },
        flows={"flow": flow},
    )
    faults = account.sandbox.faults
    with Workspace.open(settings, project=project, now=sandbox.clock.now) as workspace:
        assert all(finding.ok for finding in ping_connection(workspace, "snow"))
        first = run_flow(workspace, flow, run_id="first", entities=WANTED[:1])
        assert [result.error for result in first if result.error] == []

        faults.add(Fault.UNAVAILABLE, 100_000)
        failed = run_flow(workspace, flow, run_id="second")
        assert all("delivered again later" in result.error for result in failed)
        assert "did not answer" in answers(workspace, flow, targets[0])

        faults.clear()
        assert answers(workspace, flow, targets[0]) == ""
        overdue = overdue_deliveries(workspace, flow, older_than=timedelta(0))
        made_up = deliver_overdue(workspace, flow, overdue, run_id="replay")
        assert [one.error for one in made_up if one.error] == []
        again = run_flow(workspace, flow, run_id="third")
        assert [result.error for result in again if result.error] == []
        with (
            workspace.destination(targets[0], flow.name) as snow,
            workspace.destination(targets[1], flow.name) as warehouse,
        ):
            for name in WANTED:
                facts = snow.inspect(ENTITIES[name], Scope(tenant="acme"))
                assert facts.rows > 0
                assert facts.duplicates == 0
                assert facts == warehouse.inspect(ENTITIES[name], Scope(tenant="acme"))
    doubled = account.run(
        "SELECT COUNT(*) FROM (SELECT record_id FROM ERP.ERP._AUDIT GROUP BY record_id, batch_id HAVING COUNT(*) > 1)"
    )
    assert doubled == [["0"]]
