"""A thousand records that each of three destinations refused, replayed by the job once the fault is gone: exactly these."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from ml_connector_dagster.config.applications import MondayConnection, SalesforceConnection
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.monday import Fault as MondayFault
from ml_connector_dagster.sandbox.monday import MondayOptions, MondaySandbox
from ml_connector_dagster.sandbox.salesforce import Fault as SalesforceFault
from ml_connector_dagster.sandbox.salesforce import SalesforceSandbox
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.defs.conftest import Installation


RECORDS = 1_000
DESTINATIONS = ("boards", "crm", "warehouse.erp")


@pytest.fixture(scope="module")
def erp() -> Iterator[Sandbox]:
    """A thousand suppliers and five customers, in one company."""
    size = ErpSize.tiny()
    size = type(size)(
        **{name: getattr(size, name) for name in size.__dataclass_fields__}
        | {"companies": ("100",), "suppliers": RECORDS, "customers": 5}
    )
    with Sandbox.start(SandboxOptions(size=size, requests_per_minute=6000)) as running:
        yield running


@pytest.fixture(scope="module")
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as running:
        yield running


@pytest.fixture(scope="module")
def account() -> Iterator[MondaySandbox]:
    running = MondaySandbox.start(
        MondayOptions(tier="enterprise", complexity_per_minute=1_000_000_000)
    )
    yield running
    running.stop()


@pytest.fixture
def three(
    erp: Sandbox,
    org: SalesforceSandbox,
    account: MondaySandbox,
    tmp_path: Path,
    instance: dg.DagsterInstance,
) -> Installation:
    """A warehouse, Salesforce and Monday, set up; nothing is delivered yet."""
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    settings.home.mkdir()
    store = open_store(settings)
    store.add("acme", "ionapi", {"ionapi": Secret(erp.ionapi_text("ACME_TST"))})
    client_id, client_secret = next(iter(org.options.clients.items()))
    secrets = {"client_id": Secret(client_id), "client_secret": Secret(client_secret)}
    store.add("crm", "salesforce", secrets)
    store.add("boards", "monday", {"token": Secret(account.options.token)})
    project = Project(
        connections={
            "acme": CloudSuiteConnection(
                name="acme",
                product_line="m3",
                credential="acme",
                timezone="Europe/Stockholm",
                requests_per_minute=6000,
            ),
            "warehouse": DuckDBConnection(name="warehouse", path=tmp_path / "w.duckdb"),
            "crm": SalesforceConnection(
                name="crm", domain="acme.my", credential="crm", base_url=org.url
            ),
            "boards": MondayConnection(
                name="boards",
                credential="boards",
                base_url=f"{account.url}/v2",
                plan="enterprise",
                batch_size=50,
                ingest_threshold=10_000,
            ),
        },
        flows={
            "purchasing": Flow(
                name="purchasing",
                source="acme",
                companies=("100",),
                entities=("suppliers", "customers"),
                destinations=(
                    FlowDestination(connection="warehouse"),
                    FlowDestination(connection="crm").without_schema(),
                    FlowDestination(connection="boards").without_schema(),
                ),
                start_date=erp.clock.today() - timedelta(days=10),
                marts=(),
            )
        },
    )
    made = Installation(
        sandbox=erp,
        settings=settings,
        project=project,
        defs=build_definitions(project, settings, now=erp.clock.now),
        instance=instance,
    )
    with made.open() as workspace:
        for name in ("crm", "boards"):
            set_up(workspace, name, dry_run=False)
    return made


def break_all(three: Installation, org: SalesforceSandbox, account: MondaySandbox) -> None:
    """Every destination refuses each record, with its own words."""
    with three.open() as workspace:
        for entity in three.flow.entities:
            deliver_nothing(workspace, three, entity)
    rule(three, "SET NOT NULL")
    org.faults.add(
        SalesforceFault(
            kind="record",
            sobject="Account",
            key=".",
            times=None,
            code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
            message="the month is closed",
        )
    )
    account.faults.add(
        MondayFault(
            kind="field",
            field="create_item",
            alias=".",
            times=None,
            status=200,
            code="ColumnValueException",
            message="the board's owner has locked it",
        )
    )


def deliver_nothing(workspace: Workspace, three: Installation, entity: str) -> None:
    """The warehouse's tables are there before there are rows."""
    with workspace.destination(three.flow.destinations[0]) as warehouse:
        warehouse.prepare(ENTITIES[entity])


def rule(three: Installation, what: str) -> None:
    """What the owner of the warehouse does to its suppliers: none without a state."""
    connection = three.project.connections["warehouse"]
    assert isinstance(connection, DuckDBConnection)
    with duckdb.connect(str(connection.path)) as database:
        database.execute(f"ALTER TABLE erp.suppliers ALTER COLUMN state {what}")


def heal_all(three: Installation, org: SalesforceSandbox, account: MondaySandbox) -> None:
    org.faults.clear()
    account.faults.clear()
    rule(three, "DROP NOT NULL")


def launch(three: Installation, **config: object) -> dg.ExecuteInProcessResult:
    return three.defs.resolve_job_def("replay").execute_in_process(
        instance=three.instance,
        run_config={"ops": {"try_again": {"config": config}}},
        raise_on_error=False,
    )


def open_by_place(three: Installation) -> Counter[tuple[str, str]]:
    with three.open() as workspace:
        letters = workspace.ledger.dead_letters(tenant="acme")
    return Counter((letter.destination, letter.entity) for letter in letters)


def test_a_thousand_refused_by_each_of_three_are_replayed_exactly_these(
    three: Installation, org: SalesforceSandbox, account: MondaySandbox
) -> None:
    for supplier in three.sandbox.erp.truth("suppliers", "100"):
        key = {"CONO": 100, "SUNO": supplier["supplier_id"]}
        three.sandbox.erp.set_field("CIDMAS", key, "ECAR", "")
    break_all(three, org, account)
    with three.open() as workspace:
        run_flow(workspace, three.flow, run_id="first")
    stuck = {(one, "suppliers"): RECORDS for one in DESTINATIONS}
    customers = {(one, "customers"): 5 for one in ("boards", "crm")}
    assert open_by_place(three) == stuck | customers

    assert not launch(three, entity="suppliers", failed_since="2000-01-01").success
    assert open_by_place(three) == stuck | customers  # tried in vain, and nothing is doubled

    heal_all(three, org, account)
    three.sandbox.clock.advance(minutes=30)
    done = launch(three, flow="purchasing", entity="suppliers", company="100")

    assert done.success
    assert open_by_place(three) == customers
    (output,) = [event for event in done.all_events if event.is_successful_output]
    told = output.step_output_data.metadata
    assert (told["tried"].value, told["resolved"].value) == (3 * RECORDS, 3 * RECORDS)
    _assert_each_destination_has_each_record_once(three, org, account)
    _assert_the_trail_has_every_attempt(three, done.run_id)


def _assert_each_destination_has_each_record_once(
    three: Installation, org: SalesforceSandbox, account: MondaySandbox
) -> None:
    keys = {f"acme/100/{row['supplier_id']}" for row in three.sandbox.erp.truth("suppliers", "100")}
    connection = three.project.connections["warehouse"]
    assert isinstance(connection, DuckDBConnection)
    with duckdb.connect(str(connection.path), read_only=True) as database:
        rows = database.sql("SELECT record_id FROM erp.suppliers").fetchall()
    assert len(rows) == RECORDS
    assert {record_id for (record_id,) in rows} == keys
    assert len(org.rows("Account")) == RECORDS
    board = next(one for one in account.account.boards.values() if one.name == "Suppliers")
    assert len(board.active) == RECORDS


def _assert_the_trail_has_every_attempt(three: Installation, run_id: str) -> None:
    """Each record: refused, refused again, accepted, at each destination; and nothing else was sent a third time."""
    with three.open() as workspace:
        batches = workspace.ledger.batches(tenant="acme", entity="suppliers")
        outcomes: Counter[tuple[str, str]] = Counter()
        for batch in batches:
            for receipt in workspace.staging.receipts(batch).to_pylist():
                outcomes[receipt["destination"], receipt["outcome"]] += 1
        supplier = three.sandbox.erp.truth("suppliers", "100")[500]["supplier_id"]
        (story,) = trace(workspace, f"acme/100/{supplier}", entity="suppliers")
        customers = workspace.ledger.batches(tenant="acme", entity="customers")
    assert outcomes == {
        (one, outcome): RECORDS * times
        for one in DESTINATIONS
        for outcome, times in (("rejected", 2), ("inserted", 1))
    }
    assert [one for one in customers if one.for_destination] == []
    for destination in DESTINATIONS:
        own = [event for event in story.events if event.where == destination]
        delivered = [event for event in own if event.what == "delivered"]
        assert [event.outcome for event in delivered] == ["rejected", "rejected", "inserted"]
        assert delivered[-1].run_id == run_id
        assert bool(delivered[-1].remote_id) == (destination != "warehouse.erp")
        assert own[-1].what == "resolved"
