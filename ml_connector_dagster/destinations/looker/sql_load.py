"""Apply one staged batch through SQL Runner, in statements of bounded size that may each be repeated.

Per slice of rows: what is there (one query), replaced versions to the history (only when there are any), the rows, what
became of each (``_audit``); then a count that proves the writing, since what SQL Runner answers to a MERGE is undocumented;
and the batch's mark. Each writing is a MERGE by key, so one whose answer was lost, or that a crashed process had sent,
changes nothing more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS, RECEIPT_SCHEMA
from ml_connector_dagster.destinations.looker.dialects import Dialect, cell
from ml_connector_dagster.destinations.looker.sql_state import (
    Row,
    Stored,
    Tables,
    decide,
    lowered,
    state_query,
    stored,
    written_report,
)
from ml_connector_dagster.destinations.newest import beaten_places
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ColumnType, Entity
from ml_connector_dagster.model.errors import OutcomeUnknownError
from ml_connector_dagster.model.receipts import (
    DeliveryReport,
    Outcome,
    OutcomeCounts,
    RejectedRecord,
)


#: The points that a delivery passes, for tests that end a process there.
CHECKPOINTS: Final = (
    "looked",
    "history written",
    "rows written",
    "audit written",
    "receipts written",
    "committed",
)

#: What a MERGE has besides the cells of its rows: the casts of some 40 columns, twice.
STATEMENT_FRAME: Final = 12_000


#: What makes a row of ``_audit`` the same row: a batch says one thing about a record.
_AUDIT_KEY: Final = ("batch_id", "entity", "record_id")


#: When a row that is there is written over. A MERGE that is sent again finds its own rows.
_DIFFERS: Final[Mapping[WriteMode, str]] = {
    WriteMode.UPSERT: "t._row_hash <> s._row_hash",
    WriteMode.RESTORE: "t._batch_id <> s._batch_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large one statement may be."""

    rows: int
    length: int

    @property
    def room(self) -> int:
        """Bytes that the rows of a statement may take."""
        return self.length - STATEMENT_FRAME


@dataclass(slots=True, kw_only=True)
class SqlLoad:
    """One batch on its way. ``run`` runs one statement, and makes the tables when they are missing."""

    run: Callable[[str], Sequence[Mapping[str, Any]]]
    dialect: Dialect
    tables: Tables
    destination: str
    entity: Entity
    staged: StagedBatch
    mode: WriteMode
    bounds: Bounds
    now: datetime
    checkpoint: Callable[[str], None]
    _outcomes: Counter[Outcome] = field(default_factory=Counter)
    _receipts: list[dict[str, object]] = field(default_factory=list)
    _audited: int = 0
    _rejected: list[RejectedRecord] = field(default_factory=list)

    @property
    def batch_id(self) -> str:
        return self.staged.batch.batch_id

    @property
    def kinds(self) -> dict[str, ColumnType]:
        return {column.name: column.type for column in self.entity.all_columns}

    def apply(self) -> DeliveryReport:
        """Apply the batch, or answer what was reported when it was applied."""
        if not self.staged.batch.parts:
            return DeliveryReport(counts=OutcomeCounts())
        for rows in self._slices():
            there = self._look(rows)
            self.checkpoint("looked")
            if there.report is not None:
                return there.report
            self._write(rows, there)
        written = sum(
            self._outcomes[one] for one in (Outcome.INSERTED, Outcome.UPDATED, Outcome.DELETED)
        )
        if written:
            self._prove(written)
        self._audit()
        report = self._report()
        self.checkpoint("receipts written")
        if self._receipts:
            self._mark(report)
        self.checkpoint("committed")
        return report

    def _slices(self) -> Iterator[list[tuple[Row, list[str]]]]:
        """Rows with their cells, as many as fit into one statement. A row that fits into none is rejected."""
        return packed(self._fitting(), self.bounds)

    def _fitting(self) -> Iterator[tuple[Row, list[str]]]:
        for row in _newest(self.staged):
            cells = [cell(row[name]) for name in self.kinds]
            length = _length(cells)
            if length > self.bounds.room:
                self._reject(row, length)
            else:
                yield row, cells

    def _reject(self, row: Row, length: int) -> None:
        reason = (
            f"the record is {length:,} bytes long as SQL, more than one statement may have (statement_bytes "
            f"{self.bounds.length:,} of the connection)"
        )
        self._rejected.append(RejectedRecord(record_id=str(row["record_id"]), reason=reason))
        self._note(row, Outcome.REJECTED, reason)

    def _look(self, rows: Sequence[tuple[Row, list[str]]]) -> Stored:
        ids = [str(row["record_id"]) for row, _ in rows]
        return stored(self.run(state_query(self.dialect, self.tables, self.batch_id, ids)))

    def _write(self, rows: Sequence[tuple[Row, list[str]]], there: Stored) -> None:
        decided = [
            (row, cells, *decide(row, there, self.batch_id, self.mode)) for row, cells in rows
        ]
        to_write = [(row, cells) for row, cells, _, is_open in decided if is_open]
        replaced = [str(row["record_id"]) for row, _ in to_write if row["record_id"] in there.rows]
        if replaced:
            self.run(self._keep_replaced(replaced))
        self.checkpoint("history written")
        if to_write:
            self.run(self._merge([cells for _, cells in to_write]))
        self.checkpoint("rows written")
        for row, _, outcome, _ in decided:
            self._note(row, outcome)
        self._audit()
        self.checkpoint("audit written")

    def _note(self, row: Row, outcome: Outcome, reason: str | None = None) -> None:
        self._outcomes[outcome] += 1
        if outcome is not Outcome.UNCHANGED:
            self._receipts.append(
                {
                    "record_id": row["record_id"],
                    "entity": self.entity.name,
                    "outcome": outcome.value,
                    "reason": reason,
                    "remote_id": None,
                    "batch_id": self.batch_id,
                    "run_id": self.staged.batch.run_id,
                    "delivered_at": self.now,
                }
            )

    def _audit(self) -> None:
        """What was noted since the last time, to ``_audit``. What is there from a first attempt stays."""
        noted = self._receipts[self._audited :]
        self._audited = len(self._receipts)
        kinds = {name: audit_kind(name) for name in RECEIPT_SCHEMA.names}
        same = " AND ".join(f"t.{name} = s.{name}" for name in _AUDIT_KEY)
        for rows in packed(
            ((one, [cell(one[name]) for name in kinds]) for one in noted), self.bounds
        ):
            relation = self.dialect.relation(kinds, [cells for _, cells in rows])
            self.run(
                f"MERGE INTO {self.tables.audit} AS t USING {relation} AS s ON {same}"
                f" WHEN NOT MATCHED THEN INSERT ({', '.join(kinds)})"
                f" VALUES ({', '.join(f's.{name}' for name in kinds)})"
            )

    def _merge(self, rows: Sequence[Sequence[str]]) -> str:
        names = list(self.kinds)
        changes = ", ".join(f"{name} = s.{name}" for name in names if name != "record_id")
        return (
            f"MERGE INTO {self.tables.table} AS t USING {self.dialect.relation(self.kinds, rows)} AS s"
            " ON t.record_id = s.record_id"
            f" WHEN MATCHED AND {_DIFFERS[self.mode]} THEN UPDATE SET {changes}"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})"
            f" VALUES ({', '.join(f's.{name}' for name in names)})"
        )

    def _keep_replaced(self, record_ids: Sequence[str]) -> str:
        """Versions to the history, each once: a batch replaces a record's version once."""
        names = [*self.kinds, *HISTORY_COLUMNS]
        ids = self.dialect.relation(
            {"record_id": ColumnType.STRING}, [(cell(one),) for one in record_ids]
        )
        replaced_at = self.dialect.value(cell(self.now), ColumnType.TIMESTAMP)
        columns = ", ".join(f"o.{name}" for name in self.kinds)
        return (
            f"MERGE INTO {self.tables.history} AS h USING (SELECT {columns}, {replaced_at} AS _replaced_at,"
            f" {self.dialect.value(cell(self.batch_id))} AS _replaced_by_batch FROM {self.tables.table} AS o"
            f" WHERE o.record_id IN (SELECT record_id FROM {ids} AS i)) AS s"
            " ON h.record_id = s.record_id AND h._replaced_by_batch = s._replaced_by_batch"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})"
            f" VALUES ({', '.join(f's.{name}' for name in names)})"
        )

    def _prove(self, written: int) -> None:
        batch = self.dialect.value(cell(self.batch_id))
        sides = " UNION ALL ".join(
            f"SELECT record_id FROM {table} WHERE _batch_id = {batch}"
            for table in (self.tables.table, self.tables.history)
        )
        (found,) = self.run(f"SELECT COUNT(DISTINCT record_id) AS found FROM ({sides}) AS b")
        counted = int(lowered(found)["found"])
        if counted != written:
            raise OutcomeUnknownError(
                f"SQL Runner took {written} rows of batch {self.batch_id} for {self.tables.table}, and {counted} are "
                "there. Does something else write to that table? The next delivery looks again"
            )

    def _report(self) -> DeliveryReport:
        receipts = None
        if self._receipts:
            receipts = self.staged.write_receipts(
                self.destination, pa.Table.from_pylist(self._receipts, schema=RECEIPT_SCHEMA)
            )
        return DeliveryReport(
            counts=OutcomeCounts(**{one.value: count for one, count in self._outcomes.items()}),
            rejected=tuple(self._rejected),
            receipts=receipts,
        )

    def _mark(self, report: DeliveryReport) -> None:
        kinds = {"batch_id": ColumnType.STRING, "report": ColumnType.STRING}
        row = (cell(self.batch_id), cell(written_report(report)))
        self.run(
            f"MERGE INTO {self.tables.batches} AS t USING {self.dialect.relation(kinds, [row])} AS s"
            " ON t.batch_id = s.batch_id"
            " WHEN NOT MATCHED THEN INSERT (batch_id, report) VALUES (s.batch_id, s.report)"
        )


def audit_kind(column: str) -> ColumnType:
    """The type of a column of ``_audit``."""
    return ColumnType.TIMESTAMP if column == "delivered_at" else ColumnType.STRING


def packed(
    rows: Iterable[tuple[Row, list[str]]], bounds: Bounds
) -> Iterator[list[tuple[Row, list[str]]]]:
    """Rows with their cells, as many at a time as fit into one statement."""
    portion: list[tuple[Row, list[str]]] = []
    size = 0
    for row, cells in rows:
        length = _length(cells)
        if portion and (size + length > bounds.room or len(portion) >= bounds.rows):
            yield portion
            portion, size = [], 0
        portion.append((row, cells))
        size += length
    if portion:
        yield portion


def _length(cells: Sequence[str]) -> int:
    return sum(len(one.encode()) + 2 for one in cells) + 4


def _newest(staged: StagedBatch) -> Iterator[Row]:
    """One row per record: its newest version, the last of equals. In file order, and without holding all rows."""
    beaten = frozenset(beaten_places(staged).to_pylist())
    place = 0
    for batch in staged.reader():
        for row in batch.to_pylist():
            if place not in beaten:
                yield row
            place += 1
