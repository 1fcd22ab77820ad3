"""What a clean-up removes, what it leaves, and what is left of it when it dies."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from ml_connector_dagster.config.project import FlowDestination
from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.cleanup import Cleaning, clean_up
from ml_connector_dagster.sync.deliver import deliver
from ml_connector_dagster.sync.keeping import KEPT
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.spec.test_edits import edit, record, rule, set_name, stored
from ml_connector_dagster_tests.world import Crash, World, rows_by_record


ENTITY = "suppliers"
RETENTION = Retention(batches_days=5, receipts_days=30, letters_days=30, reads_days=5)


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> World:
    """Four reads on four days, of which three are old; each changes something."""
    made = World(sandbox, tmp_path, [ENTITY], companies=("100",))
    for seed in range(3):
        made.run_well()
        sandbox.clock.advance(days=1)
        sandbox.erp.change(ENTITY, 2, seed=seed)
    sandbox.clock.advance(days=6)
    made.run_well()
    return made


def clean(
    world: World,
    *,
    dry_run: bool = False,
    grace: timedelta = timedelta(0),
    retention: Retention = RETENTION,
    step: Callable[[str], None] = lambda name: None,
    also: tuple[FlowDestination, ...] = (),
) -> Cleaning:
    with world.open() as workspace:
        flow = world.flow.model_copy(update={"destinations": (*world.flow.destinations, *also)})
        workspace.project = workspace.project.model_copy(
            update={"retention": retention, "flows": {"flow": flow}}
        )
        return clean_up(workspace, run_id="clean-up", dry_run=dry_run, grace=grace, step=step)


def batches(world: World) -> list[str]:
    with world.open() as workspace:
        return [one.route for one in workspace.ledger.batches(tenant="acme", entity=ENTITY)]


def folders(world: World) -> int:
    return len(list(Path(world.settings.staging_url).glob("*/*/*/*/*")))


def late_comer(world: World) -> dict[str, str]:
    """What a destination holds that comes now."""
    late = MemoryDestination("late.erp")
    with world.open() as workspace:
        deliver(
            late,
            workspace.ledger,
            workspace.staging,
            tenant="acme",
            entity=ENTITY,
            companies=["100"],
            run_id="late",
        )
        rows = rows_by_record(workspace, nullcontext(late), ENTITY, None)
    return {key: row["_row_hash"] for key, row in rows.items()}


def hashes(world: World) -> dict[str, str]:
    return {key: row["_row_hash"] for key, row in world.found(ENTITY).items()}


def test_old_batches_become_one_that_holds_the_newest_row_of_each_record(world: World) -> None:
    before = hashes(world)
    done = clean(world)

    (scope,) = done.scopes
    assert (scope.removed, scope.kept, scope.waiting) == (3, len(before), ())
    assert batches(world)[0] == KEPT
    assert len(batches(world)) == 2
    assert folders(world) == 2
    assert late_comer(world) == before
    assert world.run_well()[0].counts.written == 0
    world.assert_equals_the_erp()


def test_a_dry_run_says_the_same_and_changes_nothing(world: World) -> None:
    before = (batches(world), folders(world))
    told = clean(world, dry_run=True)
    assert (batches(world), folders(world)) == before
    done = clean(world)
    assert (told.removed, told.scopes) == (done.removed, done.scopes)


def test_a_second_clean_up_finds_nothing_to_do(world: World) -> None:
    clean(world)
    before = (batches(world), folders(world))
    assert clean(world).removed == 0
    assert (batches(world), folders(world)) == before


def test_what_was_kept_is_replaced_in_its_turn(world: World) -> None:
    clean(world)
    before = hashes(world)
    world.sandbox.clock.advance(days=9)
    world.run_well()
    done = clean(world)
    assert done.removed == 2  # the kept one and the one that was too young
    assert late_comer(world) == before


def test_files_stay_as_long_as_a_run_may_be_reading_them(world: World) -> None:
    before = folders(world)
    clean(world, grace=timedelta(hours=24))
    assert folders(world) == before + 1
    world.sandbox.clock.advance(hours=25)
    clean(world, grace=timedelta(hours=24))
    assert folders(world) == 2


def test_a_batch_that_a_destination_has_not_got_stays_and_so_do_those_after_it(
    world: World,
) -> None:
    other = FlowDestination(connection="warehouse", schema_name="trial")
    (scope,) = clean(world, also=(other,)).scopes
    assert (scope.removed, scope.waiting) == (0, ("warehouse.trial",))
    assert len(batches(world)) == 4


def test_the_batch_that_proves_the_watermark_stays(world: World) -> None:
    world.sandbox.clock.advance(days=50)
    clean(world, retention=Retention(batches_days=1))
    with world.open() as workspace:
        there = {one.batch_id for one in workspace.ledger.batches(tenant="acme")}
        assert workspace.ledger.cleaning.watermark_batches() <= there
    assert len(there) == 2


def test_what_was_counted_still_counts(world: World) -> None:
    with world.open() as workspace:
        before = workspace.ledger.delivered_counts(
            destination="warehouse.erp", tenant="acme", entity=ENTITY
        )
    clean(world)
    with world.open() as workspace:
        after = workspace.ledger.delivered_counts(
            destination="warehouse.erp", tenant="acme", entity=ENTITY
        )
    assert after == before


def test_the_trail_keeps_its_receipts_as_long_as_they_are_kept(world: World) -> None:
    record_id = min(world.found(ENTITY))
    before = answers(world, record_id)
    clean(world)
    assert answers(world, record_id) == before
    world.sandbox.clock.advance(days=60)
    world.run_well()
    world.sandbox.clock.advance(days=6)
    world.run_well()
    clean(world)
    # That it came stays: the number of rows is counted by it.
    assert answers(world, record_id) == [one for one in before if one[1] == "inserted"]


def answers(world: World, record_id: str) -> list[tuple[str, str, str]]:
    with world.open() as workspace:
        (story,) = trace(workspace, record_id, entity=ENTITY)
    return [
        (event.where, event.outcome, event.batch_id)
        for event in story.events
        if event.what == "delivered" and event.outcome != "unchanged"
    ]


def test_open_letters_and_edits_in_force_stay_and_resolved_ones_go_in_time(world: World) -> None:
    rule(world, "ALTER TABLE erp.suppliers ALTER COLUMN name SET NOT NULL")
    set_name(world, "")
    world.run_well()
    edit(world)
    for _ in range(2):
        world.sandbox.clock.advance(days=40)
        world.run_well()
        clean(world)
        assert stored(world)["name"] == "Corrected Ltd"
        with world.open() as workspace:
            assert len(workspace.ledger.dead_letters(open_only=False)) == 1
    # a read of everything still meets the version that was corrected
    world.sandbox.clock.advance(hours=1)
    world.run_well()
    assert stored(world)["name"] == "Corrected Ltd"

    set_name(world, "Named in the ERP")
    world.run_well()
    world.sandbox.clock.advance(days=40)
    world.run_well()
    assert clean(world).forgotten["dead letters"] == 1
    assert record(world) in world.found(ENTITY)


def test_reads_without_a_batch_are_forgotten_but_for_the_newest(world: World) -> None:
    assert clean(world).forgotten["reads"] == 3
    with world.open() as workspace:
        (read,) = workspace.ledger.status("acme").reads
    assert read.ended_at is not None


def test_a_delivery_that_chose_a_batch_before_it_was_replaced_is_simply_run_again(
    world: World,
) -> None:
    late = MemoryDestination("late.erp")
    with world.open() as workspace:
        first = workspace.ledger.pending(
            destination="late.erp", tenant="acme", entity=ENTITY, companies=["100"]
        )[0]
    before = hashes(world)
    clean(world)
    with world.open() as workspace, pytest.raises(TransientError, match="run again"):
        workspace.ledger.start_delivery(first.batch_id, late.name, "late")
    assert late_comer(world) == before


def test_killed_at_any_write_point_it_has_lost_nothing(world: World) -> None:
    before = hashes(world)
    at = 0
    died: list[str] = []
    while True:
        at += 1
        world.points.passed.clear()
        world.points.crash_at = at
        try:
            clean(world, step=world.points)
        except Crash as crash:
            died.append(str(crash))
        else:
            break
        finally:
            world.points.crash_at = None
        assert late_comer_of_a_copy(world) == before, died[-1]
    assert {
        "staging: batch published",
        "clean-up: kept batch staged",
        "staging: receipts linked",
        "clean-up: receipts kept",
        "clean-up: batches replaced",
    } <= set(died)
    assert folders(world) == 2  # what crashes have left is gone too
    assert late_comer(world) == before
    world.assert_equals_the_erp()


def late_comer_of_a_copy(world: World) -> dict[str, str]:
    """What a destination would hold that comes now: read from staging, without a word in the ledger."""
    late = MemoryDestination("late.erp")
    with world.open() as workspace:
        for batch in workspace.ledger.batches(tenant="acme", entity=ENTITY):
            late.deliver(ENTITIES[ENTITY], workspace.staging.open(batch), WriteMode.UPSERT)
        rows = rows_by_record(workspace, nullcontext(late), ENTITY, None)
    return {key: row["_row_hash"] for key, row in rows.items()}
