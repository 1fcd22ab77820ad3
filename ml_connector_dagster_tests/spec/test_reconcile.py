"""Reconciliation: what was changed behind the connector's back is found by its key; what is under way is no error."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml_connector_dagster.config.reconciling import Reconcile
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.sweeps import Sweep as SweepSettings
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Finding,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.marts import refresh_marts
from ml_connector_dagster.sync.reconcile.run import Comparison, Request, reconcile_flow
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster_tests.world import World


Found = tuple[Finding, Standing]


class ReconciledWorld(World):
    """A world that can compare, and whose warehouse somebody else can write to."""

    def reconcile(self, **what: Any) -> tuple[Comparison, ...]:
        self.runs += 1
        with self.open() as workspace:
            request = Request(run_id=f"reconcile-{self.runs}", **what)
            return reconcile_flow(workspace, self.flow, request)

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


EVERYTHING = (
    "suppliers",
    "customers",
    "items",
    "purchase_orders",
    "purchase_order_lines",
    "supplier_invoices",
    "supplier_invoice_lines",
    "payments",
    "gl_accounts",
    "gl_dimensions",
    "gl_balances",
)


def test_a_clean_state_is_reported_clean_for_every_entity(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = ReconciledWorld(sandbox, tmp_path, EVERYTHING)
    world.run_well()
    with world.open() as workspace:
        assert all(one.adds_up for one in refresh_marts(workspace, world.flow))
    found = world.reconcile()
    assert states(found) == {ReconciliationState.CLEAN}
    assert len(found) == len(EVERYTHING) * 2
    truth = sandbox.erp.totals()
    for one in found:
        company = truth[one.done.entity][one.done.company]
        assert one.done.erp_rows == one.done.found_rows == company["rows"]
        for number, name in enumerate(one.amounts):
            assert sum(group.erp.sums[number] for group in one.groups) == company[name]
    (ledger,) = [one.proof for one in found if one.proof and one.done.company == "100"]
    assert ledger is not None
    assert ledger.with_mart
    assert (ledger.unbalanced, ledger.misstated, ledger.accounts) == (0, 0, ())
    assert all(one.erp_debit == one.erp_credit == one.found_debit for one in ledger.periods)


def test_amounts_are_added_up_by_month_and_currency(sandbox: Sandbox, tmp_path: Path) -> None:
    world = ReconciledWorld(sandbox, tmp_path, ("supplier_invoices",), companies=("100",))
    world.run_well()
    (found,) = world.reconcile()
    expected: dict[tuple[int, str], list[Decimal]] = {}
    for row in sandbox.erp.truth("supplier_invoices", "100"):
        day = row["accounting_date"]
        expected.setdefault((day.year * 100 + day.month, row["currency"]), []).append(row["amount"])
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
    sandbox: Sandbox, tmp_path: Path, change: str, finding: Finding, why: str
) -> None:
    world = ReconciledWorld(sandbox, tmp_path, ("supplier_invoices",))
    world.run_well()
    record = world.one("SELECT max(record_id) FROM supplier_invoices WHERE company = '100'")
    world.tamper(change.format(id=record))
    found = world.reconcile()
    assert [one.done.state for one in found] == [
        ReconciliationState.DIFFERENT,
        ReconciliationState.CLEAN,
    ]
    one = the_difference(found)
    assert one.record_id == (f"{record}X" if finding is Finding.UNKNOWN else record)
    assert (one.finding, one.standing) == (finding, Standing.WRONG)
    assert why in one.why
    assert found[0].is_wrong
    assert found[0].done.wrong == 1


def test_both_values_of_a_changed_amount_are_shown(sandbox: Sandbox, tmp_path: Path) -> None:
    world = ReconciledWorld(sandbox, tmp_path, ("payments",), companies=("100",))
    world.run_well()
    record = world.one("SELECT min(record_id) FROM payments")
    world.tamper(f"UPDATE payments SET amount = amount + 1000 WHERE record_id = '{record}'")
    one = the_difference(world.reconcile())
    assert Decimal(one.found["amount"]) - Decimal(one.erp["amount"]) == 1000
    assert one.found["currency"] == one.erp["currency"]


def test_what_the_erp_changed_after_the_last_read_is_in_flight(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = ReconciledWorld(sandbox, tmp_path, ("purchase_orders",), companies=("100",))
    world.run_well()
    sandbox.clock.advance(timedelta(hours=1))
    sandbox.erp.change("purchase_orders", 2, "100")
    sandbox.erp.insert("purchase_orders", 3, "100")
    found = world.reconcile()
    assert states(found) == {ReconciliationState.IN_FLIGHT}
    assert not any(one.is_wrong for one in found)
    assert {standing for _, standing in differences(found).values()} == {Standing.IN_FLIGHT}
    world.run_well()
    assert states(world.reconcile()) == {ReconciliationState.CLEAN}


def test_what_was_read_and_not_delivered_is_in_flight(sandbox: Sandbox, tmp_path: Path) -> None:
    world = ReconciledWorld(sandbox, tmp_path, ("suppliers",), companies=("100",))
    world.points.passed.clear()
    while (point := world.crash(at=len(world.points.passed) + 1)) and "delivered" not in point:
        with world.open() as workspace:
            pending = workspace.ledger.pending(
                destination="warehouse.erp", tenant="acme", entity="suppliers", companies=["100"]
            )
        if pending:
            break
    found = world.reconcile()
    assert {one.why for one in found[0].differences} == {"read, and not delivered here yet"}
    assert states(found) == {ReconciliationState.IN_FLIGHT}


def test_what_the_connector_missed_is_wrong(sandbox: Sandbox, tmp_path: Path) -> None:
    """A change with a stamp from before the last read: no read to come will bring it."""
    world = ReconciledWorld(sandbox, tmp_path, ("purchase_orders",), companies=("100",))
    world.run_well()
    sandbox.clock.advance(timedelta(days=5))
    world.run_well()
    long_ago = sandbox.clock.today() - timedelta(days=15)
    sandbox.erp.change("purchase_orders", 1, "100", day=long_ago)
    one = the_difference(world.reconcile())
    assert (one.finding, one.standing) == (Finding.DIFFERENT, Standing.WRONG)
    assert "the connector should have read this" in one.why
