"""Suppliers and customers as contacts: a second record of the same row, part of the first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.model.companions import COMPANIONS
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.salesforce import Fault
from ml_connector_dagster.sync.applications import preview_delivery
from ml_connector_dagster.sync.replay import choose_letters, replay
from ml_connector_dagster_tests.application_worlds import ApplicationWorld, application_world
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


CONTACTS = {name: EntityMapping() for name in COMPANIONS}


@pytest.fixture
def stand() -> Iterator[SalesforceStand]:
    made = SalesforceStand()
    yield made
    made.close()


@pytest.fixture
def world(sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path) -> ApplicationWorld:
    return application_world(sandbox, stand, tmp_path, "suppliers", "customers", **CONTACTS)


def expected(world: ApplicationWorld) -> dict[str, tuple[object, ...]]:
    """Key of the contact → its account's key, phone and e-mail."""
    suppliers = {
        f"SUP-{one['record_id']}": (f"SUP-{one['record_id']}", one["phone"], None)
        for one in world.rows("suppliers")
        if one["phone"]
    }
    customers = {
        f"CUS-{one['record_id']}": (f"CUS-{one['record_id']}", one["phone"], one["email"])
        for one in world.rows("customers")
        if one["email"]
    }
    return suppliers | customers


def contacts(world: ApplicationWorld) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for name in COMPANIONS:
        mapped = world.mapped(name)
        for key, values in world.there.held(mapped):
            if key.startswith(mapped.key_prefix):
                assert key not in found
                found[key] = (values["AccountId"], values["Phone"], values.get("Email"))
    return found


def test_contacts_hang_on_their_accounts_and_a_second_run_writes_nothing(
    world: ApplicationWorld, stand: SalesforceStand
) -> None:
    with world.open() as workspace:
        (target,) = world.flow.destinations
        assert preview_delivery(workspace, world.flow, target).entities[0].new == 0
    world.run_well()

    assert contacts(world) == expected(world)
    assert {key[:3] for key in contacts(world)} == {"SUP", "CUS"}
    before = len(stand.org.requests())
    assert sum(one.counts.written for one in world.run_well()) == 0
    assert len(stand.org.requests()) == before


def test_contacts_that_are_named_later_come_with_the_next_run(world: ApplicationWorld) -> None:
    world.mapping = {}
    world.run_well()
    assert contacts(world) == {}

    world.mapping = dict(CONTACTS)
    assert sum(one.counts.written for one in world.run_well()) == 0  # the accounts stay as they are
    assert contacts(world) == expected(world)


def test_a_refused_contact_is_a_dead_letter_of_its_record_and_replayed_alone(
    world: ApplicationWorld, stand: SalesforceStand
) -> None:
    words = "this address is on our list"
    stand.org.faults.add(
        Fault(
            kind="record",
            sobject="Contact",
            code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
            message=words,
        )
    )
    world.run()
    with world.open() as workspace:
        (letter,) = workspace.ledger.dead_letters()
        assert letter.reason.startswith("Contact: ")
        assert words in letter.reason
        replay(workspace, world.flow, choose_letters(workspace, world.flow), run_id="replay")
        assert workspace.ledger.dead_letters() == ()
    assert contacts(world) == expected(world)


@pytest.mark.parametrize("at", range(3, 40, 4))
def test_whatever_dies_each_contact_is_there_once(world: ApplicationWorld, at: int) -> None:
    world.crash(at)
    world.run_well()
    assert contacts(world) == expected(world)
