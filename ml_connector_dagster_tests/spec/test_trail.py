"""What happened to all records as one table: every attempt in it, brought up to date, whatever is cleaned up."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync import record_places
from ml_connector_dagster.sync.record_places import places_of
from ml_connector_dagster.sync.replay import choose_letters, replay
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster.sync.trail import TakenOver, Trail
from ml_connector_dagster_tests.spec.test_cleanup import clean
from ml_connector_dagster_tests.spec.test_edits import edit, record, rule, set_name
from ml_connector_dagster_tests.world import World


ENTITY = "suppliers"


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> World:
    """A record that is refused, replayed in vain, corrected, and replaced by a newer version."""
    made = World(sandbox, tmp_path, [ENTITY], companies=("100",))
    made.run_well()
    rule(made, "ALTER TABLE erp.suppliers ALTER COLUMN name SET NOT NULL")
    set_name(made, "")
    made.run_well()
    sandbox.clock.advance(minutes=10)
    with made.open() as workspace:
        replay(workspace, made.flow, choose_letters(workspace, made.flow), run_id="in vain")
    sandbox.clock.advance(minutes=10)
    edit(made)
    set_name(made, "Named in the ERP")
    made.run_well()
    return made


def ask(world: World, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with world.open() as workspace:
        trail = Trail(workspace)
        trail.update()
        return [tuple(row.values()) for row in trail.ask(query, parameters).to_pylist()]


def update(world: World) -> TakenOver:
    with world.open() as workspace:
        return Trail(workspace).update()


def test_it_holds_every_attempt_that_the_trace_of_a_record_shows(world: World) -> None:
    told = ask(
        world,
        "SELECT happened_at, what, place, outcome FROM trail WHERE record_id = $record ORDER BY ALL",
        record=record(world),
    )
    assert [outcome for _, what, _, outcome in told if what == "delivered"] == [
        "inserted",
        "rejected",
        "rejected",
        "updated",
        "updated",
    ]
    assert {what for _, what, _, _ in told} == {
        "read",
        "delivered",
        "dead letter",
        "resolved",
        "edited",
        "edit ended",
    }
    with world.open() as workspace:
        (story,) = trace(workspace, record(world), entity=ENTITY)
    shown = [(event.at, event.what) for event in story.events if event.outcome != "unchanged"]
    assert sorted((at, what) for at, what, _, outcome in told if outcome != "unchanged") == sorted(
        shown
    )


def test_it_answers_across_all_records(world: World) -> None:
    rows = ask(
        world,
        "SELECT outcome, count(*) FROM trail WHERE what = 'delivered' GROUP BY outcome ORDER BY outcome",
    )
    records = len(world.sandbox.erp.truth(ENTITY, "100"))
    assert rows == [("inserted", records), ("rejected", 2), ("updated", 2)]


def test_only_what_is_new_is_taken_over(world: World) -> None:
    assert update(world).batches > 0
    assert update(world) == TakenOver()
    world.sandbox.clock.advance(hours=1)
    world.sandbox.erp.change(ENTITY, 1, seed=1)
    world.run_well()
    again = update(world)
    assert (again.batches, again.deliveries) == (1, 1)


def test_after_a_clean_up_it_tells_the_same_deliveries(world: World) -> None:
    query = "SELECT record_id, place, outcome, batch_id FROM trail WHERE what = 'delivered' ORDER BY ALL"
    before = ask(world, query)
    world.sandbox.clock.advance(days=8)
    world.run_well()
    assert clean(world).removed > 0
    assert ask(world, query) == before
    assert ask(world, "SELECT count(*) - count(DISTINCT record_id) FROM trail WHERE what = 'read'")


def test_it_can_be_written_to_a_file(world: World, tmp_path: Path) -> None:
    update(world)
    with world.open() as workspace:
        trail = Trail(workspace)
        trail.export("SELECT * FROM trail WHERE what = 'edited';", tmp_path / "edits.parquet")
        trail.export("SELECT * FROM trail WHERE what = 'edited'", tmp_path / "edits.csv")
    (row,) = pq.read_table(tmp_path / "edits.parquet").to_pylist()
    assert row["detail"] == "name: (empty) -> Corrected Ltd; ticket 7"
    assert (tmp_path / "edits.csv").read_text().startswith("happened_at,what,tenant")


@pytest.mark.parametrize(
    "query", ["SELECT nothing FROM trail", "DELETE FROM receipts", "DROP TABLE reads"]
)
def test_a_query_that_cannot_be_answered_changes_nothing(world: World, query: str) -> None:
    update(world)
    with world.open() as workspace, pytest.raises(ConfigError, match="the trail does not answer"):
        Trail(workspace).ask(query)


def test_a_trace_opens_only_the_batches_that_the_trail_says_hold_the_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the trail does not know yet is looked into; a file that is no database changes nothing."""
    monkeypatch.setattr(record_places, "WORTH_ASKING", 1)
    with world.open() as workspace:
        file = Trail(workspace).path
        before = trace(workspace, record(world), entity=ENTITY)
        assert not file.exists()  # a trace writes nothing
        Trail(workspace).update()
        batches = workspace.ledger.batches(tenant="acme", entity=ENTITY)
        places = places_of(workspace, record(world), batches)
        assert places.known == {batch.batch_id for batch in batches}
        others = places_of(workspace, "acme/100/nobody", batches)
        assert [batch.route for batch in batches if others.may_hold(batch)] == ["replay"] * 2
        assert trace(workspace, record(world), entity=ENTITY) == before

    world.sandbox.clock.advance(minutes=10)
    set_name(world, "Named again")
    world.run_well()
    with world.open() as workspace:
        (story,) = trace(workspace, record(world), entity=ENTITY)
        assert (
            story.current["name"] == "Named again"
        )  # what the trail does not know yet is looked into

        file.write_text("this is no database")
        assert trace(workspace, record(world), entity=ENTITY) == (story,)
