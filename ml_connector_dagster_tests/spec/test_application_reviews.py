"""Records that are looked at again though the ERP says nothing new of them: mapping, owners, derived columns."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ml_connector_dagster.config.mappings import Condition, EntityMapping, FieldRule
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.monday import MondayOptions
from ml_connector_dagster.sync.applications import preview_delivery
from ml_connector_dagster.sync.verify import verify_delivery
from ml_connector_dagster_tests.application_worlds import (
    ApplicationWorld,
    Stand,
    application_world,
    text,
)
from ml_connector_dagster_tests.monday_stand import MondayStand


ORDERS = ("suppliers", "purchase_orders", "purchase_order_lines")
INVOICES = ("suppliers", "supplier_invoices", "payments")

OPEN = EntityMapping(filter=(Condition(column="status_lowest", below="85"),))
UNPAID = EntityMapping(
    filter=(Condition(column="open_amount", differs=0),),
    fields={"Open amount": FieldRule(column="open_amount")},
)


def monday() -> MondayStand:
    return MondayStand(MondayOptions(tier="enterprise"))


@pytest.fixture
def boards() -> Iterator[MondayStand]:
    made = monday()
    yield made
    made.close()


def counts_of(world: ApplicationWorld, entity: str) -> OutcomeCounts:
    """What the next run does with ``entity``."""
    world.sandbox.clock.advance(hours=1)
    (found,) = [one for one in world.run_well() if one.entity == entity]
    return found.counts


def held(world: ApplicationWorld, entity: str) -> dict[str, object]:
    found = world.there.held(world.mapped(entity))
    assert len(dict(found)) == len(found)
    return dict(found)


def test_a_changed_mapping_reaches_every_record_with_the_next_run_and_once(
    sandbox: Sandbox, stand: Stand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    world.run_well()
    everything = len(held(world, "suppliers"))
    field = "Buyer" if stand.system == "monday" else "ERP_Buyer__c"
    world.mapping = {"suppliers": EntityMapping(fields={field: FieldRule(constant="nobody")})}

    with world.open() as workspace:
        (target,) = world.flow.destinations
        (shown,) = preview_delivery(workspace, world.flow, target).entities
    assert (shown.changed, shown.new) == (everything, 0)

    assert counts_of(world, "suppliers").updated == everything
    world.assert_application_equals_the_oracle()
    assert counts_of(world, "suppliers").written == 0


def test_a_change_of_the_mapping_that_changes_no_record_costs_no_write(
    sandbox: Sandbox, stand: Stand, tmp_path: Path
) -> None:
    world = application_world(sandbox, stand, tmp_path, "suppliers")
    world.run_well()
    world.mapping = {
        "suppliers": EntityMapping(filter=(Condition(column="supplier_id", differs="nobody"),))
    }
    assert counts_of(world, "suppliers").written == 0


def test_lines_come_and_go_with_their_order_though_they_do_not_change(
    sandbox: Sandbox, boards: MondayStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, boards, tmp_path, *ORDERS, purchase_orders=OPEN)
    world.run_well()
    before = held(world, "purchase_order_lines")
    key = next(iter(held(world, "purchase_orders")))
    order = key.rsplit("/", 1)[1]
    lines = {one for one in before if one.startswith(f"{key}/")}
    assert lines

    sandbox.erp.set_field("MPHEAD", (100, order), "PUSL", "99")
    assert counts_of(world, "purchase_orders").deleted == 1
    assert held(world, "purchase_order_lines").keys() == before.keys() - lines

    sandbox.erp.set_field("MPHEAD", (100, order), "PUSL", "20")
    assert counts_of(world, "purchase_orders").written == 1
    assert held(world, "purchase_order_lines").keys() == before.keys()
    assert counts_of(world, "purchase_order_lines").written == 0
    assert_verified(world)


def assert_verified(world: ApplicationWorld) -> None:
    """What the application counts is what the ledger says it accepted."""
    (target,) = world.flow.destinations
    with world.open() as workspace:
        for entity in world.entities:
            found = verify_delivery(
                workspace,
                world.flow,
                target,
                entity=entity,
                companies=world.companies,
                run_id="check",
            )
            assert found.problems == ()


def test_unpaid_invoices_are_those_that_payments_leave_open(
    sandbox: Sandbox, boards: MondayStand, tmp_path: Path
) -> None:
    world = application_world(sandbox, boards, tmp_path, *INVOICES, supplier_invoices=UNPAID)
    world.run_well()
    first = open_amounts(world)
    assert first
    assert len(first) < len(world.rows("supplier_invoices"))
    assert shown_amounts(world) == first

    sandbox.clock.advance(hours=1)
    sandbox.erp.insert("payments", 12, "100")
    counts_of(world, "supplier_invoices")
    second = open_amounts(world)
    assert second != first
    assert shown_amounts(world) == second
    assert_verified(world)
    assert counts_of(world, "supplier_invoices").written == 0


def open_amounts(world: ApplicationWorld) -> dict[str, str | None]:
    """Invoice → what is still open, in plain Python."""
    key = ("division", "supplier_id", "invoice_number", "invoice_year", "currency")
    paid: dict[tuple[object, ...], Decimal] = {}
    for payment in world.rows("payments"):
        one = tuple(payment[name] for name in key)
        paid[one] = paid.get(one, Decimal(0)) + Decimal(str(payment["amount"]))
    found = {}
    for invoice in world.rows("supplier_invoices"):
        one = tuple(invoice[name] for name in key)
        left = Decimal(str(invoice["amount"])) - paid.get(one, Decimal(0))
        if left:
            found[str(invoice["record_id"])] = text(left)
    return found


def shown_amounts(world: ApplicationWorld) -> dict[str, str | None]:
    mapped = world.mapped("supplier_invoices")
    return {
        mapped.record_id(key): values["Open amount"] for key, values in world.there.held(mapped)
    }
