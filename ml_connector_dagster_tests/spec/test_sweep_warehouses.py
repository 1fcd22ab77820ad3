"""Deleted records at every warehouse, and of every product line: found by two sweeps, marked wherever the flow goes."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Connection, Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.config.warehouses import DatabricksConnection, DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox
from ml_connector_dagster.sandbox.looker import LookerSandbox
from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.spec.looker_instance import connection_to, looker_sandbox
from ml_connector_dagster_tests.spec.snowflake_account import (
    KEY,
    Account,
    import_vendor_packages,
    pem,
    sandbox_account,
)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    import_vendor_packages()
    with sandbox_account() as found:
        yield found


@pytest.fixture(scope="module")
def looker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookerSandbox]:
    with looker_sandbox(tmp_path_factory.mktemp("looker")) as running:
        yield running


def workspace_of(
    sandbox: Sandbox,
    folder: Path,
    *entities: str,
    product_line: str = "m3",
    more: tuple[Connection, ...] = (),
    secrets: dict[str, tuple[str, dict[str, Secret]]] | None = None,
) -> Workspace:
    """One flow of company 100 into DuckDB and ``more``. ``secrets``: credential → kind and values."""
    settings = read_settings({"ML_CONNECTOR_HOME": str(folder / "home")})
    settings.home.mkdir(parents=True)
    store = open_store(settings)
    store.add("acme", "ionapi", {"ionapi": Secret(sandbox.ionapi_text("ACME_TST"))})
    for name, (kind, values) in (secrets or {}).items():
        store.add(name, kind, values)
    acme = CloudSuiteConnection.model_validate(
        {
            "name": "acme",
            "product_line": product_line,
            "credential": "acme",
            "timezone": "Europe/Stockholm",
            "requests_per_minute": 6000,
        }
    )
    duck = DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb"))
    targets = [duck, *more]
    flow = Flow(
        name="flow",
        source="acme",
        companies=("100",),
        entities=entities,
        destinations=tuple(FlowDestination(connection=one.name) for one in targets),
        marts=(),
        start_date=sandbox.clock.today() - timedelta(days=20),
    )
    project = Project(connections={one.name: one for one in (acme, *targets)}, flows={"flow": flow})
    return Workspace.open(settings, project=project, now=sandbox.clock.now)


def sweep(workspace: Workspace) -> int:
    """Sweep everything; how many records were marked."""
    results = sweep_flow(workspace, workspace.project.flows["flow"], run_id="sweep")
    assert [one.problems for one in results if one.problems] == []
    return sum(one.sweep.marked for one in results)


def test_a_deleted_record_is_marked_in_every_warehouse(
    sandbox: Sandbox,
    account: Account,
    databricks: DatabricksSandbox,
    looker: LookerSandbox,
    tmp_path: Path,
) -> None:
    options = databricks.options
    lake = DatabricksConnection(
        name="lake",
        host=databricks.url,
        warehouse_id=options.warehouse_id,
        catalog="main",
        credential="lake",
    )
    secrets = {
        "snow": ("snowflake", {"private_key": Secret(pem(KEY))}),
        "lake": ("databricks", {"token": Secret(options.token)}),
        "looker": ("looker", {name: Secret(value) for name, value in looker.login.items()}),
    }
    more = (account.connection, lake, connection_to(looker))
    workspace = workspace_of(sandbox, tmp_path, "suppliers", more=more, secrets=secrets)
    with workspace:
        flow = workspace.project.flows["flow"]
        results = run_flow(workspace, flow, run_id="load")
        assert [one.error for one in results if one.error] == []
        there = len(sandbox.erp.truth("suppliers", "100"))
        gone = {f"acme/100/{key}" for _, key in sandbox.erp.delete("suppliers", 2, "100")}
        assert [sweep(workspace), sweep(workspace)] == [0, 2]
        for target in flow.destinations:
            with workspace.destination(target, flow.name) as destination:
                facts = destination.inspect(ENTITIES["suppliers"], Scope(tenant="acme"))
                rows = destination.rows(ENTITIES["suppliers"], Scope(tenant="acme")).to_pylist()
            assert (facts.rows, facts.deleted) == (there - 2, 2), target.name
            assert {row["record_id"] for row in rows if row["_deleted_at"] is not None} == gone
            assert all(row["name"] for row in rows if row["_deleted_at"]), "the last values stay"


@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_a_record_that_any_line_deletes_is_marked(
    sandbox: Sandbox, tmp_path: Path, line: str
) -> None:
    """By a list, and for invoices by the lake where the line has no list of them."""
    deleted = {"suppliers": 1, "purchase_order_lines": 2, "supplier_invoices": 1}
    with workspace_of(sandbox, tmp_path, *deleted, product_line=line) as workspace:
        flow = workspace.project.flows["flow"]
        results = run_flow(workspace, flow, run_id="load")
        assert [one.error for one in results if one.error] == []
        assert sweep(workspace) == 0, "all there"
        sandbox.clock.advance(minutes=90)  # what the lake lists may be an hour old
        for entity, count in deleted.items():
            sandbox.erp.delete(entity, count, "100")
        assert [sweep(workspace), sweep(workspace), sweep(workspace)] == [0, 4, 0]
        with workspace.destination(flow.destinations[0], flow.name) as destination:
            for entity, count in deleted.items():
                facts = destination.inspect(ENTITIES[entity], Scope(tenant="acme"))
                assert facts.deleted == count, entity
                assert facts.rows == len(sandbox.erp.truth(entity, "100")), entity
