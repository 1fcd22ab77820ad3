"""Reconciliation of applications, through their real clients: counts and sums by their own queries, records when they differ."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    FieldValue,
    Found,
    Ticket,
)
from ml_connector_dagster.destinations.applications.inspections import amount_fields
from ml_connector_dagster.model.reconciliations import Finding, ReconciliationState, Standing
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.reconcile.repairing import mend
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster_tests.application_worlds import (
    NAME,
    ApplicationWorld,
    Stand,
    application_world,
)
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


def test_an_amount_that_somebody_changed_in_an_application_is_found_by_its_key(
    sandbox: Sandbox, stand: Stand, tmp_path: Path
) -> None:
    open_orders = EntityMapping.model_validate(
        {"filter": [{"column": "status_lowest", "below": "75"}]}
    )
    world = application_world(
        sandbox, stand, tmp_path, "suppliers", "purchase_orders", purchase_orders=open_orders
    )
    world.run_well()
    suppliers, orders = reconcile(world)
    wanted = [
        one
        for one in sandbox.erp.truth("purchase_orders", "100")
        if str(one["status_lowest"]) < "75"
    ]
    assert suppliers.done.state is ReconciliationState.CLEAN
    assert orders.done.state is ReconciliationState.CLEAN
    assert 0 < orders.done.erp_rows == orders.done.found_rows == len(wanted)
    assert orders.groups[0].erp.sums == (sum(Decimal(str(one["net_amount"])) for one in wanted),)

    record = f"acme/100/{wanted[0]['purchase_order_id']}"
    change_amount(world, record, Decimal(1000))
    _, orders = reconcile(world)
    (one,) = orders.differences
    assert (one.record_id, one.finding) == (record, Finding.DIFFERENT)
    assert one.standing is Standing.WRONG
    assert Decimal(one.found["net_amount"]) - Decimal(one.erp["net_amount"]) == 1000

    with world.open() as workspace:
        mended = mend(workspace, world.flow, Request(run_id="mend"), (orders,))
    assert [(one.sent, one.counts.updated, one.error) for one in mended.repairs] == [(1, 1, "")]
    assert [one.done.state for one in mended.comparisons] == [ReconciliationState.CLEAN]

    # A colleague takes it away altogether.
    take_away(world, record)
    _, orders = reconcile(world)
    assert [one.finding for one in orders.differences] == [Finding.MISSING]
    assert orders.restorable == (record,)
    with world.open() as workspace:
        mended = mend(workspace, world.flow, Request(run_id="mend again"), (orders,))
    assert [(one.sent, one.counts.written, one.error) for one in mended.repairs] == [(1, 1, "")]
    assert [one.done.state for one in mended.comparisons] == [ReconciliationState.CLEAN]


def reconcile(world: ApplicationWorld) -> tuple[Comparison, ...]:
    with world.open() as workspace:
        return reconcile_flow(workspace, world.flow, Request(run_id="reconcile"))


def change_amount(world: ApplicationWorld, record_id: str, by: Decimal) -> None:
    """What a colleague does in the application, behind the connector's back."""
    field = amount_fields(world.mapped("purchase_orders"))["net_amount"]

    def changed(found: Found, values: Mapping[str, FieldValue]) -> Change:
        old = values[field]
        assert isinstance(old, Decimal)
        return Change(
            kind=ChangeKind.UPDATE,
            external_id=found.external_id,
            remote_id=found.remote_id,
            fields={**values, field: old + by},
        )

    by_hand(world, record_id, changed)


def take_away(world: ApplicationWorld, record_id: str) -> None:
    """The colleague removes it. In Salesforce the connector never does that, so it is done past its client."""
    if isinstance(world.stand, SalesforceStand):
        mapped, org = world.mapped("purchase_orders"), world.stand.org
        name, key = mapped.placement.object, mapped.external_id(record_id)
        org.records.table(org.schema.objects[name]).remove(org.by_key(name)[key]["Id"])
        return

    def removed(found: Found, values: Mapping[str, FieldValue]) -> Change:
        return Change(
            kind=ChangeKind.ARCHIVE, external_id=found.external_id, remote_id=found.remote_id
        )

    by_hand(world, record_id, removed)


def by_hand(
    world: ApplicationWorld,
    record_id: str,
    change_of: Callable[[Found, Mapping[str, FieldValue]], Change],
) -> None:
    mapped = world.mapped("purchase_orders")
    placement = mapped.placement
    with world.open() as workspace:
        application = workspace.application(NAME)
        target = application.target
        found: Found
        (found,) = target.find(placement, external_ids=[mapped.external_id(record_id)], prefix="")
        change = change_of(found, {name: found.values.get(name) for name in placement.fields})
        for portion in target.plan(placement, [change]):
            ticket = Ticket(id="by hand", remember=lambda job: None)
            answers = [one for some in target.write(placement, portion, ticket) for one in some]
            assert [one.status.value for one in answers] == ["accepted"]
        application.close()
