"""The newest staged versions of records: what a replay, a mark or a business document starts from."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.versions import is_older
from ml_connector_dagster.sync.workspace import Workspace


def newest_rows(
    workspace: Workspace, tenant: str, entity: str, company: str, record_ids: Sequence[str]
) -> tuple[pa.Table, Batch | None]:
    """The newest staged version of each record, and the newest batch that carries one of them."""
    found: list[pa.Table] = []
    carrier: Batch | None = None
    for batch in workspace.ledger.batches(tenant=tenant, entity=entity, company=company):
        if batch.rows:
            rows = workspace.staging.find(batch, record_ids)
            if rows.num_rows:
                found.append(rows)
                carrier = batch
    if not found:
        return pa.table({}), None
    return newest_versions(pa.concat_tables(found, promote_options="default")), carrier


def newest_versions(rows: pa.Table) -> pa.Table:
    """One row per record of ``rows``, which are in the order of their batches: its newest version, the last of equals."""
    newest: dict[str, tuple[int, Mapping[str, Any]]] = {}
    stamps = rows.select(["record_id", "_modified_at", "_extracted_at"]).to_pylist()
    for index, row in enumerate(stamps):
        held = newest.get(row["record_id"])
        if held is None or not is_older(row, held[1]):
            newest[row["record_id"]] = (index, row)
    return rows.take(pa.array(sorted(index for index, _ in newest.values()), pa.int64()))
