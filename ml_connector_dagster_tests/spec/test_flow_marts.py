"""Marts of a whole flow, without Dagster: as of what has been delivered, and no later."""

from datetime import timedelta
from pathlib import Path

from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.flows import ReadMode, extract_company
from ml_connector_dagster.sync.marts import MartResult, as_of_dates, refresh_marts
from ml_connector_dagster_tests.world import World


PAYABLES = ("suppliers", "supplier_invoices", "payments")


def days_of(world: World) -> dict[str, str]:
    (target,) = world.flow.destinations
    with world.open() as workspace:
        dates = as_of_dates(workspace, world.flow, target, MARTS["payables_aging"])
    return {one.company: one.day.isoformat() for one in dates}


def refreshed(world: World) -> tuple[MartResult, ...]:
    with world.open() as workspace:
        return refresh_marts(workspace, world.flow)


def test_a_mart_is_as_of_the_last_day_that_was_read(sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, tmp_path, PAYABLES)
    assert days_of(world) == {}
    world.run_well()
    today = sandbox.clock.today()
    assert days_of(world) == dict.fromkeys(("100", "200"), today.isoformat())

    sandbox.clock.advance(days=3)  # nothing is run, so nothing more is known
    (found,) = refreshed(world)
    assert (found.mart, found.adds_up, found.as_of) == ("payables_aging", True, today.isoformat())

    world.run_well()
    (later,) = refreshed(world)
    assert later.as_of == (today + timedelta(days=3)).isoformat()


def test_what_was_read_and_not_delivered_does_not_count(sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, tmp_path, PAYABLES)
    world.run_well()
    known = sandbox.clock.today()
    sandbox.clock.advance(days=2)
    with world.open() as workspace, workspace.source("acme") as source:
        for entity in PAYABLES:
            extract_company(
                workspace,
                source,
                world.flow,
                entity=entity,
                company="100",
                mode=ReadMode.INCREMENTAL,
                run_id="read-only",
            )
    # The pending batches begin where the last read ended (an overlap before it), and company 200 stands still.
    assert days_of(world) == dict.fromkeys(("100", "200"), known.isoformat())


def test_tables_per_company_have_marts_too(sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, tmp_path, PAYABLES, tables="per_company")
    world.run_well()
    (found,) = refreshed(world)
    assert found.error == ""
    assert found.adds_up
    assert found.rows


def test_before_an_entity_has_come_its_mart_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    world = World(sandbox, tmp_path, PAYABLES, tables="per_company")
    world.run(entities=["suppliers", "supplier_invoices"])
    (found,) = refreshed(world)
    assert "payments" in found.error
    assert "Nothing of that entity has come yet" in found.error
