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
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ml_connector_dagster.destinations.databricks.books import Books, Decisions
from ml_connector_dagster.destinations.databricks.incoming import (
    Incoming,
    incoming,
    staged_columns,
    staged_folder,
)
from ml_connector_dagster.destinations.databricks.limits import refused_rows
from ml_connector_dagster.destinations.databricks.plans import (
    ALL_FIT,
    COUNTED,
    DECIDE,
    DECIDE_ANEW,
    SAME,
    SOME_MAY_NOT_FIT,
)
from ml_connector_dagster.destinations.databricks.tables import (
    Columns,
    Names,
    batch_key,
    table_checks,
    table_columns,
)
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.databricks.writes import Writes
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
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
        make_tables: makes or widens the tables for these columns of the batch; answers the table's columns. What is
            known of them is looked up again when it is told to.
        checks: the table's CHECK constraints, as far as they are known; what is learned is added for the next batch.
    """

    workspace: Workspace
    destination: str
    names: Names
    entity: Entity
    staged: StagedBatch
    mode: WriteMode
    expected: Mapping[str, str]
    inline_rows: int
    volume: str
    make_tables: Callable[[Mapping[str, str], bool], Columns]
    checks: dict[str, str]
    now: datetime
    checkpoint: Callable[[str], None]

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    @property
    def plan(self) -> str:
        """The batch's own table of outcomes."""
        return self.names.sql(f"_plan_{batch_key(self.batch.batch_id)}")

    @property
    def writes(self) -> Writes:
        return Writes(
            workspace=self.workspace, names=self.names, plan=self.plan, batch_id=self.batch.batch_id
        )

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
        brought = staged_columns(self.staged, self.expected) if self.staged.batch.parts else {}
        table = self.make_tables(brought or self.expected, False)
        self.checkpoint("tables made")
        if not brought:
            return self._close_books(0, Decisions())
        with incoming(
            self.workspace,
            self.names,
            self.staged,
            brought,
            inline_rows=self.inline_rows,
            volume=self.volume,
        ) as source:
            self.checkpoint("rows brought")
            decided = self._write(source, brought, table)
            report = self._close_books(source.records, decided)
        self._drop_plan()
        self.checkpoint("committed")
        return report

    def _close_books(self, records: int, decided: Decisions) -> DeliveryReport:
        report = self.books.report(self.plan, decided, records)
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

    def _write(self, source: Incoming, brought: Mapping[str, str], table: Columns) -> Decisions:
        """Decide and write; answers the decisions that came true."""
        for round_number in range(ROUNDS):
            decided = self._decide(source, brought, table, anew=round_number > 0)
            self.checkpoint("outcomes decided")
            try:
                done = self._write_accepted(source, brought, table, decided)
            except ConfigError:
                self.writes.take_back_history()
                known = (table, dict(self.checks))
                table = table_columns(self.workspace, self.names)
                self.checks.update(table_checks(self.workspace, self.names))
                if (table, self.checks) == known:
                    raise
                continue
            if done:
                self.checkpoint("rows written")
                if decided.all:
                    self.books.write_audit(self.plan)
                self.checkpoint("audit written")
                return decided
        raise TransientError(
            f"Another delivery keeps changing the same records of {self.names.shown(self.names.table)} as batch "
            f"{self.batch.batch_id}; let it finish, then deliver again"
        )

    def _decide(
        self, source: Incoming, brought: Mapping[str, str], table: Columns, *, anew: bool
    ) -> Decisions:
        refused = refused_rows(
            source.relation, self.writes.table, brought=brought, columns=table, checks=self.checks
        )
        reason, join = SOME_MAY_NOT_FIT if refused else ALL_FIT
        if anew:
            self._drop_plan()
        self.workspace.run(
            (DECIDE_ANEW if anew else DECIDE).format(
                plan=self.plan,
                source=source.relation,
                table=self.writes.table,
                history=self.writes.history,
                same=SAME[self.mode],
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
        return self._decisions()

    def _decisions(self) -> Decisions:
        numbers = self.workspace.run(COUNTED.format(plan=self.plan))[0]
        inserted, updated, deleted, rejected, distinct = (int(number or 0) for number in numbers)
        decided = Decisions(inserted=inserted, updated=updated, deleted=deleted, rejected=rejected)
        if distinct < decided.all:
            raise self._doubled_rows()
        return decided

    def _doubled_rows(self) -> ConfigError:
        example = self.workspace.run(
            f"SELECT record_id FROM {self.plan} GROUP BY record_id HAVING count(*) > 1 LIMIT 1"
        )[0][0]
        self._drop_plan()
        return ConfigError(
            f"Table {self.names.shown(self.names.table)} holds records more than once, among them {example!r}. The "
            "connector never writes a record twice: something else did. Delete the surplus rows, then deliver again"
        )

    def _write_accepted(
        self, source: Incoming, brought: Mapping[str, str], table: Columns, decided: Decisions
    ) -> bool:
        """History, then rows. False when another writer changed some of the records since they were looked at."""
        if not decided.written:
            return True
        replaces = decided.written > decided.inserted
        if replaces:  # as a whole: with columns that somebody has added meanwhile
            self.writes.move_replaced_to_history(self.make_tables(brought, True))
        self.checkpoint("history written")
        written = self.writes.merge(source, brought, table, replaces=replaces)
        return written == decided.written or self.writes.is_all_there()
