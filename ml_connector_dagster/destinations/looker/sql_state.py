"""What the database holds of a batch's records, and what is to become of each. Decided on this side.

Statements stand alone: there is no transaction over SQL Runner. So a batch that was interrupted is decided again from what
it left: a row carries the batch that wrote it, and so does the version that it replaced.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ml_connector_dagster.destinations.looker.dialects import Dialect, cell
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ColumnType
from ml_connector_dagster.model.receipts import (
    DeliveryReport,
    Outcome,
    OutcomeCounts,
    RejectedRecord,
)
from ml_connector_dagster.model.versions import is_older


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one entity, as statements name them."""

    schema: str
    entity: str

    @property
    def table(self) -> str:
        return f"{self.schema}.{self.entity}"

    @property
    def history(self) -> str:
        return f"{self.schema}.{self.entity}_history"

    @property
    def audit(self) -> str:
        return f"{self.schema}._audit"

    @property
    def batches(self) -> str:
        return f"{self.schema}._batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is there of some records.

    Attributes:
        rows: record → its hash, stamps and batch.
        replaced: records of which this batch has replaced a version.
        was: records whose version of this batch was replaced since.
        report: what was answered when the batch was applied; None when it was not, to its end.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    replaced: frozenset[str] = frozenset()
    was: frozenset[str] = frozenset()
    report: DeliveryReport | None = None


def state_query(dialect: Dialect, tables: Tables, batch_id: str, record_ids: Iterable[str]) -> str:
    """One statement for all of it: each statement is two calls of the month's quota."""
    batch = dialect.value(cell(batch_id))
    ids = dialect.relation({"record_id": ColumnType.STRING}, [(cell(one),) for one in record_ids])
    modified = dialect.shown("_modified_at", ColumnType.TIMESTAMP)
    extracted = dialect.shown("_extracted_at", ColumnType.TIMESTAMP)
    nothing = f"CAST(NULL AS {dialect.text})"
    chosen = f"WHERE record_id IN (SELECT record_id FROM {ids} AS i)"
    # Of these records alone: a large batch is looked at slice by slice.
    return (
        f"SELECT 'row' AS what, record_id AS id, _row_hash AS hash, {modified} AS modified,"
        f" {extracted} AS extracted, _batch_id AS batch FROM {tables.table} {chosen}"
        f" UNION ALL SELECT 'replaced', record_id, {nothing}, {nothing}, {nothing}, {nothing}"
        f" FROM {tables.history} {chosen} AND _replaced_by_batch = {batch}"
        f" UNION ALL SELECT 'was', record_id, {nothing}, {nothing}, {nothing}, {nothing}"
        f" FROM {tables.history} {chosen} AND _batch_id = {batch}"
        f" UNION ALL SELECT 'mark', report, {nothing}, {nothing}, {nothing}, {nothing}"
        f" FROM {tables.batches} WHERE batch_id = {batch}"
    )


def stored(answer: Sequence[Row]) -> Stored:
    """The answer to a state query."""
    by_kind: dict[str, list[Row]] = {"row": [], "replaced": [], "was": [], "mark": []}
    for row in (lowered(one) for one in answer):
        by_kind[str(row["what"])].append(row)
    return Stored(
        rows={
            str(row["id"]): {
                "_row_hash": row["hash"],
                "_modified_at": moment(row["modified"]),
                "_extracted_at": moment(row["extracted"]),
                "_batch_id": row["batch"],
            }
            for row in by_kind["row"]
        },
        replaced=frozenset(str(row["id"]) for row in by_kind["replaced"]),
        was=frozenset(str(row["id"]) for row in by_kind["was"]),
        report=next((read_report(str(row["id"])) for row in by_kind["mark"]), None),
    )


def decide(row: Row, there: Stored, batch_id: str, mode: WriteMode) -> tuple[Outcome, bool]:
    """What becomes of ``row`` with this batch, and whether that is still to be written."""
    record_id = str(row["record_id"])
    known = there.rows.get(record_id)
    ours = known is not None and (known["_batch_id"], known["_row_hash"]) == (
        batch_id,
        row["_row_hash"],
    )
    if ours or record_id in there.was:
        return _written(row, is_new=record_id not in there.replaced), False
    if known is None:
        return _written(row, is_new=True), True
    same = mode is not WriteMode.RESTORE and known["_row_hash"] == row["_row_hash"]
    if same or is_older(row, known):
        return Outcome.UNCHANGED, False
    return _written(row, is_new=False), True


def _written(row: Row, *, is_new: bool) -> Outcome:
    if row["_deleted_at"] is not None:
        return Outcome.DELETED
    return Outcome.INSERTED if is_new else Outcome.UPDATED


def lowered(row: Row) -> dict[str, Any]:
    """A row by its names in lower case: some databases hand them out in upper case."""
    return {name.lower(): value for name, value in row.items()}


def moment(text: object) -> datetime | None:
    """A moment as statements hand it out: UTC, without saying so."""
    return None if text is None else datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def written_report(report: DeliveryReport) -> str:
    """A report as ``_batches`` keeps it."""
    counts = report.counts
    return json.dumps(
        {
            "counts": {outcome.value: getattr(counts, outcome.value) for outcome in Outcome},
            "rejected": [[one.record_id, one.reason] for one in report.rejected],
            "receipts": report.receipts,
        },
        ensure_ascii=True,
    )


def read_report(text: str) -> DeliveryReport:
    """The other way round."""
    kept = json.loads(text)
    return DeliveryReport(
        counts=OutcomeCounts(**kept["counts"]),
        rejected=tuple(
            RejectedRecord(record_id=one, reason=reason) for one, reason in kept["rejected"]
        ),
        receipts=kept["receipts"],
    )
