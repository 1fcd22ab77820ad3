"""Staged rows that are staged again: marked deleted, or with the mark taken off. Their content stays as it is."""

from datetime import datetime

import pyarrow as pa

from ml_connector_dagster.columns.content import row_hashes
from ml_connector_dagster.columns.moments import TIMESTAMP
from ml_connector_dagster.model.entities import SYSTEM_COLUMNS


_SYSTEM = frozenset(column.name for column in SYSTEM_COLUMNS)


def marked(
    rows: pa.Table,
    *,
    deleted_at: datetime | None,
    extracted_at: datetime,
    batch_id: str,
    run_id: str,
) -> pa.Table:
    """``rows`` as versions of ``extracted_at`` whose record is gone since ``deleted_at`` (None: it is there).

    ``_modified_at`` stays: the ERP said nothing new. So of two versions with the same stamp the one that was observed
    later counts, and a row without a mark gets the very hash that the ERP's next answer has.
    """
    fresh = {
        "_deleted_at": pa.repeat(pa.scalar(deleted_at, TIMESTAMP), rows.num_rows),
        "_extracted_at": pa.repeat(pa.scalar(extracted_at, TIMESTAMP), rows.num_rows),
        "_run_id": pa.array([run_id] * rows.num_rows, pa.string()),
    }
    for name, column in fresh.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return rehashed(carried_by(rows, batch_id))


def carried_by(rows: pa.Table, batch_id: str) -> pa.Table:
    """``rows`` as they are, in another batch: a destination knows by that what a delivery has written already."""
    ids = pa.array([batch_id] * rows.num_rows, pa.string())
    return rows.set_column(rows.schema.get_field_index("_batch_id"), "_batch_id", ids)


def unmarked(rows: pa.Table) -> pa.Table:
    """``rows`` without a mark, with the ``_row_hash`` that the ERP's own answer has."""
    place = rows.schema.get_field_index("_deleted_at")
    nulls = pa.nulls(rows.num_rows, TIMESTAMP)
    return rehashed(rows.set_column(place, rows.schema.field(place), nulls))


def rehashed(rows: pa.Table) -> pa.Table:
    """``rows`` with the ``_row_hash`` of what they hold now."""
    hashed = [
        "record_id",
        *(name for name in rows.column_names if name not in _SYSTEM),
        "_extra",
        "_deleted_at",
    ]
    hashes = row_hashes([rows[name].combine_chunks() for name in hashed])
    return rows.set_column(rows.schema.get_field_index("_row_hash"), "_row_hash", hashes)
