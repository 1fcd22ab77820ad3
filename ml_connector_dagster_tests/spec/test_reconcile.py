"""Reconciliation: what was changed behind the connector's back is found by its key; what is under way is no error."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.sweeps import Sweep as SweepSettings
from ml_connector_dagster.model.edits import NewEdit
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Finding,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.flows import ReadMode, extract_company
from ml_connector_dagster.sync.marts import refresh_marts
from ml_connector_dagster.sync.pending import choose_overdue, deliver_overdue
from ml_connector_dagster.sync.reconcile.repairing import (
    Mended,
    mend,
    restorable_records,
    unfinished_records,
)
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster.sync.trace import REPAIRED, trace
from ml_connector_dagster.sync.verify import verify_delivery
from ml_connector_dagster_tests.world import World


Found = tuple[Finding, Standing]


@dataclass
class ReconciledWorld(World):
    """A world that can compare, and whose warehouse somebody else can write to."""

    sweeps: SweepSettings = field(default_factory=SweepSettings)

    @property
    def flow(self) -> Flow:
        usual: Flow = super().flow
        return usual.model_copy(update={"sweep": self.sweeps})

    def reconcile(self, **what: Any) -> tuple[Comparison, ...]:
        self.runs += 1
        with self.open() as workspace:
            request = Request(run_id=f"reconcile-{self.runs}", **what)
            return reconcile_flow(workspace, self.flow, request)

    def mend(self, found: Sequence[Comparison]) -> Mended:
        self.runs += 1
        with self.open() as workspace:
            return mend(workspace, self.flow, Request(run_id=f"mend-{self.runs}"), found)

    def tamper(self, sql: str) -> None:
        with duckdb.connect(str(self.settings.home / "warehouse.duckdb")) as connection:
            connection.execute("SET schema = 'erp'")
            connection.execute(sql)

    def one(self, sql: str) -> Any:
        with duckdb.connect(str(self.settings.home / "warehouse.duckdb")) as connection:
            connection.execute("SET schema = 'erp'")
            return connection.execute(sql).fetchall()[0][0]


def differences(found: Sequence[Comparison]) -> dict[str, Found]:
    return {
        one.record_id: (one.finding, one.standing)
        for comparison in found
        for one in comparison.differences
    }


def the_difference(found: Sequence[Comparison]) -> Difference:
    (one,) = [one for comparison in found for one in comparison.differences]
    return one


def states(found: Sequence[Comparison]) -> set[ReconciliationState]:
    return {one.done.state for one in found}


EVERYTHING = tuple(ENTITIES)

#: What most tests need; read once, and copied for each.
SOME = ("suppliers", "purchase_orders", "supplier_invoices")


@pytest.fixture(scope="module")
def loaded(_running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world that has read and delivered company 100."""
    _running_sandbox.reset()
    folder = tmp_path_factory.mktemp("loaded")
    ReconciledWorld(_running_sandbox, folder, SOME, companies=("100",)).run_well()
    return folder


@pytest.fixture
def world_of(loaded: Path, sandbox: Sandbox, tmp_path: Path) -> Callable[..., ReconciledWorld]:
    """A loaded world that looks at some of its entities only."""

    def make(*entities: str) -> ReconciledWorld:
        shutil.copytree(loaded, tmp_path / "world")
        return ReconciledWorld(sandbox, tmp_path / "world", entities, companies=("100",))

    return make


Worlds = Callable[..., ReconciledWorld]


def test_a_clean_state_is_reported_clean_for_every_entity(sandbox: Sandbox, tmp_path: Path) -> None:
    world = ReconciledWorld(sandbox, tmp_path, EVERYTHING, companies=("100",))
    world.run_well()
    with world.open() as workspace:
        assert all(one.adds_up for one in refresh_marts(workspace, world.flow))
    found = world.reconcile()
    assert states(found) == {ReconciliationState.CLEAN}
    assert len(found) == len(EVERYTHING)
    truth = sandbox.erp.totals()
    for one in found:
        company = truth[one.done.entity]["100"]
        assert one.done.erp_rows == one.done.found_rows == company["rows"]
        for number, name in enumerate(one.amounts):
            assert sum(group.erp.sums[number] for group in one.groups) == company[name]
        assert one.last_clean_at == one.done.started_at
    (ledger,) = [one.proof for one in found if one.proof]
    assert ledger.with_mart
    assert (ledger.unbalanced, ledger.misstated, ledger.accounts) == (0, 0, ())
    assert all(one.erp_debit == one.erp_credit == one.found_debit for one in ledger.periods)

    # Somebody puts another number into the ledger of the warehouse, and into the view that shows its balances.
    key = world.one("SELECT min(record_id) FROM gl_balances WHERE debit > 0")
    world.tamper(f"UPDATE gl_balances SET debit = debit + 5 WHERE record_id = '{key}'")
    sql = world.one("SELECT sql FROM duckdb_views() WHERE view_name = 'gl_account_balances'")
    world.tamper(
        sql.replace("CREATE VIEW", "CREATE OR REPLACE VIEW").replace(
            ", balance FROM balanced", ", balance + 1 AS balance FROM balanced"
        )
    )
    (again,) = world.reconcile(entities=["gl_balances"])
    assert differences([again]) == {key: (Finding.DIFFERENT, Standing.WRONG)}
    assert again.proof is not None
    assert again.proof.problems
    (account,) = {one.account_id for one in again.proof.accounts if one.closing != one.found}
    assert account == world.one(f"SELECT account_id FROM gl_balances WHERE record_id = '{key}'")


def test_amounts_are_added_up_by_month_and_currency(sandbox: Sandbox, world_of: Worlds) -> None:
    (found,) = world_of("supplier_invoices").reconcile()
    expected: dict[tuple[int, str], list[Decimal]] = {}
    for row in sandbox.erp.truth("supplier_invoices", "100"):
        day, currency, amount = (row[name] for name in ("accounting_date", "currency", "amount"))
        assert isinstance(day, date)
        assert isinstance(amount, Decimal)
        expected.setdefault((day.year * 100 + day.month, str(currency)), []).append(amount)
    assert {
        (one.period, one.currency): (one.erp.rows, one.erp.sums[0]) for one in found.groups
    } == {group: (len(amounts), sum(amounts)) for group, amounts in expected.items()}


@pytest.mark.parametrize(
    ("change", "finding", "why"),
    [
        (
            "UPDATE supplier_invoices SET amount = amount + 0.01 WHERE record_id = '{id}'",
            Finding.DIFFERENT,
            "changed here since",
        ),
        (
            "UPDATE supplier_invoices SET accounting_date = accounting_date - 40 WHERE record_id = '{id}'",
            Finding.DIFFERENT,
            "changed here since",
        ),
        (
            "UPDATE supplier_invoices SET currency = 'XXX' WHERE record_id = '{id}'",
            Finding.DIFFERENT,
            "changed here since",
        ),
        (
            "DELETE FROM supplier_invoices WHERE record_id = '{id}'",
            Finding.MISSING,
            "gone from here",
        ),
        (
            "UPDATE supplier_invoices SET _deleted_at = now() WHERE record_id = '{id}'",
            Finding.MISSING,
            "marked deleted here",
        ),
        (
            "INSERT INTO supplier_invoices SELECT * FROM supplier_invoices WHERE record_id = '{id}'",
            Finding.DOUBLED,
            "it is there 2 times",
        ),
        (
            "INSERT INTO supplier_invoices BY NAME SELECT * REPLACE (record_id || 'X' AS record_id)"
            " FROM supplier_invoices WHERE record_id = '{id}'",
            Finding.UNKNOWN,
            "somebody added it",
        ),
    ],
    ids=["amount", "period", "currency", "deleted", "marked", "doubled", "added"],
)
def test_what_is_changed_behind_the_connectors_back_is_found_by_its_key(
    world_of: Worlds, change: str, finding: Finding, why: str
) -> None:
    world = world_of("supplier_invoices")
    record = world.one("SELECT max(record_id) FROM supplier_invoices")
    world.tamper(change.format(id=record))
    (found,) = world.reconcile()
    assert found.done.state is ReconciliationState.DIFFERENT
    (one,) = found.differences
    assert one.record_id == (f"{record}X" if finding is Finding.UNKNOWN else record)
    assert (one.finding, one.standing) == (finding, Standing.WRONG)
    assert why in one.why
    assert found.is_wrong
    assert found.done.wrong == 1
    assert found.last_clean_at is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE supplier_invoices SET amount = amount + 0.01 WHERE record_id = '{id}'",
        "UPDATE supplier_invoices SET currency = 'XXX' WHERE record_id = '{id}'",
        "DELETE FROM supplier_invoices WHERE record_id = '{id}'",
        "UPDATE supplier_invoices SET _deleted_at = now() WHERE record_id = '{id}'",
    ],
    ids=["amount", "currency", "deleted", "marked"],
)
def test_what_was_changed_behind_the_connectors_back_is_repaired_and_told_by_its_trace(
    world_of: Worlds, change: str
) -> None:
    world = world_of("supplier_invoices")
    record = world.one("SELECT max(record_id) FROM supplier_invoices")
    stored = f"SELECT supplier_invoices FROM supplier_invoices WHERE record_id = '{record}'"
    before = world.one(stored)
    world.tamper(change.format(id=record))
    (found,) = world.reconcile()
    assert found.is_wrong
    assert found.restorable == (record,)

    mended = world.mend([found])
    (repair,) = mended.repairs
    assert (repair.sent, repair.error) == (1, "")
    assert repair.counts.inserted + repair.counts.updated == 1
    assert states(mended.comparisons) == {ReconciliationState.CLEAN}
    after = world.one(stored)
    assert after == before | {"_batch_id": after["_batch_id"]}
    with world.open() as workspace:
        (story,) = trace(workspace, record, entity="supplier_invoices")
        assert story.events[-1].detail == REPAIRED
        assert story.events[-1].where == "warehouse.erp"
    assert world.mend(mended.comparisons).repairs == ()  # there is nothing left to do
    with world.open() as workspace:
        verified = verify_delivery(
            workspace,
            world.flow,
            world.flow.destinations[0],
            entity="supplier_invoices",
            companies=["100"],
            run_id="check",
        )
    assert verified.problems == ()  # a row that came back is not one row more


def test_a_repair_sends_what_it_can_put_right_and_the_rest_is_left(world_of: Worlds) -> None:
    world = world_of("supplier_invoices")
    first, last = (
        world.one(f"SELECT {one}(record_id) FROM supplier_invoices") for one in ("min", "max")
    )
    world.tamper(f"DELETE FROM supplier_invoices WHERE record_id = '{first}'")
    world.tamper(
        "INSERT INTO supplier_invoices BY NAME SELECT * REPLACE (record_id || 'X' AS record_id)"
        f" FROM supplier_invoices WHERE record_id = '{last}'"
    )
    found = world.reconcile()
    assert restorable_records(found) == 1
    mended = world.mend(found)
    assert [one.sent for one in mended.repairs] == [1]
    assert differences(mended.comparisons) == {f"{last}X": (Finding.UNKNOWN, Standing.WRONG)}
    assert "delete it there" in the_difference(mended.comparisons).why


@pytest.mark.parametrize("how", ["run", "replay", "repair"])
def test_a_repair_that_died_before_its_delivery_is_still_a_repair(
    world_of: Worlds, how: str
) -> None:
    world = world_of("supplier_invoices")
    record = world.one("SELECT max(record_id) FROM supplier_invoices")
    world.tamper(f"UPDATE supplier_invoices SET amount = 0 WHERE record_id = '{record}'")
    found = world.reconcile()
    path = world.settings.home / "warehouse.duckdb"
    away = path.rename(path.with_suffix(".away"))
    path.write_text("this is no database")
    mended = world.mend(found)
    (repair,) = mended.failed
    assert (repair.sent, repair.waiting, "warehouse.duckdb" in repair.error) == (1, 1, True)
    away.replace(path)

    found = world.reconcile()
    waiting = the_difference(found)
    assert (waiting.standing, waiting.why) == (
        Standing.IN_FLIGHT,
        "read, and not delivered here yet",
    )
    if how == "run":
        world.run_well()
    elif how == "replay":
        with world.open() as workspace:
            (overdue,) = choose_overdue(workspace, world.flow, entity="supplier_invoices")
            assert (overdue.batches, overdue.repairs) == (1, 1)
            (done,) = deliver_overdue(workspace, world.flow, [overdue], run_id="replay")
        assert (done.counts.updated, done.error) == (1, "")
    else:
        with world.open() as workspace:
            assert unfinished_records(workspace, found) == 1
        (repair,) = world.mend(found).repairs
        assert (repair.sent, repair.resumed, repair.waiting) == (0, 1, 0)
        assert repair.counts.updated == 1
    assert states(world.reconcile()) == {ReconciliationState.CLEAN}
    with world.open() as workspace:
        (story,) = trace(workspace, record, entity="supplier_invoices")
    assert story.events[-1].detail == REPAIRED


def test_a_mark_that_was_taken_away_is_put_back(sandbox: Sandbox, world_of: Worlds) -> None:
    world = world_of("suppliers")
    sandbox.erp.delete("suppliers", 1, "100")
    for _ in range(2):
        sandbox.clock.advance(minutes=1)
        with world.open() as workspace:
            sweep_flow(workspace, world.flow, run_id="sweep")
    world.tamper("UPDATE suppliers SET _deleted_at = NULL")
    found = world.reconcile()
    assert the_difference(found).why.startswith("known to be deleted in the ERP")
    mended = world.mend(found)
    assert [one.counts.deleted for one in mended.repairs] == [1]
    assert states(mended.comparisons) == {ReconciliationState.CLEAN}


def test_both_values_of_a_changed_amount_are_shown(world_of: Worlds) -> None:
    world = world_of("supplier_invoices")
    record = world.one("SELECT min(record_id) FROM supplier_invoices")
    world.tamper(
        f"UPDATE supplier_invoices SET amount = amount + 1000 WHERE record_id = '{record}'"
    )
    one = the_difference(world.reconcile())
    assert Decimal(one.found["amount"]) - Decimal(one.erp["amount"]) == 1000
    assert one.found["currency"] == one.erp["currency"]


def test_a_value_that_a_person_edited_on_purpose_is_told_and_is_not_red(world_of: Worlds) -> None:
    world = world_of("supplier_invoices")
    record = world.one("SELECT min(record_id) FROM supplier_invoices")
    amount = world.one(f"SELECT amount FROM supplier_invoices WHERE record_id = '{record}'")
    with world.open() as workspace:
        workspace.ledger.record_edit(
            NewEdit(
                letter_id=1,
                tenant="acme",
                entity="supplier_invoices",
                company="100",
                destination="warehouse.erp",
                record_id=record,
                column="amount",
                erp_value=str(amount),
                new_value=str(amount + 1000),
                base_hash="",
                base_modified_at=None,
                base_extracted_at=workspace.now(),
                edited_by="ana",
                reason="ticket 7",
            )
        )
    edited = f"UPDATE supplier_invoices SET amount = {amount + 1000} WHERE record_id = '{record}'"
    world.tamper(edited)
    found = world.reconcile()
    one = the_difference(found)
    assert (one.record_id, one.finding, one.standing) == (
        record,
        Finding.DIFFERENT,
        Standing.WAITING,
    )
    assert one.why == "edited on purpose by ana, amount: ticket 7"
    assert states(found) == {ReconciliationState.IN_FLIGHT}

    world.tamper(edited.replace(str(amount + 1000), str(amount + 1001)))
    assert the_difference(world.reconcile()).standing is Standing.WRONG


def test_what_the_erp_changed_after_the_last_read_is_in_flight(
    sandbox: Sandbox, world_of: Worlds
) -> None:
    world = world_of("purchase_orders")
    sandbox.clock.advance(hours=1)
    row = sandbox.erp.truth("purchase_orders", "100")[0]
    sandbox.erp.write("purchase_orders", row, "net_amount", "987654.32")
    sandbox.erp.insert("purchase_orders", 3, "100")
    found = world.reconcile()
    assert states(found) == {ReconciliationState.IN_FLIGHT}
    assert not any(one.is_wrong for one in found)
    assert [*differences(found).values()].count((Finding.MISSING, Standing.IN_FLIGHT)) == 3
    assert (Finding.DIFFERENT, Standing.IN_FLIGHT) in differences(found).values()
    world.run_well()
    assert states(world.reconcile()) == {ReconciliationState.CLEAN}


def test_what_was_read_and_not_delivered_is_in_flight(sandbox: Sandbox, world_of: Worlds) -> None:
    world = world_of("suppliers")
    sandbox.clock.advance(hours=1)
    sandbox.erp.insert("suppliers", 2, "100")
    with world.open() as workspace, workspace.source("acme") as source:
        extract_company(
            workspace,
            source,
            world.flow,
            entity="suppliers",
            company="100",
            mode=ReadMode.INCREMENTAL,
            run_id="half",
        )
    found = world.reconcile()
    assert [one.why for one in found[0].differences] == ["read, and not delivered here yet"] * 2
    assert states(found) == {ReconciliationState.IN_FLIGHT}


def test_what_the_connector_missed_is_wrong(sandbox: Sandbox, world_of: Worlds) -> None:
    """A change with a stamp from before the last read: no read to come will bring it."""
    world = world_of("purchase_orders")
    sandbox.clock.advance(days=5)
    world.run_well()
    long_ago = sandbox.clock.today() - timedelta(days=15)
    sandbox.erp.insert("purchase_orders", 1, "100", day=long_ago)
    one = the_difference(world.reconcile())
    assert (one.finding, one.standing) == (Finding.MISSING, Standing.WRONG)
    assert "the connector should have read this" in one.why


def test_an_excuse_holds_once(sandbox: Sandbox, world_of: Worlds) -> None:
    """M3's list of suppliers tells no change date, so a new one may be under way; after a read it should be there."""
    world = world_of("suppliers")
    sandbox.erp.insert("suppliers", 1, "100", day=sandbox.clock.today() - timedelta(days=15))
    first = the_difference(world.reconcile())
    assert first.standing is Standing.IN_FLIGHT
    assert the_difference(world.reconcile()).standing is Standing.IN_FLIGHT
    sandbox.clock.advance(hours=1)
    world.run_well()
    second = the_difference(world.reconcile())
    assert (second.standing, second.record_id) == (Standing.WRONG, first.record_id)
    assert second.first_seen_at is not None
    assert second.first_seen_at < sandbox.clock.now() - timedelta(minutes=59)


def test_what_the_erp_deleted_waits_for_the_key_sweep_and_not_for_ever(
    sandbox: Sandbox, world_of: Worlds
) -> None:
    world = world_of("suppliers")
    sandbox.erp.delete("suppliers", 1, "100")
    one = the_difference(world.reconcile())
    assert (one.finding, one.standing) == (Finding.UNKNOWN, Standing.WRONG)  # nobody sweeps
    assert "run ml-connector sweep" in one.why
    world.sweeps = SweepSettings(schedule=Schedule(every="day"))
    assert the_difference(world.reconcile()).standing is Standing.IN_FLIGHT
    for _ in range(2):
        sandbox.clock.advance(minutes=1)
        with world.open() as workspace:
            sweep_flow(workspace, world.flow, run_id="sweep")
    assert states(world.reconcile()) == {ReconciliationState.CLEAN}


def test_changes_alone_cost_little_and_find_what_was_not_delivered(
    sandbox: Sandbox, world_of: Worlds
) -> None:
    world = world_of("purchase_orders")
    world.reconcile()
    sandbox.clock.advance(days=1)
    since = sandbox.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    (key,) = sandbox.erp.insert("purchase_orders", 1, "100")
    world.run_well()
    world.tamper(f"DELETE FROM purchase_orders WHERE purchase_order_id = '{key[1]}'")
    before = len(sandbox.requests("ACME_TST"))
    (found,) = world.reconcile(since=since)
    asked = sandbox.requests("ACME_TST")[before:]
    assert len(asked) <= 2, [one.path for one in asked]
    assert found.done.erp_rows == 1
    assert differences([found]) == {f"acme/100/{key[1]}": (Finding.MISSING, Standing.WRONG)}


def test_one_period_is_compared_alone(world_of: Worlds) -> None:
    world = world_of("supplier_invoices")
    months = "SELECT {} (accounting_date) FROM supplier_invoices"
    first, last = world.one(months.format("min")), world.one(months.format("max"))
    world.tamper(f"UPDATE supplier_invoices SET amount = 0 WHERE accounting_date = '{first}'")
    (other,) = world.reconcile(period=last.year * 100 + last.month)
    assert other.done.state is ReconciliationState.CLEAN
    assert [one.period for one in other.groups] == [last.year * 100 + last.month] * len(
        other.groups
    )
    (same,) = world.reconcile(period=first.year * 100 + first.month)
    assert same.done.state is ReconciliationState.DIFFERENT


def test_a_destination_that_is_away_is_a_failure_and_no_verdict(world_of: Worlds) -> None:
    world = world_of("suppliers")
    (clean,) = world.reconcile()
    path = world.settings.home / "warehouse.duckdb"
    path.rename(path.with_suffix(".away"))
    path.write_text("this is no database")
    (found,) = world.reconcile()
    assert found.done.state is ReconciliationState.FAILED
    assert "warehouse.duckdb" in found.done.reason
    assert found.last_clean_at == clean.done.started_at


def test_the_ledger_keeps_when_each_table_was_last_clean(
    sandbox: Sandbox, world_of: Worlds
) -> None:
    world = world_of("suppliers")
    (clean,) = world.reconcile()
    sandbox.clock.advance(days=1)
    world.tamper("DELETE FROM suppliers")
    (wrong,) = world.reconcile()
    assert (wrong.done.wrong, wrong.last_clean_at) == (clean.done.erp_rows, clean.done.started_at)
    with world.open() as workspace:
        (last,) = workspace.ledger.last_reconciliations("acme", "warehouse.erp")
        assert last == wrong.done
        kept = workspace.ledger.differences(
            tenant="acme", destination="warehouse.erp", entity="suppliers", company="100"
        )
    assert [one.record_id for one in kept] == [one.record_id for one in wrong.differences]
