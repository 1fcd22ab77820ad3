"""Apply one staged batch to Delta tables. Each statement is a commit of its own, so each can be done again.

1. tables made or widened; rows brought there; 2. the *plan*: a table of what will become of each record (not of those
that stay unchanged), made by one ``CREATE TABLE IF NOT EXISTS … AS SELECT``; 3. replaced versions to the history;
4. rows, without those that the table refuses (``limits``); 5. ``_audit``; 6. receipts, beside the staged batch; 7. the
batch's mark in ``_batches``; 8. the plan is dropped.

After a crash, or a lost answer, everything is simply done again. The plan is there once and for all, so no outcome is
decided twice; and the rest finds its own traces:

- A version of a record is identified by (record_id, _batch_id, _row_hash): a batch writes each record once. It can be
  replaced once, so the history takes each version once, whoever comes with it.
- A row is only updated while it still is the version that the plan saw. So nothing is written over what another
  writer wrote in between; what could not be written for that reason is decided anew, and the rest stays as it was.
- ``_audit`` takes a record of a batch once, ``_batches`` a batch once.
- When the table refuses the rows as a whole, what went to the history before them is taken out again. CHECK constraints
  are only looked up then, so tables without any pay nothing; the plan is made anew with them, and the rest goes on.

MERGE is used for appending, too: unlike an INSERT, its reading of the target is checked against other writers' commits.
It joins on ``=`` alone; ``<=>`` is quadratic in some engines, and keys are never null.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS
from ml_connector_dagster.destinations.databricks.books import OUTCOMES, Books
from ml_connector_dagster.destinations.databricks.incoming import (
    Incoming,
    incoming,
    staged_columns,
    staged_folder,
)
from ml_connector_dagster.destinations.databricks.limits import refused_rows
from ml_connector_dagster.destinations.databricks.plans import (
    ACCEPTED,
    ALL_FIT,
    DECIDE,
    DECIDE_ANEW,
    MISSING,
    SOME_MAY_NOT_FIT,
    STILL,
)
from ml_connector_dagster.destinations.databricks.tables import (
    Columns,
    Names,
    batch_key,
    table_checks,
    table_columns,
)
from ml_connector_dagster.destinations.databricks.types import is_narrower, ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError, TransientError
from ml_connector_dagster.model.receipts import DeliveryReport


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

#: How often outcomes are decided anew: another writer changed the same records meanwhile, or the table refused rows.
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One batch on its way into one schema.

    Attributes:
        make_tables: makes or widens the tables for these columns of the batch; answers the table's columns.
        checks: the table's CHECK constraints, as far as they are known; what is learned is added for the next batch.
    """

    workspace: Workspace
    destination: str
    names: Names
    entity: Entity
    staged: StagedBatch
    expected: Mapping[str, str]
    inline_rows: int
    volume: str
    make_tables: Callable[[Mapping[str, str]], Columns]
    checks: dict[str, str]
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

    @property
    def accepted(self) -> str:
        """The records of the plan that are written."""
        return ACCEPTED.format(plan=self.plan)

    @property
    def books(self) -> Books:
        return Books(
            workspace=self.workspace,
            destination=self.destination,
            names=self.names,
            entity=self.entity,
            staged=self.staged,
            now=self.now,
        )

    def apply(self) -> DeliveryReport:
        """Apply the batch, or answer what was reported when it was applied."""
        known = self.books.earlier_report()
        if known is not None:
            self._clear_up()
            return known
        brought = staged_columns(self.staged, self.expected) if self.staged.files else {}
        table = self.make_tables(brought or self.expected)
        self.checkpoint("tables made")
        if not brought:
            return self._close_books(0, OUTCOMES.empty_table())
        with incoming(
            self.workspace,
            self.names,
            self.staged,
            brought,
            inline_rows=self.inline_rows,
            volume=self.volume,
        ) as source:
            self.checkpoint("rows brought")
            outcomes = self._write(source, brought, table)
            report = self._close_books(source.records, outcomes)
        self._drop_plan()
        self.checkpoint("committed")
        return report

    def _close_books(self, records: int, outcomes: pa.Table) -> DeliveryReport:
        report = self.books.counted(records, outcomes)
        self.checkpoint("receipts written")
        self.books.mark(report)
        self.checkpoint("batch marked")
        return report

    def _clear_up(self) -> None:
        """What a crash after the mark left behind."""
        self._drop_plan()
        if self.batch.rows > self.inline_rows:
            folder, files = staged_folder(self.names, self.staged, self.volume)
            self.workspace.delete_folder(folder, files)

    def _drop_plan(self) -> None:
        self.workspace.run(f"DROP TABLE IF EXISTS {self.plan}")

    def _write(self, source: Incoming, brought: Mapping[str, str], table: Columns) -> pa.Table:
        """Decide and write; answers the outcomes that came true."""
        for round_number in range(ROUNDS):
            outcomes = self._decide(source, brought, table, anew=round_number > 0)
            self.checkpoint("outcomes decided")
            try:
                done = self._write_accepted(source, brought, table, outcomes)
            except ConfigError:
                self._take_back_history()
                known = (table, dict(self.checks))
                table = table_columns(self.workspace, self.names)
                self.checks.update(table_checks(self.workspace, self.names))
                if (table, self.checks) == known:
                    raise
                continue
            if done:
                self.checkpoint("rows written")
                if outcomes.num_rows:
                    self.books.write_audit(self.plan)
                self.checkpoint("audit written")
                return outcomes
        raise TransientError(
            f"Another delivery keeps changing the same records of {self.names.shown(self.names.table)} as batch "
            f"{self.batch.batch_id}; let it finish, then deliver again"
        )

    def _decide(
        self, source: Incoming, brought: Mapping[str, str], table: Columns, *, anew: bool
    ) -> pa.Table:
        refused = refused_rows(
            source.relation, self.table, brought=brought, columns=table, checks=self.checks
        )
        reason, join = SOME_MAY_NOT_FIT if refused else ALL_FIT
        if anew:
            self._drop_plan()
        self.workspace.run(
            (DECIDE_ANEW if anew else DECIDE).format(
                plan=self.plan,
                source=source.relation,
                table=self.table,
                history=self.history,
                reason=reason,
                refused=join.format(rows=refused),
            ),
            {
                **source.parameters,
                "tenant": self.batch.tenant,
                "company": self.batch.company,
                "now": self.now.isoformat(),
                **({"batch": self.batch.batch_id} if anew else {}),
            },
        )
        return self._outcomes()

    def _outcomes(self) -> pa.Table:
        names = ", ".join(OUTCOMES.names)
        outcomes = self.workspace.fetch(f"SELECT {names} FROM {self.plan}")
        if not outcomes.num_columns:
            return OUTCOMES.empty_table()
        outcomes = outcomes.cast(OUTCOMES)
        if pc.count_distinct(outcomes["record_id"]).as_py() < outcomes.num_rows:
            raise self._doubled_rows(outcomes)
        return outcomes

    def _doubled_rows(self, outcomes: pa.Table) -> ConfigError:
        self._drop_plan()
        counted = outcomes.group_by("record_id").aggregate([("outcome", "count")])
        example = counted.filter(pc.greater(counted["outcome_count"], 1))["record_id"][0].as_py()
        return ConfigError(
            f"Table {self.names.shown(self.names.table)} holds records more than once, among them {example!r}. The "
            "connector never writes a record twice: something else did. Delete the surplus rows, then deliver again"
        )

    def _write_accepted(
        self, source: Incoming, brought: Mapping[str, str], table: Columns, outcomes: pa.Table
    ) -> bool:
        """History, then rows. False when another writer changed some of the records since they were looked at."""
        accepted = outcomes.filter(pc.not_equal(outcomes["outcome"], "rejected"))
        if accepted.num_rows == 0:
            return True
        replaces = bool(pc.any(pc.not_equal(accepted["outcome"], "inserted")).as_py())
        if replaces:
            self._move_replaced_to_history(table)
        self.checkpoint("history written")
        written = self._merge(source, brought, table, replaces=replaces)
        return written == accepted.num_rows or self._is_all_there()

    def _move_replaced_to_history(self, table: Columns) -> None:
        kept = [column.name for column in table.values()]
        names = ", ".join(ticked(name) for name in (*kept, *HISTORY_COLUMNS))
        values = ", ".join(f"s.{ticked(name)}" for name in (*kept, *HISTORY_COLUMNS))
        stored = ", ".join(f"t.{ticked(name)}" for name in kept)
        self.workspace.run(
            f"MERGE INTO {self.history} AS h USING ("
            f"SELECT {stored}, p.delivered_at AS _replaced_at, :batch AS _replaced_by_batch"
            f" FROM {self.table} AS t JOIN {self.accepted} AS p"
            f" ON t.record_id = p.record_id AND {STILL.format(plan='p')}) AS s"
            f" ON {_SAME_VERSION.format(other='s')}"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            {"batch": self.batch.batch_id},
        )

    def _take_back_history(self) -> None:
        """What this batch moved to the history, and did not replace after all."""
        self.workspace.run(
            f"MERGE INTO {self.history} AS h USING ("
            "SELECT t.record_id, t._batch_id, t._row_hash, :batch AS replaced_by"
            f" FROM {self.table} AS t JOIN {self.accepted} AS p ON t.record_id = p.record_id) AS s"
            f" ON {_SAME_VERSION.format(other='s')} AND h._replaced_by_batch = s.replaced_by"
            " WHEN MATCHED THEN DELETE",
            {"batch": self.batch.batch_id},
        )

    def _merge(
        self, source: Incoming, brought: Mapping[str, str], table: Columns, *, replaces: bool
    ) -> int:
        """Write the rows; answers how many were written. A MERGE that only inserts rewrites no file."""
        values = {
            ticked(name): _stored(name, kind, table[name.lower()].type)
            for name, kind in brought.items()
        }
        changes = ", ".join(f"t.{name} = {value}" for name, value in values.items())
        update = f" WHEN MATCHED AND {STILL.format(plan='s')} THEN UPDATE SET {changes}"
        answer = self.workspace.run(
            f"MERGE INTO {self.table} AS t USING ("
            f"SELECT i.*, p.stored_batch, p.stored_hash FROM {source.relation} AS i"
            f" JOIN {self.accepted} AS p ON i.record_id = p.record_id) AS s"
            " ON t.record_id = s.record_id"
            f"{update if replaces else ''}"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(values)}) VALUES ({', '.join(values.values())})",
            source.parameters,
        )
        return int(answer[0][0] or 0) if answer else 0

    def _is_all_there(self) -> bool:
        """Whether every accepted record is, or was, in the table as this batch brought it."""
        missing = self.workspace.run(
            MISSING.format(accepted=self.accepted, table=self.table, history=self.history)
        )
        return missing[0][0] == "0"


#: The history row ``h`` is the version that ``other`` is.
_SAME_VERSION: Final = (
    "h.record_id = {other}.record_id AND coalesce(h._batch_id, '') = coalesce({other}._batch_id, '')"
    " AND coalesce(h._row_hash, '') = coalesce({other}._row_hash, '')"
)


def _stored(name: str, kind: str, column: str) -> str:
    """The value of a row that comes, as a column of type ``column`` takes it."""
    value = f"s.{ticked(name)}"
    if kind == "string" or not is_narrower(kind, column):
        return value
    return f"CAST({value} AS {column.upper()})"
