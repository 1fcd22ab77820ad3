"""Records that the ERP deleted: found by two sweeps, marked in the warehouse, never on weak evidence."""

from pathlib import Path

import pytest

from ml_connector_dagster.config.sweeps import Sweep as SweepSettings
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.sweeps import SweepState
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.erp.erp import RecordKey
from ml_connector_dagster.sandbox.faults import Fault
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.sweep import SweepResult, sweep_flow
from ml_connector_dagster_tests.world import World


class SweptWorld(World):
    """A world that can sweep."""

    def sweep(
        self, *entities: str, dry_run: bool = False, brake_percent: float | None = None
    ) -> tuple[SweepResult, ...]:
        self.runs += 1
        with self.open() as workspace:
            return sweep_flow(
                workspace,
                self.flow,
                run_id=f"sweep-{self.runs}",
                entities=entities,
                dry_run=dry_run,
                brake_percent=brake_percent,
            )

    def sweep_well(self, *entities: str) -> tuple[SweepResult, ...]:
        results = self.sweep(*entities)
        assert [one.problems for one in results if one.problems] == []
        return results

    def marked(self, entity: str) -> set[RecordKey]:
        """The keys of the records that are marked deleted, company first."""
        return {
            tuple(record_id.split("/")[1:])
            for record_id, row in self.found(entity).items()
            if row["_deleted_at"] is not None
        }

    def ledger(self) -> Ledger:
        return Ledger.open(self.settings.ledger_url, now=self.sandbox.clock.now)


def world_of(sandbox: Sandbox, folder: Path, *entities: str) -> SweptWorld:
    return SweptWorld(sandbox, folder, entities or ("suppliers",))


def texts(keys: list[RecordKey]) -> set[RecordKey]:
    return {tuple(str(part) for part in key) for key in keys}


def test_a_deleted_record_is_marked_after_two_sweeps_and_keeps_its_values(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    world.run_well()
    before = world.found("suppliers")
    gone = texts(sandbox.erp.delete("suppliers", 2, "100"))

    first = world.sweep_well()
    assert world.marked("suppliers") == set()
    assert [(one.sweep.company, one.sweep.missed, one.sweep.marked) for one in first] == [
        ("100", 2, 0),
        ("200", 0, 0),
    ]
    second = world.sweep_well()
    assert world.marked("suppliers") == gone
    assert [one.counts.deleted for one in second] == [2, 0]

    after = world.found("suppliers")
    assert after.keys() == before.keys()
    for record_id, row in after.items():
        if row["_deleted_at"] is not None:
            bookkeeping = {"_deleted_at", "_extracted_at", "_batch_id", "_run_id", "_row_hash"}
            assert {k: v for k, v in row.items() if k not in bookkeeping} == {
                k: v for k, v in before[record_id].items() if k not in bookkeeping
            }
        else:
            assert row == before[record_id]
    third = world.sweep_well()
    assert [(one.sweep.missed, one.sweep.marked) for one in third] == [(0, 0), (0, 0)]


def test_a_sweep_asks_for_keys_only(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path)
    world.run_well()
    world.sweep_well()
    before = len(sandbox.requests("ACME_TST"))
    world.sweep_well()
    asked = sandbox.requests("ACME_TST")[before:]
    # No Get transaction for each record, and of each record its key and position.
    assert {one.path.split("/execute/")[-1].split(";")[0] for one in asked} == {
        "CRS620MI/LstSuppliers"
    }
    assert all("returncols=SUNO" in one.path.replace("%2C", ",") for one in asked)


def test_a_record_that_is_read_between_two_sweeps_was_missed_only_once(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    world.run_well()
    (key,) = sandbox.erp.delete("suppliers", 1, "100")
    world.sweep_well()
    sandbox.erp.reset()
    world.run(ReadMode.FULL)
    sandbox.erp.delete("suppliers", keys=[key])
    world.sweep_well()
    assert world.marked("suppliers") == set()
    world.sweep_well()
    assert world.marked("suppliers") == texts([key])


def test_a_record_that_comes_back_loses_its_mark_by_the_sweep(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    world.run_well()
    sandbox.erp.delete("suppliers", 1, "100")
    world.sweep_well()
    world.sweep_well()
    assert len(world.marked("suppliers")) == 1
    sandbox.erp.reset()  # restored from a backup: with its old change date, no ordinary read brings it
    world.run_well()
    assert len(world.marked("suppliers")) == 1
    results = world.sweep_well()
    assert [one.sweep.returned for one in results] == [1, 0]
    assert world.marked("suppliers") == set()
    world.assert_equals_the_erp()


def test_a_record_that_is_made_anew_loses_its_mark_by_the_ordinary_read(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    world.run_well()
    (key,) = sandbox.erp.delete("suppliers", 1, "100")
    world.sweep_well()
    world.sweep_well()
    sandbox.erp.reset()
    sandbox.erp.change("suppliers", keys=[key])
    world.run_well()
    assert world.marked("suppliers") == set()
    world.assert_equals_the_erp()
    assert [one.sweep.returned for one in world.sweep_well()] == [0, 0]


def test_lines_go_with_their_order_and_companies_apart(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path, "purchase_orders", "purchase_order_lines")
    world.run_well()
    (gone,) = texts(sandbox.erp.delete("purchase_orders", 1, "200"))
    world.sweep_well()
    world.sweep_well()
    assert world.marked("purchase_orders") == {gone}
    lines = world.marked("purchase_order_lines")
    assert lines
    assert {key[:2] for key in lines} == {gone}


@pytest.mark.parametrize(
    "entity", ["gl_balances", "gl_accounts", "supplier_invoice_lines", "payments", "items"]
)
def test_a_sweep_of_what_is_all_there_misses_nothing(
    sandbox: Sandbox, tmp_path: Path, entity: str
) -> None:
    world = world_of(sandbox, tmp_path, entity)
    world.run_well()
    for one in world.sweep_well():
        assert one.sweep.known == one.sweep.seen == len(world.found(entity, one.sweep.company))
        assert one.sweep.missed == one.sweep.returned == 0


def test_a_sweep_that_misses_more_than_the_brake_allows_marks_nothing_and_says_so(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path, "purchase_order_lines")
    world.run_well()
    known = len(world.found("purchase_order_lines", "100"))
    gone = texts(sandbox.erp.delete("purchase_order_lines", 21, "100"))
    for _ in range(3):
        braked, other = world.sweep()
        assert braked.sweep.state is SweepState.BRAKED
        assert f"21 of {known:,} known records were not among" in braked.problems[0]
        assert other.problems == ()
    assert world.marked("purchase_order_lines") == set()
    with world.ledger() as ledger:
        assert ledger.sweeps.sightings("acme", "purchase_order_lines", "100") == {}
    # Whoever knows better says so, and still it takes two.
    world.sweep(brake_percent=99)
    assert world.marked("purchase_order_lines") == set()
    world.sweep(brake_percent=99)
    assert world.marked("purchase_order_lines") == gone


def test_a_list_that_is_suddenly_empty_is_not_believed(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path)
    world.companies = ("100",)
    world.run_well()
    known = len(world.found("suppliers"))
    assert known <= SweepSettings(brake_records=known).brake_records
    sandbox.erp.delete("suppliers", known, "100")
    (result,) = world.sweep(brake_percent=99.0)
    assert result.sweep.state is SweepState.BRAKED


def test_a_list_that_breaks_off_is_no_sighting(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path)
    world.companies = ("100",)
    world.page_rows = 5
    world.run_well()
    world.sweep_well()
    sandbox.erp.delete("suppliers", 1, "100")
    for nth in (1, 3):
        sandbox.faults.add(
            Fault(kind="error_in_200", transaction="LstSuppliers", nth=nth, times=None)
        )
        (failed,) = world.sweep()
        sandbox.faults.clear()
        assert failed.sweep.state is SweepState.FAILED
        assert failed.problems
    with world.ledger() as ledger:
        assert ledger.sweeps.sightings("acme", "suppliers", "100") == {}
    world.sweep_well()
    assert world.marked("suppliers") == set()
    world.sweep_well()
    assert len(world.marked("suppliers")) == 1


def test_a_dry_run_says_what_would_be_marked_and_writes_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path)
    world.run_well()
    sandbox.erp.delete("suppliers", 1, "100")
    world.sweep(dry_run=True)
    world.sweep_well()
    assert [one.sweep.marked for one in world.sweep(dry_run=True)] == [1, 0]
    assert world.marked("suppliers") == set()
    with world.ledger() as ledger:
        assert len(ledger.sweeps.last("acme")) == 2
        assert len(ledger.sweeps.sightings("acme", "suppliers", "100")) == 1


def test_the_ledger_tells_when_each_table_was_last_swept(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path, "suppliers", "items")
    world.run_well()
    world.sweep_well("items")
    with world.ledger() as ledger:
        found = ledger.sweeps.last("acme", state=SweepState.COMPLETE)
    assert [(one.entity, one.company, one.seen) for one in found] == [
        ("items", company, len(world.found("items", company))) for company in ("100", "200")
    ]
