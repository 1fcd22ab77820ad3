"""A whole flow, run again and again: what is written is what changed, no more and no less."""

from pathlib import Path

from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.world import World


def test_every_entity_of_every_company_arrives_and_a_second_run_writes_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = World(sandbox, tmp_path, tuple(ENTITIES))
    first = world.run_well()
    assert sum(result.counts.inserted for result in first) == sum(
        len(sandbox.erp.truth(entity)) for entity in ENTITIES
    )
    world.assert_equals_the_erp()

    assert sum(result.counts.written for result in world.run_well()) == 0


def test_thirty_changes_are_thirty_updates_one_of_them_on_the_day_of_the_last_run(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = World(sandbox, tmp_path, ("suppliers", "items", "purchase_orders"))
    world.run_well()
    (same_day,) = sandbox.erp.change("items", 1, "100", seed=1)
    sandbox.clock.advance(days=1)
    changed = {"items": {same_day}}
    changed["items"] |= set(
        sandbox.erp.change(
            "items",
            keys=[key_of for key_of in _keys(sandbox, "items") if key_of != same_day][:11],
        )
    )
    for entity, count in (("suppliers", 10), ("purchase_orders", 8)):
        changed[entity] = set(sandbox.erp.change(entity, count))

    results = world.run_well()

    updated = {
        entity: sum(result.counts.updated for result in results if result.entity == entity)
        for entity in changed
    }
    assert updated == {entity: len(keys) for entity, keys in changed.items()}
    assert sum(updated.values()) == 30
    assert sum(result.counts.inserted for result in results) == 0
    world.assert_equals_the_erp()


def test_the_story_of_a_record_tells_when_it_was_read_where_it_went_and_what_changed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = World(sandbox, tmp_path, ("suppliers",), companies=("100",))
    world.run_well()
    ((company, supplier),) = sandbox.erp.change("suppliers", 1, "100")
    sandbox.clock.advance(hours=2)
    world.run_well()

    with world.open() as workspace:
        (story,) = trace(workspace, f"acme/{company}/{supplier}")

    assert [(event.what, event.where, event.outcome) for event in story.events] == [
        ("read", story.events[0].where, "first seen"),
        ("delivered", "warehouse.erp", "inserted"),
        ("read", story.events[2].where, "changed"),
        ("delivered", "warehouse.erp", "updated"),
    ]
    assert story.events[2].changes
    assert story.events[0].batch_id == story.events[1].batch_id


def test_what_was_read_is_told_also_when_it_did_not_arrive(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = World(sandbox, tmp_path, ("purchase_orders",), companies=("100",))
    order = str(sandbox.erp.truth("purchase_orders", "100")[0]["purchase_order_id"])
    sandbox.erp.set_field("MPHEAD", {"CONO": 100, "PUNO": order}, "PUNO", "")
    (world.settings.home / "warehouse.duckdb").write_text("not a database")

    (result,) = world.run()

    assert "warehouse.duckdb" in result.error
    assert result.rows == len(sandbox.erp.truth("purchase_orders", "100")) - 1
    assert result.dead_letters == 1


def _keys(sandbox: Sandbox, entity: str) -> list[tuple[str, ...]]:
    return [
        (row["company"], *(row[name] for name in ENTITIES[entity].key))
        for row in sandbox.erp.truth(entity)
    ]
