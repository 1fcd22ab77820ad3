"""Deleted records at applications: archived where they can be, marked where a field says so; and back again."""

from pathlib import Path

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster_tests.application_worlds import ApplicationWorld, Stand, application_world


def test_what_two_sweeps_miss_leaves_the_application_and_comes_back_with_the_record(
    sandbox: Sandbox, stand: Stand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers", "purchase_orders")
    world.run_well()
    orders = len(sandbox.erp.truth("purchase_orders", "100"))
    sandbox.erp.delete("purchase_orders", 2, "100")
    assert swept(world) == (0, 0)
    assert swept(world) == (2, 0)
    # Monday.com archives, Salesforce has a field for it: both say so when they are asked.
    assert live_and_deleted(world) == (orders - 2, 2)
    sandbox.erp.reset()
    assert swept(world) == (0, 2)
    assert live_and_deleted(world) == (orders, 0)
    world.assert_application_equals_the_oracle()


def swept(world: ApplicationWorld) -> tuple[int, int]:
    """Sweep; how many records were marked, and how many lost their mark."""
    with world.open() as workspace:
        results = sweep_flow(workspace, world.flow, run_id="sweep")
    assert [one.problems for one in results if one.problems] == []
    return sum(one.sweep.marked for one in results), sum(one.sweep.returned for one in results)


def live_and_deleted(world: ApplicationWorld) -> tuple[int, int]:
    """What the application says about its orders."""
    with (
        world.open() as workspace,
        workspace.destination(world.flow.destinations[0]) as destination,
    ):
        facts = destination.inspect(ENTITIES["purchase_orders"], Scope(tenant="acme"))
    return facts.rows, facts.deleted
