"""What is written down of a delivery: ``_audit``, receipts beside the batch, and the batch's mark in ``_batches``."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA
from ml_connector_dagster.destinations.databricks.tables import BATCHES_TYPES, Names
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.table_names import BATCHES
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts, RejectedRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How many records a plan holds by outcome. Unchanged ones are not among them."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    rejected: int = 0

    @property
    def written(self) -> int:
        """Records that go to the table."""
        return self.inserted + self.updated + self.deleted

    @property
    def all(self) -> int:
        return self.written + self.rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The books of one batch at one destination. Everything here can be done twice without a trace."""

    workspace: Workspace
    destination: str
    names: Names
    entity: Entity
    staged: StagedBatch
    now: datetime

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    def earlier_report(self) -> DeliveryReport | None:
        """What was reported when the batch was applied; None when it was not."""
        found = self.workspace.run(
            "SELECT inserted, updated, unchanged, deleted, rejected, receipts"
            f" FROM {self.names.sql(BATCHES)} WHERE batch_id = :batch",
            {"batch": self.batch.batch_id},
        )
        if not found:
            return None
        *numbers, receipts = found[0]
        inserted, updated, unchanged, deleted, rejected = (int(value or 0) for value in numbers)
        counts = OutcomeCounts(
            inserted=inserted,
            updated=updated,
            unchanged=unchanged,
            deleted=deleted,
            rejected=rejected,
        )
        return DeliveryReport(
            counts=counts, rejected=self._rejected_before() if rejected else (), receipts=receipts
        )

    def _rejected_before(self) -> tuple[RejectedRecord, ...]:
        found = self.workspace.fetch(
            f"SELECT record_id, reason FROM {self.names.sql(self.names.audit)}"
            " WHERE batch_id = :batch AND outcome = 'rejected'",
            {"batch": self.batch.batch_id},
        )
        return _rejections(found)

    def write_audit(self, plan: str) -> None:
        """A row of ``_audit`` for each record of the table ``plan`` (quoted)."""
        names = ", ".join(RECEIPT_SCHEMA.names)
        values = ", ".join(f"s.{name}" for name in RECEIPT_SCHEMA.names)
        self.workspace.run(
            f"MERGE INTO {self.names.sql(self.names.audit)} AS a USING ("
            "SELECT record_id, :entity AS entity, outcome, reason, CAST(NULL AS STRING) AS remote_id,"
            f" :batch AS batch_id, :run AS run_id, delivered_at FROM {plan}) AS s"
            " ON a.batch_id = s.batch_id AND a.record_id = s.record_id"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            {"entity": self.entity.name, "batch": self.batch.batch_id, "run": self.batch.run_id},
        )

    def report(self, plan: str, decided: Decisions, records: int) -> DeliveryReport:
        """The report on ``records`` distinct records, of which ``plan`` (quoted) holds those that were decided on.

        Receipts are written on the way, a chunk at a time: a first load has one for each record.
        """
        counts = OutcomeCounts(
            inserted=decided.inserted,
            updated=decided.updated,
            unchanged=records - decided.all,
            deleted=decided.deleted,
            rejected=decided.rejected,
        )
        if not decided.all:
            return DeliveryReport(counts=counts)
        rejected: list[pa.Table] = []
        receipts = pa.RecordBatchReader.from_batches(
            RECEIPT_SCHEMA,
            (batch for chunk in self._receipts(plan, rejected) for batch in chunk.to_batches()),
        )
        path = self.staged.write_receipts(self.destination, receipts)
        return DeliveryReport(
            counts=counts,
            rejected=_rejections(pa.concat_tables(rejected)) if rejected else (),
            receipts=path,
        )

    def _receipts(self, plan: str, rejected: list[pa.Table]) -> Iterator[pa.Table]:
        """The receipts in chunks; those of rejected records are kept in ``rejected``."""
        same = {
            "entity": self.entity.name,
            "remote_id": None,
            "batch_id": self.batch.batch_id,
            "run_id": self.batch.run_id,
        }
        for chunk in self.workspace.stream(
            f"SELECT record_id, outcome, reason, delivered_at FROM {plan}"
        ):
            columns = [
                pa.repeat(pa.scalar(same[one.name], one.type), chunk.num_rows)
                if one.name in same
                else chunk[one.name].cast(one.type)
                for one in RECEIPT_SCHEMA
            ]
            receipts = pa.table(columns, schema=RECEIPT_SCHEMA)
            refused = receipts.filter(pc.equal(receipts["outcome"], "rejected"))
            if refused.num_rows:
                rejected.append(refused)
            yield receipts

    def mark(self, report: DeliveryReport) -> None:
        """Write down that the batch has been applied."""
        counts = report.counts
        values: dict[str, str | None] = {
            "batch_id": self.batch.batch_id,
            "tenant": self.batch.tenant,
            "entity": self.entity.name,
            "company": self.batch.company,
            "table_name": self.names.table,
            "run_id": self.batch.run_id,
            "inserted": str(counts.inserted),
            "updated": str(counts.updated),
            "unchanged": str(counts.unchanged),
            "deleted": str(counts.deleted),
            "rejected": str(counts.rejected),
            "receipts": report.receipts,
            "delivered_at": self.now.isoformat(),
        }
        selected = ", ".join(
            f"CAST(:{name} AS {kind.upper()}) AS {name}" for name, kind in BATCHES_TYPES.items()
        )
        names = ", ".join(values)
        inserted = ", ".join(f"s.{name}" for name in values)
        self.workspace.run(
            f"MERGE INTO {self.names.sql(BATCHES)} AS b USING (SELECT {selected}) AS s"
            " ON b.batch_id = s.batch_id"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({inserted})",
            values,
        )


def _rejections(table: pa.Table) -> tuple[RejectedRecord, ...]:
    if not table.num_columns:
        return ()
    rows = table.select(["record_id", "reason"]).sort_by("record_id").to_pylist()
    return tuple(RejectedRecord(**one) for one in rows)
