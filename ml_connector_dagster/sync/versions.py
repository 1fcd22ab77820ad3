"""The newest staged versions of records: what a replay, a repair, a mark or a business document starts from."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ml_connector_dagster.columns.marks import carried_by
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.versions import is_older
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.workspace import Workspace


def newest_rows(
    workspace: Workspace, tenant: str, entity: str, company: str, record_ids: Sequence[str]
) -> tuple[pa.Table, Batch | None]:
    """The newest staged version of each record, and the newest batch that carries one of them.

    One version of each is held at a time: a table that is read whole each time has all records in every batch.
    """
    newest = pa.table({})
    carrier: Batch | None = None
    for batch in workspace.ledger.batches(tenant=tenant, entity=entity, company=company):
        if batch.rows:
            rows = workspace.staging.find(batch, record_ids)
            if rows.num_rows:
                known = [newest] if newest.num_rows else []
                both = pa.concat_tables([*known, rows], promote_options="default")
                newest, carrier = newest_versions(both), batch
    return newest, carrier


def stage_again(
    workspace: Workspace,
    rows: pa.Table,
    carrier: Batch,
    *,
    destination: str,
    route: str,
    run_id: str,
) -> Batch:
    """Stage ``rows`` as a batch for ``destination`` alone; ``carrier`` is a batch that they came with."""
    now = workspace.now()
    with workspace.staging.write(
        tenant=carrier.tenant,
        entity=ENTITIES[carrier.entity],
        company=carrier.company,
        window=carrier.window,
        batch_id=new_id(now),
        run_id=run_id,
        started_at=now,
        timezone=workspace.cloudsuite(carrier.tenant).zone,
        for_destination=destination,
    ) as writer:
        writer.append(carried_by(rows, writer.batch_id))
        batch = writer.commit(
            route=route, finished_at=now, requests=0, rejected_cells=0, dead_letters=0
        )
    workspace.ledger.record_replay(batch)
    return batch


def newest_versions(rows: pa.Table) -> pa.Table:
    """One row per record of ``rows``, which are in the order of their batches: its newest version, the last of equals."""
    newest: dict[str, tuple[int, Mapping[str, Any]]] = {}
    stamps = rows.select(["record_id", "_modified_at", "_extracted_at"]).to_pylist()
    for index, row in enumerate(stamps):
        held = newest.get(row["record_id"])
        if held is None or not is_older(row, held[1]):
            newest[row["record_id"]] = (index, row)
    return rows.take(pa.array(sorted(index for index, _ in newest.values()), pa.int64()))
