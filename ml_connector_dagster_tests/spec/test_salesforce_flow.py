"""A flow into Salesforce from end to end: what a second run costs, what is refused, replayed and traced."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.salesforce import Fault
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.application_worlds import application_world
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


CHAIN = ("suppliers", "purchase_orders", "purchase_order_lines")


@pytest.fixture(scope="module")
def _stand() -> Iterator[SalesforceStand]:
    made = SalesforceStand()
    yield made
    made.close()


@pytest.fixture
def stand(_stand: SalesforceStand) -> SalesforceStand:
    _stand.reset()
    return _stand


def test_every_shipped_mapping_carries_its_entity(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    entities = (*CHAIN, "customers", "items", "supplier_invoices", "payments", "gl_accounts")
    world = application_world(sandbox, stand, tmp_path, *entities)
    world.run_well()
    world.assert_application_equals_the_oracle()
    assert {row["ERP_Role__c"] for row in stand.org.rows("Account")} == {"Supplier", "Customer"}


def test_the_same_sync_again_makes_no_call_at_all(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    """Reference §5 row 12."""
    world = application_world(sandbox, stand, tmp_path, *CHAIN)
    world.run_well()
    world.assert_application_equals_the_oracle()
    before = len(stand.org.journal.requests())

    results = world.run_well()

    assert sum(result.counts.written for result in results) == 0
    assert len(stand.org.journal.requests()) == before


def test_only_what_changed_is_sent(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    world.run_well()
    before = len(stand.org.requests("PATCH"))
    sandbox.clock.advance(days=1)
    sandbox.erp.change("suppliers", 3)

    (result,) = world.run_well()

    [call] = stand.org.requests("PATCH")[before:]
    assert call.body.count(b"attributes") == result.counts.updated <= 3
    world.assert_application_equals_the_oracle()


def test_a_refused_record_is_traced_with_salesforces_words_and_replayed_alone(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    words = "the credit controller must approve this account"
    stand.org.faults.add(
        Fault(kind="record", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", message=words, nth=4)
    )

    world.run()

    with world.open() as workspace:
        (letter,) = workspace.ledger.dead_letters()
        assert words in letter.reason
        shown = trace(workspace, letter.record_id, entity="suppliers")
        assert words in str(shown)
    before = len(stand.org.requests("PATCH"))
    world.replay()
    [call] = stand.org.requests("PATCH")[before:]
    assert re.findall(rb'"ERP_Id__c":"([^"]*)"', call.body) == [f"SUP-{letter.record_id}".encode()]
    world.assert_application_equals_the_oracle()


def test_a_replay_sends_what_the_record_is_by_now(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    stand.org.faults.add(Fault(kind="record", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=None))
    world.run()
    stand.heal()
    sandbox.clock.advance(days=1)
    sandbox.erp.change("suppliers", 5)

    world.replay()
    world.run_well()

    world.assert_application_equals_the_oracle()


def test_children_of_a_refused_parent_wait_for_it(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, *CHAIN)
    stand.org.faults.add(
        Fault(
            kind="record",
            sobject="Account",
            code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
            message="not now",
            nth=2,
        )
    )
    world.run()

    world.replay()

    world.assert_application_equals_the_oracle()
    with world.open() as workspace:
        assert list(workspace.ledger.dead_letters()) == []


@pytest.mark.parametrize("style", ["task", "note"])
def test_invoices_hang_on_their_suppliers_in_either_style(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path, style: str
) -> None:
    mapping = EntityMapping(style=style)
    world = application_world(
        sandbox, stand, tmp_path, "suppliers", "supplier_invoices", supplier_invoices=mapping
    )
    stand.org.faults.add(Fault(kind="lost", path="composite/sobjects$", method="POST"))

    world.run()
    world.run_well()

    world.assert_application_equals_the_oracle()
    before = len(stand.org.journal.requests())
    world.run_well()
    assert len(stand.org.journal.requests()) == before


def test_a_delivery_that_ran_into_the_daily_limit_is_finished_by_the_next_one(
    sandbox: Sandbox, stand: SalesforceStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, *CHAIN)
    stand.org.faults.add(Fault(kind="limit", method="PATCH", nth=2, times=None))
    world.run()
    stand.heal()
    world.replay()
    world.run_well()
    world.assert_application_equals_the_oracle()
