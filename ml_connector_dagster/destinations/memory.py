"""The oracle: a destination in plain Python that is obviously right. Slow on purpose.

Any sequence of batches must leave every other destination equal to it. It keeps nothing between processes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any

import duckdb
import pyarrow as pa

from ml_connector_dagster.destinations.contract import (
    HISTORY_COLUMNS,
    RECEIPT_SCHEMA,
    Scope,
    TableFacts,
)
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    ENTITIES,
    ColumnType,
    Entity,
)
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import (
    DeliveryReport,
    Outcome,
    OutcomeCounts,
    RejectedRecord,
)
from ml_connector_dagster.model.versions import is_older
from ml_connector_dagster.model.views import View


Row = dict[str, Any]

CAPABILITIES = Capabilities(
    write_modes=frozenset(WriteMode),
    history=Support.NATIVE,
    audit=Support.NATIVE,
    schema_evolution=Support.NATIVE,
)


def accept(row: Mapping[str, Any]) -> str | None:
    """The default of ``refusal``: no row is refused."""
    return None


class MemoryDestination:
    """Tables as dictionaries.

    Args:
        refusal: stands for a constraint of the table: the reason why a row is refused, or None.
        now: the clock of ``delivered_at`` and ``_replaced_at``.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str = "memory.erp",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        refusal: Callable[[Mapping[str, Any]], str | None] = accept,
    ) -> None:
        self.name = name
        self._now = now
        self._refusal = refusal
        self._tables: dict[str, dict[str, Row]] = {}  # entity → record_id → row
        self._schemas: dict[str, pa.Schema] = {}
        self._history: dict[str, list[Row]] = {}
        self._audit: list[Row] = []
        self._reports: dict[str, DeliveryReport] = {}  # batch_id → what was answered
        self._views: dict[str, View] = {}

    def prepare(self, entity: Entity) -> None:
        self._tables.setdefault(entity.name, {})
        self._history.setdefault(entity.name, [])

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        batch = staged.batch
        if batch.batch_id in self._reports:
            return self._reports[batch.batch_id]
        self.prepare(entity)
        incoming = staged.reader().read_all()
        if incoming.num_rows:  # a batch of no rows has no files, and so no columns
            self._learn_columns(entity, incoming.schema)
        delivered_at = self._now()
        outcomes: Counter[Outcome] = Counter()
        receipts: list[Row] = []
        for row in newest_versions(incoming.to_pylist()):
            outcome, reason = self._apply(entity, row, batch, mode, delivered_at)
            outcomes[outcome] += 1
            if outcome is not Outcome.UNCHANGED:
                receipts.append(_receipt(entity, row, outcome, reason, batch, delivered_at))
        self._audit.extend(receipts)
        report = DeliveryReport(
            counts=OutcomeCounts(**{outcome.value: count for outcome, count in outcomes.items()}),
            rejected=tuple(
                RejectedRecord(record_id=receipt["record_id"], reason=receipt["reason"])
                for receipt in receipts
                if receipt["outcome"] == Outcome.REJECTED
            ),
            receipts=self._write_receipts(staged, receipts),
        )
        self._reports[batch.batch_id] = report
        return report

    def _apply(
        self, entity: Entity, row: Row, batch: Batch, mode: WriteMode, delivered_at: datetime
    ) -> tuple[Outcome, str | None]:
        table = self._tables[entity.name]
        stored = table.get(row["record_id"])
        if stored is not None:
            same = mode is not WriteMode.RESTORE and stored["_row_hash"] == row["_row_hash"]
            if same or is_older(row, stored):
                return Outcome.UNCHANGED, None
        reason = self._refusal(row)
        if reason is not None:
            return Outcome.REJECTED, reason
        if stored is not None:
            replaced = {"_replaced_at": delivered_at, "_replaced_by_batch": batch.batch_id}
            self._history[entity.name].append({**stored, **replaced})
        table[row["record_id"]] = {**(stored or {}), **row}
        if row["_deleted_at"] is not None:
            return Outcome.DELETED, None
        return (Outcome.INSERTED if stored is None else Outcome.UPDATED), None

    def change_by_hand(self, entity: Entity, record_id: str, values: Row | None) -> None:
        """What somebody else does to a stored row; None removes it. The row's hash stays what it was."""
        stored = self._tables[entity.name].pop(record_id)
        if values is not None:
            self._tables[entity.name][record_id] = {**stored, **values}

    def _learn_columns(self, entity: Entity, schema: pa.Schema) -> None:
        known = self._schemas.get(entity.name, pa.schema([]))
        self._schemas[entity.name] = pa.unify_schemas([known, schema])

    def _write_receipts(self, staged: StagedBatch, receipts: list[Row]) -> str | None:
        if not receipts:
            return None
        return staged.write_receipts(
            self.name, pa.Table.from_pylist(receipts, schema=RECEIPT_SCHEMA)
        )

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts:
        rows = self._rows(entity, scope)
        live = [row for row in rows if row["_deleted_at"] is None]
        return TableFacts(
            rows=len(live),
            deleted=len(rows) - len(live),
            duplicates=0,  # a dictionary has none
            control_totals={
                name: _exact_sum(row[name] or Decimal(0) for row in live)
                for name in entity.control_totals
            },
            orphans=self._orphans(entity, scope, live),
            newest_extracted_at=max((row["_extracted_at"] for row in rows), default=None),
        )

    def _orphans(self, entity: Entity, scope: Scope, lines: list[Row]) -> int | None:
        parent = entity.parent
        if parent is None or parent.entity not in self._tables:
            return None
        headers = {
            (row["company"], *(row[name] for name in parent.target))
            for row in self._rows(ENTITIES[parent.entity], scope)
            if row["_deleted_at"] is None
        }
        references = [(row["company"], *(row[name] for name in parent.columns)) for row in lines]
        return sum(None in reference or reference not in headers for reference in references)

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        schema = self._schemas.get(entity.name, pa.schema([]))
        return pa.Table.from_pylist(self._rows(entity, scope)[:limit], schema=schema)

    def _rows(self, entity: Entity, scope: Scope) -> list[Row]:
        table = self._tables.get(entity.name, {})
        return [
            row
            for _, row in sorted(table.items())
            if row["tenant"] == scope.tenant and scope.company in (None, row["company"])
        ]

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        schema = self._schemas.get(entity.name, pa.schema([]))
        replaced_at, replaced_by = HISTORY_COLUMNS
        schema = schema.append(pa.field(replaced_at, pa.timestamp("us", "UTC")))
        schema = schema.append(pa.field(replaced_by, pa.string()))
        versions = [r for r in self._history.get(entity.name, []) if r["record_id"] == record_id]
        return pa.Table.from_pylist(versions, schema=schema)

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        receipts = [
            receipt
            for receipt in self._audit
            if receipt["record_id"] == record_id and receipt["entity"] == entity.name
        ]
        return pa.Table.from_pylist(receipts, schema=RECEIPT_SCHEMA)

    def define_view(self, view: View) -> None:
        if view.name in self._tables:
            raise ConfigError(f"{view.name} is a table, so it cannot become a view")
        self._views[view.name] = view

    def ask(self, query: str) -> pa.Table:
        """Asked of DuckDB: SQL in plain Python would be anything but obvious."""
        with duckdb.connect() as connection:
            for name, rows in self._tables.items():
                schema = pa.unify_schemas(
                    [_schema_of(ENTITIES[name]), self._schemas.get(name, pa.schema([]))]
                )
                connection.register(name, pa.Table.from_pylist(list(rows.values()), schema=schema))
            for view in self._views.values():
                connection.execute(f"CREATE VIEW {view.name} AS {view.query}")
            found: pa.Table = connection.sql(query).to_arrow_table()
            return found

    def table_name(self, entity: Entity, company: str) -> str:
        return entity.name

    def close(self) -> None:
        """Nothing to give back."""


def _schema_of(entity: Entity) -> pa.Schema:
    types = {
        ColumnType.INTEGER: pa.int64(),
        ColumnType.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
        ColumnType.DATE: pa.date32(),
        ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
        ColumnType.BOOLEAN: pa.bool_(),
    }
    return pa.schema([(one.name, types.get(one.type, pa.string())) for one in entity.all_columns])


def version(row: Row) -> tuple[bool, datetime, datetime]:
    """The order of versions inside one batch: ``_modified_at`` with null lowest, then ``_extracted_at``."""
    modified = row["_modified_at"]
    return modified is not None, modified or row["_extracted_at"], row["_extracted_at"]


def newest_versions(rows: list[Row]) -> list[Row]:
    """One row per record: its newest version, the last one of equals."""
    newest: dict[str, Row] = {}
    for row in rows:
        held = newest.get(row["record_id"])
        if held is None or version(row) >= version(held):
            newest[row["record_id"]] = row
    return list(newest.values())


def _receipt(
    entity: Entity,
    row: Row,
    outcome: Outcome,
    reason: str | None,
    batch: Batch,
    delivered_at: datetime,
) -> Row:
    return {
        "record_id": row["record_id"],
        "entity": entity.name,
        "outcome": outcome.value,
        "reason": reason,
        "remote_id": None,
        "batch_id": batch.batch_id,
        "run_id": batch.run_id,
        "delivered_at": delivered_at,
    }


#: Python's own sums are rounded to 28 digits.
_EXACT = Context(prec=60)


def _exact_sum(values: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, value)
    return total
