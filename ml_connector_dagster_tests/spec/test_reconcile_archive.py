"""Monday.com's archive and reconciliation: what somebody takes out of it or puts into it is told as it is, and repaired.

The API does not restore: what was archived by hand comes back as a new item, and the report says so.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Finding,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.monday import MondayOptions
from ml_connector_dagster.sandbox.monday.boards import Item
from ml_connector_dagster.sync.reconcile.repairing import Repair, mend
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster.sync.verify import verify_delivery
from ml_connector_dagster_tests.application_worlds import ApplicationWorld
from ml_connector_dagster_tests.monday_stand import MondayStand


ENTITY = "suppliers"


@pytest.fixture(scope="module")
def stand() -> Iterator[MondayStand]:
    made = MondayStand(MondayOptions(tier="enterprise"))
    yield made
    made.close()


@pytest.fixture
def world(sandbox: Sandbox, stand: MondayStand, tmp_path: Path) -> ApplicationWorld:
    stand.reset()
    mapping = EntityMapping.model_validate({"filter": [{"column": "status", "equals": "20"}]})
    made = ApplicationWorld(
        sandbox, tmp_path, (ENTITY,), companies=("100",), stand=stand, mapping={ENTITY: mapping}
    )
    for one in sandbox.erp.truth(ENTITY, "100"):
        status(made, str(one["supplier_id"]), "20")
    made.set_up()
    made.run_well()
    return made


def status(world: ApplicationWorld, supplier: str, value: str) -> None:
    world.sandbox.erp.set_field("CIDMAS", {"CONO": 100, "SUNO": supplier}, "STAT", value)


def some_supplier(world: ApplicationWorld) -> str:
    return max(str(one["supplier_id"]) for one in world.sandbox.erp.truth(ENTITY, "100"))


def items(world: ApplicationWorld, supplier: str) -> list[Item]:
    """All that the board ever had of it, oldest first."""
    mapped = world.mapped(ENTITY)
    assert isinstance(world.stand, MondayStand)
    boards = {one.name: one for one in world.stand.sandbox.account.boards.values()}
    board = boards[mapped.placement.object]
    (key,) = [one.id for one in board.columns.values() if one.title == "ERP key"]
    wanted = mapped.external_id(f"acme/100/{supplier}")
    return [
        item
        for item in board.items.values()
        if (cell := item.cells.get(key)) is not None and cell.text == wanted
    ]


def reconcile(world: ApplicationWorld) -> Comparison:
    with world.open() as workspace:
        (found,) = reconcile_flow(workspace, world.flow, Request(run_id="reconcile"))
    return found


def the_difference(found: Comparison) -> Difference:
    (one,) = found.differences
    return one


def repaired(world: ApplicationWorld, found: Comparison) -> Repair:
    """The repair, after which nothing differs."""
    with world.open() as workspace:
        mended = mend(workspace, world.flow, Request(run_id="mend"), (found,))
    assert [one.done.state for one in mended.comparisons] == [ReconciliationState.CLEAN]
    (repair,) = mended.repairs
    assert repair.error == ""
    return repair


def row_problems(world: ApplicationWorld) -> tuple[str, ...]:
    with world.open() as workspace:
        return verify_delivery(
            workspace,
            world.flow,
            world.flow.destinations[0],
            entity=ENTITY,
            companies=["100"],
            run_id="check",
        ).problems


def test_an_item_that_somebody_archived_comes_back_as_a_new_one_and_that_is_said(
    world: ApplicationWorld,
) -> None:
    supplier = some_supplier(world)
    (old,) = items(world, supplier)
    old.state = "archived"
    found = reconcile(world)
    one = the_difference(found)
    assert (one.finding, one.standing) == (Finding.MISSING, Standing.WRONG)
    assert "--repair makes it anew: what stood in the old one besides stays with that" in one.why
    assert repaired(world, found).counts.updated == 1
    assert [item.state for item in items(world, supplier)] == ["archived", "active"]
    assert row_problems(world) == ()
    world.assert_application_equals_the_oracle()


def test_an_item_that_the_filter_dropped_and_somebody_brought_back_is_archived_again(
    world: ApplicationWorld,
) -> None:
    supplier = some_supplier(world)
    world.sandbox.clock.advance(minutes=5)
    status(world, supplier, "90")
    world.run_well()
    (item,) = items(world, supplier)
    assert item.state == "archived"
    assert reconcile(world).done.state is ReconciliationState.CLEAN

    item.state = "active"
    found = reconcile(world)
    one = the_difference(found)
    assert (one.finding, one.standing) == (Finding.UNKNOWN, Standing.WRONG)
    assert "the flow's filter keeps it out, and it is here" in one.why
    assert "--repair archives it" in one.why
    assert "(+1)" in row_problems(world)[0]
    assert repaired(world, found).counts.deleted == 1
    assert [item.state for item in items(world, supplier)] == ["archived"]
    assert row_problems(world) == ()

    # Wanted again: a new item, whatever was repaired before.
    world.sandbox.clock.advance(minutes=5)
    status(world, supplier, "20")
    world.run_well()
    assert reconcile(world).done.state is ReconciliationState.CLEAN
    assert row_problems(world) == ()


def test_an_item_of_a_deleted_record_that_somebody_brought_back_is_archived_again(
    world: ApplicationWorld,
) -> None:
    before = {str(one["supplier_id"]) for one in world.sandbox.erp.truth(ENTITY, "100")}
    world.sandbox.erp.delete(ENTITY, 1, "100")
    (gone,) = before - {str(one["supplier_id"]) for one in world.sandbox.erp.truth(ENTITY, "100")}
    for _ in range(2):
        world.sandbox.clock.advance(minutes=1)
        with world.open() as workspace:
            sweep_flow(workspace, world.flow, run_id="sweep")
    (item,) = items(world, gone)
    assert item.state == "archived"

    item.state = "active"
    found = reconcile(world)
    one = the_difference(found)
    assert one.standing is Standing.WRONG
    assert "known to be deleted in the ERP, and it is here again" in one.why
    assert repaired(world, found).counts.deleted == 1
    assert [item.state for item in items(world, gone)] == ["archived"]
    assert row_problems(world) == ()
