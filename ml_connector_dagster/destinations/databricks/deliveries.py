"""Apply one staged batch to Delta tables. Each statement is a commit of its own, so each can be done again.

1. tables made or widened; rows brought there; 2. the *plan*: a table of what will become of each record (not of those
that stay unchanged), made by one ``CREATE TABLE IF NOT EXISTS … AS SELECT``; 3. replaced versions to the history;
4. rows; 5. ``_audit``; 6. receipts, beside the staged batch; 7. the batch's mark in ``_batches``; 8. the plan is dropped.

After a crash, or a lost answer, everything is simply done again. The plan is there once and for all, so no outcome is
decided twice; and the rest finds its own traces:

- A version of a record is identified by (record_id, _batch_id, _row_hash): a batch writes each record once. It can be
  replaced once, so the history takes each version once, whoever comes with it.
- A row is only updated while it still is the version that the plan saw. So nothing is written over what another
  writer wrote in between; what could not be written for that reason is decided anew, and the rest stays as it was.
- ``_audit`` takes a record of a batch once, ``_batches`` a batch once.

MERGE is used for appending, too: unlike an INSERT, its reading of the target is checked against other writers' commits.
It joins on ``=`` alone; ``<=>`` is quadratic in some engines, and keys are never null.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS, RECEIPT_SCHEMA
from ml_connector_dagster.destinations.databricks.incoming import (
    Incoming,
    incoming,
    staged_columns,
    staged_folder,
)
from ml_connector_dagster.destinations.databricks.plans import (
    DECIDE,
    DECIDE_ANEW,
    MISSING,
    STILL,
)
from ml_connector_dagster.destinations.databricks.tables import (
    BATCHES,
    BATCHES_TYPES,
    Names,
    batch_key,
)
from ml_connector_dagster.destinations.databricks.types import ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError, TransientError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts


#: The points that a delivery passes, for tests that end a process there.
CHECKPOINTS: Final = (
    "opened",
    "tables made",
    "rows brought",
    "outcomes decided",
    "history written",
    "rows written",
    "audit written",
    "receipts written",
    "batch marked",
    "committed",
)

#: How often outcomes are decided anew because another writer changed the same records meanwhile.
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One batch on its way into one schema.

    Attributes:
        make_tables: makes or widens the tables for these columns of the batch; answers the table's columns.
    """

    workspace: Workspace
    destination: str
    names: Names
    entity: Entity
    staged: StagedBatch
    expected: Mapping[str, str]
    inline_rows: int
    volume: str
    make_tables: Callable[[Mapping[str, str]], Mapping[str, str]]
    now: datetime
    checkpoint: Callable[[str], None]

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    @property
    def table(self) -> str:
        return self.names.sql(self.names.table)

    @property
    def history(self) -> str:
        return self.names.sql(self.names.history)

    @property
    def plan(self) -> str:
        """The batch's own table of outcomes."""
        return self.names.sql(f"_plan_{batch_key(self.batch.batch_id)}")

    def apply(self) -> DeliveryReport:
        """Apply the batch, or answer what was reported when it was applied."""
        known = self._earlier_report()
        if known is not None:
            self._clear_up()
            return known
        columns = staged_columns(self.staged, self.expected) if self.staged.files else {}
        table = self.make_tables(columns or self.expected)
        self.checkpoint("tables made")
        if not columns:
            return self._close_books(0, _NO_OUTCOMES)
        with incoming(
            self.workspace,
            self.names,
            self.staged,
            columns,
            inline_rows=self.inline_rows,
            volume=self.volume,
        ) as source:
            self.checkpoint("rows brought")
            plan = self._write(source, list(columns), list(table))
            report = self._close_books(source.records, plan)
        self.workspace.run(f"DROP TABLE IF EXISTS {self.plan}")
        self.checkpoint("committed")
        return report

    def _clear_up(self) -> None:
        """What a crash after the mark left behind."""
        self.workspace.run(f"DROP TABLE IF EXISTS {self.plan}")
        if self.batch.rows > self.inline_rows:
            folder, files = staged_folder(self.names, self.staged, self.volume)
            self.workspace.delete_folder(folder, files)

    def _write(self, source: Incoming, columns: list[str], kept: list[str]) -> pa.Table:
        """Decide and write; answers the plan that came true."""
        for round_number in range(ROUNDS):
            plan = self._decide(source, anew=round_number > 0)
            self.checkpoint("outcomes decided")
            if plan.num_rows == 0:
                return plan
            if pc.any(pc.not_equal(plan["outcome"], "inserted")).as_py():
                self._move_replaced_to_history(kept)
            self.checkpoint("history written")
            if self._merge(source, columns) == plan.num_rows or self._is_all_there():
                self.checkpoint("rows written")
                self._write_audit()
                self.checkpoint("audit written")
                return plan
        raise TransientError(
            f"Another delivery keeps changing the same records of {self.names.shown(self.names.table)} as batch "
            f"{self.batch.batch_id}; let it finish, then deliver again"
        )

    def _decide(self, source: Incoming, *, anew: bool) -> pa.Table:
        if anew:
            self.workspace.run(f"DROP TABLE IF EXISTS {self.plan}")
        self.workspace.run(
            (DECIDE_ANEW if anew else DECIDE).format(
                plan=self.plan, source=source.relation, table=self.table, history=self.history
            ),
            {
                **source.parameters,
                "tenant": self.batch.tenant,
                "company": self.batch.company,
                "now": self.now.isoformat(),
                **({"batch": self.batch.batch_id} if anew else {}),
            },
        )
        plan = self.workspace.fetch(f"SELECT record_id, outcome, delivered_at FROM {self.plan}")
        if not plan.num_columns:
            return _NO_OUTCOMES
        plan = plan.cast(_NO_OUTCOMES.schema)
        if pc.count_distinct(plan["record_id"]).as_py() < plan.num_rows:
            raise self._doubled_rows(plan)
        return plan

    def _doubled_rows(self, plan: pa.Table) -> ConfigError:
        self.workspace.run(f"DROP TABLE IF EXISTS {self.plan}")
        counted = plan.group_by("record_id").aggregate([("outcome", "count")])
        example = counted.filter(pc.greater(counted["outcome_count"], 1))["record_id"][0].as_py()
        return ConfigError(
            f"Table {self.names.shown(self.names.table)} holds records more than once, among them {example!r}. The "
            "connector never writes a record twice: something else did. Delete the surplus rows, then deliver again"
        )

    def _move_replaced_to_history(self, kept: list[str]) -> None:
        names = ", ".join(ticked(name) for name in (*kept, *HISTORY_COLUMNS))
        values = ", ".join(f"s.{ticked(name)}" for name in (*kept, *HISTORY_COLUMNS))
        stored = ", ".join(f"t.{ticked(name)}" for name in kept)
        self.workspace.run(
            f"MERGE INTO {self.history} AS h USING ("
            f"SELECT {stored}, p.delivered_at AS _replaced_at, :batch AS _replaced_by_batch"
            f" FROM {self.table} AS t JOIN {self.plan} AS p"
            f" ON t.record_id = p.record_id AND {STILL.format(plan='p')}) AS s"
            " ON h.record_id = s.record_id AND coalesce(h._batch_id, '') = coalesce(s._batch_id, '')"
            " AND coalesce(h._row_hash, '') = coalesce(s._row_hash, '')"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            {"batch": self.batch.batch_id},
        )

    def _merge(self, source: Incoming, columns: list[str]) -> int:
        """Write the rows; answers how many were written."""
        names = ", ".join(ticked(name) for name in columns)
        values = ", ".join(f"s.{ticked(name)}" for name in columns)
        changes = ", ".join(f"t.{ticked(name)} = s.{ticked(name)}" for name in columns)
        answer = self.workspace.run(
            f"MERGE INTO {self.table} AS t USING ("
            f"SELECT i.*, p.stored_batch, p.stored_hash FROM {source.relation} AS i"
            f" JOIN {self.plan} AS p ON i.record_id = p.record_id) AS s"
            " ON t.record_id = s.record_id"
            f" WHEN MATCHED AND {STILL.format(plan='s')} THEN UPDATE SET {changes}"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            source.parameters,
        )
        return int(answer[0][0] or 0) if answer else 0

    def _is_all_there(self) -> bool:
        """Whether every planned record is, or was, in the table as this batch brought it."""
        missing = self.workspace.run(
            MISSING.format(plan=self.plan, table=self.table, history=self.history)
        )
        return missing[0][0] == "0"

    def _write_audit(self) -> None:
        names = ", ".join(RECEIPT_SCHEMA.names)
        values = ", ".join(f"s.{name}" for name in RECEIPT_SCHEMA.names)
        self.workspace.run(
            f"MERGE INTO {self.names.sql(self.names.audit)} AS a USING ("
            "SELECT record_id, :entity AS entity, outcome, CAST(NULL AS STRING) AS reason,"
            " CAST(NULL AS STRING) AS remote_id, :batch AS batch_id, :run AS run_id, delivered_at"
            f" FROM {self.plan}) AS s ON a.batch_id = s.batch_id AND a.record_id = s.record_id"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            {"entity": self.entity.name, "batch": self.batch.batch_id, "run": self.batch.run_id},
        )

    def _close_books(self, records: int, plan: pa.Table) -> DeliveryReport:
        counted = plan.group_by("outcome").aggregate([("record_id", "count")])
        found = dict(
            zip(counted["outcome"].to_pylist(), counted["record_id_count"].to_pylist(), strict=True)
        )
        counts = OutcomeCounts(unchanged=records - plan.num_rows, **found)
        receipts = self._write_receipts(plan) if plan.num_rows else None
        self.checkpoint("receipts written")
        self._mark(counts, receipts)
        self.checkpoint("batch marked")
        return DeliveryReport(counts=counts, receipts=receipts)

    def _write_receipts(self, plan: pa.Table) -> str:
        same = {
            "entity": self.entity.name,
            "reason": None,
            "remote_id": None,
            "batch_id": self.batch.batch_id,
            "run_id": self.batch.run_id,
        }
        columns = [
            pa.repeat(pa.scalar(same[one.name], one.type), plan.num_rows)
            if one.name in same
            else plan[one.name]
            for one in RECEIPT_SCHEMA
        ]
        table = pa.table(columns, schema=RECEIPT_SCHEMA)
        return self.staged.write_receipts(self.destination, table)

    def _mark(self, counts: OutcomeCounts, receipts: str | None) -> None:
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
            "receipts": receipts,
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

    def _earlier_report(self) -> DeliveryReport | None:
        found = self.workspace.run(
            "SELECT inserted, updated, unchanged, deleted, rejected, receipts"
            f" FROM {self.names.sql(BATCHES)} WHERE batch_id = :batch",
            {"batch": self.batch.batch_id},
        )
        if not found:
            return None
        inserted, updated, unchanged, deleted, rejected = (
            int(value or 0) for value in found[0][:5]
        )
        counts = OutcomeCounts(
            inserted=inserted,
            updated=updated,
            unchanged=unchanged,
            deleted=deleted,
            rejected=rejected,
        )
        return DeliveryReport(counts=counts, receipts=found[0][5])


_NO_OUTCOMES: Final = pa.schema(
    [
        ("record_id", pa.string()),
        ("outcome", pa.string()),
        ("delivered_at", pa.timestamp("us", "UTC")),
    ]
).empty_table()
