"""A flow into Monday.com from end to end: what a second run costs, what is replayed, archived and traced."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.config.mappings import Condition, EntityMapping
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.monday import Fault, MondayOptions
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.application_worlds import application_world
from ml_connector_dagster_tests.monday_stand import MondayStand
from ml_connector_dagster_tests.spec.monday_account import board_called, calls_of


OPEN_LINES = EntityMapping(filter=(Condition(column="status_lowest", below="85"),))
AS_SUBITEMS = EntityMapping(style="subitems")


@pytest.fixture
def stand() -> Iterator[MondayStand]:
    made = MondayStand(MondayOptions(tier="enterprise", search_lag=1.0))
    yield made
    made.close()


def test_the_same_sync_again_makes_no_call_at_all(
    sandbox: Sandbox, stand: MondayStand, tmp_path: Path
) -> None:
    """Reference §5 row 12."""
    world = application_world(sandbox, stand, tmp_path, "suppliers", "gl_accounts")
    world.run_well()
    world.assert_application_equals_the_oracle()
    before = len(stand.sandbox.calls)

    results = world.run_well()

    assert sum(result.counts.written for result in results) == 0
    assert len(stand.sandbox.calls) == before


def test_a_change_costs_a_call_and_only_changed_items_are_in_it(
    sandbox: Sandbox, stand: MondayStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    world.run_well()
    before = len(stand.sandbox.calls)
    sandbox.clock.advance(days=1)
    sandbox.erp.change("suppliers", 3)

    (result,) = world.run_well()

    written = [call for call in stand.sandbox.calls[before:] if call.is_mutation]
    assert len(written) <= 1
    assert written[0].fields.count("change_multiple_column_values") == result.counts.updated
    world.assert_application_equals_the_oracle()


def test_lines_that_the_filter_drops_are_archived(
    sandbox: Sandbox, stand: MondayStand, tmp_path: Path
) -> None:
    entities = ("suppliers", "purchase_orders", "purchase_order_lines")
    world = application_world(sandbox, stand, tmp_path, *entities)
    world.run_well()
    everything = len(board_called(stand.sandbox, "Purchase order lines").active)
    world.mapping = {"purchase_order_lines": OPEN_LINES}
    sandbox.clock.advance(days=1)
    sandbox.erp.change("purchase_order_lines", 60)

    world.run_well()

    board = board_called(stand.sandbox, "Purchase order lines")
    archived = [item for item in board.items.values() if item.state == "archived"]
    assert archived
    assert len(board.active) + len(archived) >= everything


def test_a_refused_record_is_traced_with_mondays_words_and_replayed_alone(
    sandbox: Sandbox, stand: MondayStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    words = "User is not allowed to write this value"
    stand.sandbox.faults.add(
        Fault(kind="field", field="create_item", alias="^m3$", code="ColumnValueException",
              status=200, message=words)
    )  # fmt: skip

    world.run()

    with world.open() as workspace:
        (letter,) = workspace.ledger.dead_letters()
        assert words in letter.reason
        shown = trace(workspace, letter.record_id, entity="suppliers")
        assert words in str(shown)
    before = len(stand.sandbox.calls)
    world.replay()
    sent = [call for call in stand.sandbox.calls[before:] if call.is_mutation]
    assert [call.fields for call in sent] == [("complexity", "create_item")]
    assert letter.record_id in str(sent[0].variables)
    world.assert_application_equals_the_oracle()


def test_a_replay_sends_what_the_record_is_by_now(
    sandbox: Sandbox, stand: MondayStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    stand.sandbox.faults.add(
        Fault(
            kind="field", field="create_item", alias="^m", code="ColumnValueException", status=200
        )
    )
    world.run()
    sandbox.clock.advance(days=1)
    sandbox.erp.change("suppliers", 5)

    world.replay()
    world.run_well()

    world.assert_application_equals_the_oracle()


@pytest.mark.parametrize("at", [None, 27, 40, 44])
def test_lines_as_subitems_are_each_there_once_whatever_dies(
    sandbox: Sandbox, stand: MondayStand, tmp_path: Path, at: int | None
) -> None:
    entities = ("suppliers", "purchase_orders", "purchase_order_lines")
    world = application_world(sandbox, stand, tmp_path, *entities, purchase_order_lines=AS_SUBITEMS)
    if at is not None:
        world.crash(at)

    world.run_well()
    world.replay()

    mapped = world.mapped("purchase_order_lines")
    (column,) = [
        one
        for one in board_called(stand.sandbox, "Purchase orders").columns.values()
        if one.type == "subtasks"
    ]
    board = stand.sandbox.account.boards[column.board_ids[0]]
    (key,) = [one.id for one in board.columns.values() if one.title == mapped.placement.key_field]
    lines = [item.cells[key].text for item in board.active]
    assert len(lines) == len(set(lines))
    expected = world.expected("purchase_order_lines")
    assert set(lines) == set(expected)
    orders = {
        item.cells[key].text: item.parent.name for item in board.active if item.parent is not None
    }
    assert len(orders) == len(lines)
    assert calls_of(stand.sandbox, "create_subitem")
