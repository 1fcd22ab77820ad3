"""Open letters and single ones, as the UI shows and corrects them."""

from typing import Any

import dagster as dg
import duckdb
import pytest

from ml_connector_dagster.defs.letters import OPEN_LETTERS
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.defs.conftest import Installation
from ml_connector_dagster_tests.defs.test_replay import ask_sensor, output, replay


@pytest.fixture
def refused(installation: Installation) -> Installation:
    """Three suppliers that the warehouse refuses: two for want of a name, one of a country."""
    assert installation.materialize("suppliers", full=True).success
    rule(installation, "SET NOT NULL")
    suppliers = installation.sandbox.erp.truth("suppliers", "100")[:3]
    for supplier, field in zip(suppliers, ("SUNM", "SUNM", "CSCD"), strict=True):
        key = {"CONO": 100, "SUNO": supplier["supplier_id"]}
        installation.sandbox.erp.set_field("CIDMAS", key, field, "")
    assert installation.materialize("suppliers", full=True).success
    return installation


def rule(installation: Installation, what: str) -> None:
    with duckdb.connect(str(installation.settings.home / "warehouse.duckdb")) as connection:
        for column in ("name", "country"):
            connection.execute(f"ALTER TABLE erp.suppliers ALTER COLUMN {column} {what}")


def open_ids(installation: Installation) -> list[int]:
    with installation.open() as workspace:
        return [letter.id for letter in workspace.ledger.dead_letters()]


def look_at(installation: Installation, **config: object) -> dg.ExecuteInProcessResult:
    return installation.defs.resolve_job_def("dead_letter").execute_in_process(
        instance=installation.instance,
        run_config={"ops": {"look_at": {"config": config}}},
        raise_on_error=False,
    )


def shown(installation: Installation) -> dict[str, Any]:
    event = installation.instance.get_latest_materialization_event(OPEN_LETTERS)
    assert event is not None
    assert event.asset_materialization is not None
    return {name: one.value for name, one in event.asset_materialization.metadata.items()}


def test_the_sensor_writes_what_is_open_by_reason_and_only_when_it_changes(
    refused: Installation,
) -> None:
    assert "the asset was written" in str(ask_sensor(refused, "open_letters"))
    page = shown(refused)
    assert (page["open"], page["given_up"]) == (3, 0)
    first, second = page["by_reason"].splitlines()[2:]
    assert first.startswith("| 2 | NOT NULL constraint failed: suppliers.name | warehouse.erp |")
    assert second.startswith("| 1 | NOT NULL constraint failed: suppliers.country |")
    assert "[replay](/locations/ml_connector_dagster/jobs/replay/playground/setup?config=" in first
    assert "jobs/dead_letter/playground/setup" in page["letters"]


def test_what_waits_for_its_flows_next_run_is_no_failure(installation: Installation) -> None:
    day = f"100|{installation.today}"
    read = installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        asset_selection=[dg.AssetKey(["acme", "suppliers"])],
        tags={
            "dagster/asset_partition_range_start": day,
            "dagster/asset_partition_range_end": day,
        },
    )
    assert read.success
    ask_sensor(installation, "open_letters")
    page = shown(installation)
    assert (page["open"], page["unfinished_deliveries"], page["deliveries_not_begun"]) == (0, 0, 1)
    assert "not begun | next run of purchasing" in page["deliveries"]
    assert "Nothing has failed" in page["what_to_do"]
    assert not {"by_reason", "letters"} & page.keys()


def test_a_replay_writes_it_too(refused: Installation) -> None:
    rule(refused, "DROP NOT NULL")
    assert replay(refused).success
    assert shown(refused)["open"] == 0
    assert "Nothing is open" in shown(refused)["what_to_do"]


#: What the launchpad says → how many of the three are chosen.
CHOICES: tuple[tuple[dict[str, Any], int], ...] = (
    ({}, 3),
    ({"reason_contains": "SUPPLIERS.NAME"}, 2),
    ({"entity": "purchase_orders"}, 0),
    ({"destination": "ERP"}, 0),
    ({"destination": "warehouse.erp", "flow": "purchasing"}, 3),
    ({"company": "200"}, 0),
    ({"failed_since": "2999-01-01"}, 0),
    ({"failed_until": "2000-01-01"}, 0),
    ({"failed_since": "2000-01-01", "failed_until": "2999-01-01T12:00"}, 3),
    ({"limit": 1}, 1),
)


def test_the_launchpad_chooses(refused: Installation) -> None:
    for config, tried in CHOICES:
        result = replay(refused, only_show=True, **config)
        assert result.success
        assert output(result)["would_be_tried"] == tried, config
    assert len(open_ids(refused)) == 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"flow": "purchase"}, "not in enum type"),
        ({"destination": "warehouse"}, "not in enum type"),
        ({"entity": "supplier"}, "not in enum type"),
        ({"limit": "many"}, "Int"),
    ],
)
def test_the_launchpad_refuses_what_does_not_exist(
    installation: Installation, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match=message):
        replay(installation, **config)


def test_a_day_that_is_none_is_said(installation: Installation) -> None:
    result = replay(installation, failed_since="yesterday")
    assert not result.success
    assert "2026-11-20" in str(result.all_events)


def test_a_letter_is_given_up_visibly_and_a_person_can_still_replay_it(
    refused: Installation,
) -> None:
    ids = open_ids(refused)
    with refused.open() as workspace:
        for _ in range(16):
            workspace.ledger.postpone(ids[:1])
    refused.sandbox.clock.advance(days=2)
    requests = ask_sensor(refused, "purchasing_replay")
    assert not isinstance(requests, str)
    assert output(replay(refused, only_due=True, only_show=True))["would_be_tried"] == 2
    ask_sensor(refused, "open_letters")
    assert shown(refused)["given_up"] == 1
    assert "given up" in shown(refused)["letters"]
    rule(refused, "DROP NOT NULL")
    assert replay(refused).success
    assert open_ids(refused) == []


def test_a_letter_is_shown_with_its_record_and_its_trail(refused: Installation) -> None:
    result = look_at(refused, dead_letter_id=open_ids(refused)[0])
    assert result.success
    told = output(result)
    assert "NOT NULL" in str(told["reason"])
    assert str(told["state"]).startswith("open; next automatic try")
    assert "rejected" in str(told["trail"])
    assert "| supplier_id |" in str(told["values"])


def test_a_value_is_corrected_and_sent_from_the_launchpad(refused: Installation) -> None:
    number = open_ids(refused)[0]
    result = look_at(
        refused,
        dead_letter_id=number,
        column="name",
        value="Corrected Ltd",
        edited_by="ana",
        why="ticket 7",
    )
    assert result.success
    assert number not in open_ids(refused)
    told = output(result)
    assert "Corrected Ltd" in str(told["edits"])
    assert str(told["state"]).startswith("resolved")
    with refused.open() as workspace:
        (letter,) = workspace.ledger.dead_letters(open_only=False, ids=[number])
        (story,) = trace(workspace, letter.record_id, entity="suppliers")
    assert story.events[-1].what == "resolved"
    assert result.run_id in {event.run_id for event in story.events}


def test_a_correction_that_is_refused_again_is_red_and_kept(refused: Installation) -> None:
    number = open_ids(refused)[2]
    result = look_at(
        refused, dead_letter_id=number, column="phone", value="1", edited_by="ana", why="a try"
    )
    assert not result.success
    assert "refused again" in str(result.all_events)
    with refused.open() as workspace:
        assert [one.column for one in workspace.ledger.edits()] == ["phone"]


def test_a_correction_that_says_too_little_changes_nothing(refused: Installation) -> None:
    number = open_ids(refused)[0]
    for config in (
        {"column": "name", "edited_by": "ana", "why": "no value"},
        {"column": "name", "value": "x", "why": "nobody"},
        {"column": "nmae", "value": "x", "edited_by": "ana", "why": "a typo"},
    ):
        assert not look_at(refused, dead_letter_id=number, **config).success, config
    with refused.open() as workspace:
        assert workspace.ledger.edits() == ()
