"""What is reported of a batch: read back from its mark in ``_batches`` and from ``_audit``.

Receipts are written beside the batch after the commit. A process that dies before leaves a mark without a receipts
path, and whoever delivers the batch again writes them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.types import moment
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts, RejectedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """The report of one batch. ``marks`` and ``audit`` are tables, quoted."""

    api: SqlApi
    marks: str
    audit: str
    destination: str
    staged: StagedBatch
    tag: str
    checkpoint: Callable[[str], None]

    def find(self) -> DeliveryReport | None:
        """The report, receipts included; None when the batch has not been applied."""
        found = self.api.run(
            "SELECT inserted, updated, unchanged, deleted, rejected, receipts, delivered_at, run_id"
            f" FROM {self.marks} WHERE batch_id = ? AND inserted IS NOT NULL",
            self.staged.batch.batch_id,
            tag=self.tag,
        ).rows
        if not found:
            return None
        *numbers, receipts, delivered_at, run_id = found[0]
        fields = ("inserted", "updated", "unchanged", "deleted", "rejected")
        counts = OutcomeCounts(
            **{name: int(number or 0) for name, number in zip(fields, numbers, strict=True)}
        )
        if receipts is None and counts.total > counts.unchanged:
            receipts = self._write_receipts(moment(str(delivered_at)), str(run_id))
        return DeliveryReport(counts=counts, rejected=self._rejected(counts), receipts=receipts)

    def _rejected(self, counts: OutcomeCounts) -> tuple[RejectedRecord, ...]:
        if not counts.rejected:
            return ()
        found = self.api.run(
            f"SELECT record_id, reason FROM {self.audit} WHERE batch_id = ? AND outcome = 'rejected'"
            " ORDER BY record_id",
            self.staged.batch.batch_id,
            tag=self.tag,
        ).rows
        return tuple(
            RejectedRecord(record_id=str(record_id), reason=str(why)) for record_id, why in found
        )

    def _write_receipts(self, delivered_at: datetime, run_id: str) -> str:
        reader = pa.RecordBatchReader.from_batches(
            RECEIPT_SCHEMA, self._receipts(delivered_at, run_id)
        )
        path = self.staged.write_receipts(self.destination, reader)
        self.checkpoint("receipts written")
        self.api.run(
            f"UPDATE {self.marks} SET receipts = ? WHERE batch_id = ?",
            path,
            self.staged.batch.batch_id,
            tag=self.tag,
        )
        self.checkpoint("batch marked")
        return path

    def _receipts(self, delivered_at: datetime, run_id: str) -> Iterator[pa.RecordBatch]:
        """Page by page, so that a million of them need no memory."""
        batch = self.staged.batch
        moment_type = pa.timestamp("us", "UTC")
        for rows in self.api.pages(
            f"SELECT record_id, outcome, reason FROM {self.audit} WHERE batch_id = ?",
            batch.batch_id,
            tag=self.tag,
        ):
            count = len(rows)
            values = {
                "record_id": pa.array([row[0] for row in rows], pa.string()),
                "entity": pa.repeat(batch.entity, count),
                "outcome": pa.array([row[1] for row in rows], pa.string()),
                "reason": pa.array([row[2] for row in rows], pa.string()),
                "remote_id": pa.nulls(count, pa.string()),
                "batch_id": pa.repeat(batch.batch_id, count),
                "run_id": pa.repeat(run_id, count),
                "delivered_at": pa.repeat(pa.scalar(delivered_at, moment_type), count),
            }
            yield pa.record_batch(values, schema=RECEIPT_SCHEMA)
