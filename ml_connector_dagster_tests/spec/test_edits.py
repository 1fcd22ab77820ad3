"""A value that a person corrects for one destination: what gets it, how long it holds, and what the trail says."""

from collections.abc import Mapping
from typing import Any

import duckdb
import pytest

from ml_connector_dagster.model.edits import Edit
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.letters import edit_letter, send_edited, view_letter
from ml_connector_dagster.sync.trace import TraceEvent, trace
from ml_connector_dagster_tests.world import World


ENTITY = "suppliers"


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Any) -> World:
    """A supplier without a name, which the warehouse's owner does not take."""
    made = World(sandbox, tmp_path, [ENTITY], companies=("100",))
    made.run_well()
    rule(made, "ALTER TABLE erp.suppliers ALTER COLUMN name SET NOT NULL")
    set_name(made, "")
    made.run_well()
    return made


def rule(world: World, statement: str) -> None:
    with duckdb.connect(str(world.settings.home / "warehouse.duckdb")) as connection:
        connection.execute(statement)


def supplier(world: World) -> str:
    return str(world.sandbox.erp.truth(ENTITY, "100")[0]["supplier_id"])


def record(world: World) -> str:
    return f"acme/100/{supplier(world)}"


def set_name(world: World, name: str) -> None:
    key = {"CONO": 100, "SUNO": supplier(world)}
    world.sandbox.clock.advance(minutes=20)
    world.sandbox.erp.set_field("CIDMAS", key, "SUNM", name)


def stored(world: World) -> Mapping[str, Any]:
    return world.found(ENTITY)[record(world)]


def edit(world: World, column: str = "name", value: str | None = "Corrected Ltd") -> Edit:
    """Correct the only letter, and send it."""
    with world.open() as workspace:
        (letter,) = workspace.ledger.dead_letters(open_only=False)
        made = edit_letter(
            workspace, letter.id, column=column, value=value, edited_by="ana", reason="ticket 7"
        )
        world.sandbox.clock.advance(minutes=1)
        sent = send_edited(workspace, made, run_id="edit")
        assert (sent.resolved, sent.errors) == (1, ())
    return made


def trail(world: World) -> list[tuple[str, str, str]]:
    with world.open() as workspace:
        (story,) = trace(workspace, record(world), entity=ENTITY)
    return [(event.what, event.where, event.outcome) for event in story.events]


def changes(world: World, what: str) -> list[TraceEvent]:
    with world.open() as workspace:
        (story,) = trace(workspace, record(world), entity=ENTITY)
    return [event for event in story.events if event.what == what]


def test_the_destination_gets_the_corrected_value_and_says_so(world: World) -> None:
    edit(world)

    row = stored(world)
    assert row["name"] == "Corrected Ltd"
    assert "edited by ana (dead letter 1)" in row["_problems"]
    with world.open() as workspace:
        assert workspace.ledger.dead_letters() == ()
    everything_else = {k: v for k, v in world.found(ENTITY).items() if k != record(world)}
    truth = {row["supplier_id"]: row["name"] for row in world.sandbox.erp.truth(ENTITY, "100")}
    assert all(row["name"] == truth[row["supplier_id"]] for row in everything_else.values())


def test_reading_the_same_version_again_does_not_undo_it(world: World) -> None:
    edit(world)
    for mode in (ReadMode.INCREMENTAL, ReadMode.FULL):
        world.sandbox.clock.advance(hours=1)
        (result,) = world.run(mode)
        assert (result.error, result.counts.written, result.counts.rejected) == ("", 0, 0)
        assert stored(world)["name"] == "Corrected Ltd"


def test_a_newer_version_from_the_erp_takes_its_place(world: World) -> None:
    edit(world)
    set_name(world, "Named in the ERP")
    world.run_well()

    assert stored(world)["name"] == "Named in the ERP"
    assert stored(world)["_problems"] is None
    (ended,) = changes(world, "edit ended")
    assert "newer version" in ended.detail
    # and the corrected version does not come back with the old value
    set_name(world, "")
    world.run_well()
    with world.open() as workspace:
        (letter,) = workspace.ledger.dead_letters()
    assert "NOT NULL" in letter.reason


def test_the_trail_shows_both_versions_and_who_edited(world: World) -> None:
    edit(world)

    (edited,) = changes(world, "edited")
    assert edited.changes == {"name": (None, "Corrected Ltd")}
    assert (edited.outcome, edited.where) == ("by ana", "warehouse.erp")
    assert "ticket 7" in edited.detail
    told = trail(world)
    refused = told.index(("delivered", "warehouse.erp", "rejected"))
    accepted = told.index(("delivered", "warehouse.erp", "updated"))
    assert refused < told.index(("edited", "warehouse.erp", "by ana")) < accepted


def test_a_second_edit_of_the_column_replaces_the_first_and_both_are_kept(world: World) -> None:
    edit(world)
    edit(world, value="Better Ltd")

    assert stored(world)["name"] == "Better Ltd"
    with world.open() as workspace:
        view = view_letter(workspace, 1)
    assert [(one.new_value, one.erp_value) for one in view.edits] == [
        ("Corrected Ltd", None),
        ("Better Ltd", None),
    ]
    assert [one.ended_at is None for one in view.edits] == [False, True]


def test_edits_of_two_columns_stand_side_by_side(world: World) -> None:
    edit(world)
    edit(world, column="country", value="SE")
    assert (stored(world)["name"], stored(world)["country"]) == ("Corrected Ltd", "SE")
    edit(world, column="phone", value=None)
    assert stored(world)["phone"] is None


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("nmae", "x", "did you mean 'name'"),
        ("supplier_id", "x", "keys stay as they are"),
        ("_row_hash", "x", "no column"),
    ],
)
def test_what_cannot_be_edited_is_said(world: World, column: str, value: str, message: str) -> None:
    with world.open() as workspace, pytest.raises(ConfigError, match=message):
        edit_letter(workspace, 1, column=column, value=value, edited_by="ana", reason="why")


def test_an_edit_needs_a_name_and_a_reason(world: World) -> None:
    with world.open() as workspace:
        with pytest.raises(ConfigError, match="say who edits it"):
            edit_letter(workspace, 1, column="name", value="x", edited_by=" ", reason="why")
        with pytest.raises(ConfigError, match="say why"):
            edit_letter(workspace, 1, column="name", value="x", edited_by="ana", reason="")


def test_a_letter_that_is_closed_without_an_edit_cannot_be_edited(world: World) -> None:
    set_name(world, "Named in the ERP")
    world.run_well()
    with world.open() as workspace, pytest.raises(ConfigError, match="was resolved on"):
        edit_letter(workspace, 1, column="name", value="x", edited_by="ana", reason="why")


def test_an_unknown_number_says_where_to_look(world: World) -> None:
    with world.open() as workspace, pytest.raises(ConfigError, match=r"no dead letter 99.*--list"):
        edit_letter(workspace, 99, column="name", value="x", edited_by="ana", reason="why")
