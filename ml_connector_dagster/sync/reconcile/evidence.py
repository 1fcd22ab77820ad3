"""What is staged and written down of one entity and company: for explaining a difference, never for finding one."""

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.model.sweeps import SweepState
from ml_connector_dagster.sync.reconcile.judging import Evidence
from ml_connector_dagster.sync.reconcile.reading import ErpSide, next_read_from
from ml_connector_dagster.sync.workspace import Source, Workspace


def gather(
    workspace: Workspace,
    source: Source,
    flow: Flow,
    target: FlowDestination,
    entity: str,
    company: str,
    erp: ErpSide,
) -> Evidence:
    """All of it, at one moment after both sides were asked."""
    ledger, tenant = workspace.ledger, source.tenant
    mark = ledger.watermark(tenant, entity, company)
    until = None if mark is None else mark.complete_until
    sweeps = [
        one.started_at
        for one in ledger.sweeps.last(tenant, entity=entity, state=SweepState.COMPLETE)
        if one.company == company
    ]
    batches = [
        batch
        for batch in ledger.batches(tenant=tenant, entity=entity, company=company)
        if batch.rows and batch.for_destination in ("", target.name)
    ]
    return Evidence(
        staged=lambda columns: workspace.staging.columns(batches, columns) if batches else None,
        pending=[
            batch.batch_id
            for batch in ledger.pending(
                destination=target.name, tenant=tenant, entity=entity, companies=[company]
            )
        ],
        refused={
            letter.record_id: letter.reason
            for letter in ledger.dead_letters(
                tenant=tenant, entity=entity, company=company, destination=target.name
            )
        },
        edits=ledger.edits(tenant=tenant, destination=target.name, entity=entity, company=company),
        sighted=ledger.sweeps.sightings(tenant, entity, company),
        earlier=ledger.differences(
            tenant=tenant, destination=target.name, entity=entity, company=company
        ),
        as_of=erp.as_of,
        watermark=until,
        next_read=next_read_from(source, entity, company, until, workspace.now()),
        last_sweep=max(sweeps, default=None),
        sweeps=flow.sweep.schedule is not None,
    )
