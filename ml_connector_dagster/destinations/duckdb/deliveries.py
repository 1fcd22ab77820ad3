"""Apply one staged batch to a DuckDB warehouse. Everything happens inside the caller's transaction.

The order of writes, and why a crash anywhere leaves nothing lost and nothing doubled:

1. tables made or widened; 2. outcomes decided; 3. replaced versions to the history; 4. rows; 5. ``_audit``;
6. receipts, beside the staged batch; 7. the batch's mark in ``_batches``, with counts and the receipts' path; commit.

Before the commit nothing of 1 to 5 and 7 exists, so the batch is simply applied again; a receipts file that was
written in vain stays beside the batch, and the report names the other one. After the commit the mark exists:
whoever delivers again gets the first report back, built from ``_batches`` and ``_audit``.

Measured choices (1,000,000 rows of 40 typed columns, 2 cores; run ``benchmarks/`` again when DuckDB changes):

- Changed rows are deleted by row id and inserted anew: 0.8 CPU s for 1 % of the table. MERGE … UPDATE SET * took
  11 s, because every touched row group is rewritten, all columns of it.
- Inserts use one thread: two threads leave two half-full row groups each time, which the next checkpoint then
  merges; 11 instead of 5 CPU s. The same merging is put off for most deliveries (``destination.TIDY_EVERY``).
"""

import glob
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import duckdb

from ml_connector_dagster.destinations.duckdb.refusals import reject_what_does_not_fit
from ml_connector_dagster.destinations.duckdb.tables import (
    Names,
    TableColumn,
    make_schema,
    make_tables,
    union_views,
)
from ml_connector_dagster.destinations.duckdb.types import TYPES
from ml_connector_dagster.destinations.identifiers import quoted
from ml_connector_dagster.destinations.table_names import BATCHES
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts, RejectedRecord


#: The points that a delivery passes, for tests that end a process there.
CHECKPOINTS: Final = (
    "opened",
    "tables made",
    "outcomes decided",
    "history written",
    "rows written",
    "audit written",
    "receipts written",
    "batch marked",
    "committed",
)

_INCOMING = "read_parquet($files)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One batch on its way into one warehouse."""

    connection: duckdb.DuckDBPyConnection
    destination: str
    names: Names
    entity: Entity
    staged: StagedBatch
    mode: WriteMode
    now: datetime
    checkpoint: Callable[[str], None]

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    @property
    def files(self) -> list[str]:
        """The parts, with glob characters in folder names made harmless."""
        return [glob.escape(file) for file in self.staged.files]

    @property
    def table(self) -> str:
        return self.names.sql(self.names.table)

    def apply(self) -> DeliveryReport:
        """Apply the batch, or answer what was reported when it was applied."""
        make_schema(self.connection, self.names.schema)
        known = self._earlier_report()
        if known is not None:
            return known
        staged = self._staged_columns()
        table = make_tables(self.connection, self.names, self.entity, staged)
        if self.names.per_company:
            union_views(self.connection, self.names, self.entity)
        self.checkpoint("tables made")
        if self.files:
            self._write(staged, table)
        return self._close_books()

    def _staged_columns(self) -> dict[str, str]:
        columns = {column.name: TYPES[column.type] for column in self.entity.all_columns}
        if self.files:
            described = self.connection.execute(
                f"DESCRIBE SELECT * FROM {_INCOMING}", {"files": self.files}
            ).fetchall()
            columns |= {name: type_name for name, type_name, *_ in described if name not in columns}
        return columns

    def _write(self, staged: Mapping[str, str], table: Mapping[str, TableColumn]) -> None:
        self._decide()
        reject_what_does_not_fit(
            self.connection, self.names, staged=staged, table=table, files=self.files
        )
        self.checkpoint("outcomes decided")
        others = [
            column.name
            for key, column in table.items()
            if key not in {name.lower() for name in staged} and not column.generated
        ]
        self._move_replaced_to_history(others)
        self.checkpoint("history written")
        self._insert(list(staged), others)
        self.checkpoint("rows written")
        self.connection.execute(
            f"INSERT INTO {self.names.sql(self.names.audit)} BY NAME {_RECEIPTS}",
            self._receipt_values,
        )
        self.checkpoint("audit written")

    def _decide(self) -> None:
        """Fill ``decided``: one row per record, with its place in the files, the row it replaces and its outcome."""
        rows, records = self._fetch_two(
            f"SELECT count(*), count(DISTINCT hash(record_id)) FROM {_INCOMING}",
            {"files": self.files},
        )
        self.connection.execute(
            _INCOMING_VERSIONS.format(newest=_NEWEST_ONLY if records < rows else ""),
            {"files": self.files},
        )
        self.connection.execute(
            _PRESENT.format(table=self.table),
            {"tenant": self.batch.tenant, "company": self.batch.company},
        )
        self.connection.execute(_DECIDE.format(table=self.table, same=_SAME[self.mode]))
        decided, distinct = self._fetch_two(
            "SELECT count(*), count(DISTINCT hash(file, position)) FROM decided", {}
        )
        if decided > distinct:
            raise self._doubled_rows()

    def _doubled_rows(self) -> ConfigError:
        example = self.connection.execute(
            "SELECT any_value(record_id) FROM decided GROUP BY file, position HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        return ConfigError(
            f"Table {self.names.schema}.{self.names.table} holds records more than once, among them "
            f"{example[0] if example else ''!r}. The connector never writes a record twice: something else did. "
            "Delete the surplus rows, then deliver again"
        )

    def _move_replaced_to_history(self, others: list[str]) -> None:
        values = {"now": self.now, "batch": self.batch.batch_id}
        replaced = f"SELECT stored_row FROM decided WHERE {_REPLACES}"
        self.connection.execute(
            f"INSERT INTO {self.names.sql(self.names.history)} BY NAME"
            " SELECT *, $now AS _replaced_at, $batch AS _replaced_by_batch"
            f" FROM {self.table} WHERE rowid IN ({replaced})",
            values,
        )
        if others:
            # The user's own columns, and those that this batch does not bring, stay with the record.
            names = ", ".join(quoted(name) for name in others)
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE kept AS SELECT rowid AS kept_row, {names}"
                f" FROM {self.table} WHERE rowid IN ({replaced})"
            )
        self.connection.execute(f"DELETE FROM {self.table} WHERE rowid IN ({replaced})")

    def _insert(self, staged: list[str], others: list[str]) -> None:
        threads = self.connection.execute("SELECT current_setting('threads')").fetchone()
        self.connection.execute("SET threads = 1")
        names = ", ".join(quoted(name) for name in staged)
        rows, plain = self._fetch_two(
            f"SELECT (SELECT count(*) FROM {_INCOMING}),"
            " (SELECT count(*) FROM decided WHERE outcome IN ('inserted', 'deleted') AND stored_row IS NULL)",
            {"files": self.files},
        )
        into = f"INSERT INTO {self.table} ({names}"
        select = "SELECT " + ", ".join(f"incoming.{quoted(name)}" for name in staged)
        if rows == plain:
            self._execute(f"{into}) {select} FROM {_INCOMING} AS incoming")
        elif not others:
            self._execute(f"{into}) {select} FROM {_CHOSEN} WHERE {_WRITTEN}")
        else:
            # Two statements, so that a new record gets the defaults of columns that we do not know.
            self._execute(
                f"{into}) {select} FROM {_CHOSEN} WHERE {_WRITTEN} AND decided.stored_row IS NULL"
            )
            more = "".join(f", {quoted(name)}" for name in others)
            select += "".join(f", kept.{quoted(name)}" for name in others)
            self._execute(
                f"{into}{more}) {select} FROM {_CHOSEN} JOIN kept ON kept_row = decided.stored_row WHERE {_REPLACES}"
            )
        self.connection.execute(f"SET threads = {threads[0] if threads else 1}")

    def _close_books(self) -> DeliveryReport:
        counts, receipts = OutcomeCounts(), None
        if self.files:
            found = self.connection.execute(
                "SELECT outcome, count(*) FROM decided GROUP BY outcome"
            )
            counts = OutcomeCounts(**dict(found.fetchall()))
            if counts.total > counts.unchanged:
                reader = self.connection.sql(
                    _RECEIPTS, params=self._receipt_values
                ).to_arrow_reader()
                receipts = self.staged.write_receipts(self.destination, reader)
        self.checkpoint("receipts written")
        self.connection.execute(
            f"INSERT INTO {self.names.sql(BATCHES)} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                self.batch.batch_id,
                self.batch.tenant,
                self.entity.name,
                self.batch.company,
                self.names.table,
                self.batch.run_id,
                counts.inserted,
                counts.updated,
                counts.unchanged,
                counts.deleted,
                counts.rejected,
                receipts,
                self.now,
            ],
        )
        self.checkpoint("batch marked")
        return DeliveryReport(counts=counts, rejected=self._rejected(counts), receipts=receipts)

    def _earlier_report(self) -> DeliveryReport | None:
        found = self.connection.execute(
            "SELECT inserted, updated, unchanged, deleted, rejected, receipts"
            f" FROM {self.names.sql(BATCHES)} WHERE batch_id = ?",
            [self.batch.batch_id],
        ).fetchone()
        if found is None:
            return None
        inserted, updated, unchanged, deleted, rejected, receipts = found
        counts = OutcomeCounts(
            inserted=inserted,
            updated=updated,
            unchanged=unchanged,
            deleted=deleted,
            rejected=rejected,
        )
        return DeliveryReport(counts=counts, rejected=self._rejected(counts), receipts=receipts)

    def _rejected(self, counts: OutcomeCounts) -> tuple[RejectedRecord, ...]:
        if not counts.rejected:
            return ()
        found = self.connection.execute(
            f"SELECT record_id, reason FROM {self.names.sql(self.names.audit)}"
            " WHERE batch_id = ? AND outcome = 'rejected' ORDER BY record_id",
            [self.batch.batch_id],
        ).fetchall()
        return tuple(
            RejectedRecord(record_id=record_id, reason=reason) for record_id, reason in found
        )

    @property
    def _receipt_values(self) -> dict[str, object]:
        return {
            "entity": self.entity.name,
            "batch": self.batch.batch_id,
            "run": self.batch.run_id,
            "now": self.now,
        }

    def _execute(self, statement: str) -> None:
        self.connection.execute(statement, {"files": self.files})

    def _fetch_two(self, query: str, values: dict[str, object]) -> tuple[int, int]:
        first, second = self.connection.execute(query, values).fetchall()[0]
        return first, second


_NEWEST_ONLY = """
    QUALIFY row_number() OVER (
        PARTITION BY record_id
        ORDER BY _modified_at DESC NULLS LAST, _extracted_at DESC, file_index DESC, file_row_number DESC
    ) = 1
"""

_INCOMING_VERSIONS = """
    CREATE OR REPLACE TEMP TABLE incoming_versions AS
    SELECT record_id, file_index AS file, file_row_number AS position,
        _row_hash AS hash, _modified_at AS modified, _extracted_at AS extracted,
        _deleted_at IS NOT NULL AS is_deleted
    FROM read_parquet($files)
    {newest}
"""

# First which records are there at all, by the key alone; then the rest of those few rows, by row id: half the
# work of one join when most records are new, or most of a large table is not concerned.
_PRESENT = """
    CREATE OR REPLACE TEMP TABLE present AS
    SELECT stored.rowid AS stored_row, file, position
    FROM {table} AS stored JOIN incoming_versions USING (record_id)
    WHERE stored.tenant = $tenant AND stored.company = $company
"""

#: When the stored row needs no writing, although it is not newer.
_SAME: Final[Mapping[WriteMode, str]] = {
    WriteMode.UPSERT: "hash = stored_hash",
    WriteMode.RESTORE: "FALSE",
}

_DECIDE = """
    CREATE OR REPLACE TEMP TABLE decided AS
    SELECT incoming.record_id, file, position, stored_row,
        CASE
            WHEN stored_row IS NOT NULL AND (
                {same}
                OR coalesce(modified < stored_modified, FALSE)
                OR (coalesce(modified = stored_modified, TRUE) AND extracted < stored_extracted)
            ) THEN 'unchanged'
            WHEN is_deleted THEN 'deleted'
            WHEN stored_row IS NULL THEN 'inserted'
            ELSE 'updated'
        END AS outcome,
        CAST(NULL AS VARCHAR) AS reason
    FROM incoming_versions AS incoming
    LEFT JOIN (
        SELECT file, position, stored_row, stored._row_hash AS stored_hash,
            stored._modified_at AS stored_modified, stored._extracted_at AS stored_extracted
        FROM present JOIN {table} AS stored ON stored.rowid = present.stored_row
    ) USING (file, position)
"""

_WRITTEN = "decided.outcome IN ('inserted', 'updated', 'deleted')"
_REPLACES = f"{_WRITTEN} AND decided.stored_row IS NOT NULL"

#: Rows of the files together with what was decided on them.
_CHOSEN = f"""{_INCOMING} AS incoming
    JOIN decided ON incoming.file_index = decided.file AND incoming.file_row_number = decided.position"""

_RECEIPTS = """
    SELECT record_id, $entity AS entity, outcome, reason, CAST(NULL AS VARCHAR) AS remote_id,
        $batch AS batch_id, $run AS run_id, CAST($now AS TIMESTAMP WITH TIME ZONE) AS delivered_at
    FROM decided
    WHERE outcome <> 'unchanged'
"""
