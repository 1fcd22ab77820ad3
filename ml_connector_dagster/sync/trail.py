"""The trail of all records as tables that answer SQL: a DuckDB file that is brought up to date and can be thrown away.

Nothing in it is the only copy: it is made of the staged batches, their receipts and the ledger. So it costs no delivery
a moment, and it scales as a column store does: each batch and each delivery is taken over once, however often somebody
asks. Batches that a clean-up has replaced take their rows with them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import Delivery
from ml_connector_dagster.sync.keeping import KEPT
from ml_connector_dagster.sync.workspace import Workspace


if TYPE_CHECKING:
    import duckdb


#: Name of the file in the home folder.
FILE: Final = "trail.duckdb"

_READ_COLUMNS: Final = ("record_id", "_extracted_at", "_modified_at", "_deleted_at", "_row_hash")

_RECEIPT_COLUMNS: Final = (
    "record_id",
    "delivered_at",
    "destination",
    "outcome",
    "reason",
    "remote_id",
    "batch_id",
    "run_id",
)

#: Rows of one statement.
_TOGETHER: Final = 100_000

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS reads (
    record_id VARCHAR, happened_at TIMESTAMPTZ, modified_at TIMESTAMPTZ, deleted_at TIMESTAMPTZ, row_hash VARCHAR,
    batch_id VARCHAR);
CREATE TABLE IF NOT EXISTS receipts (
    record_id VARCHAR, happened_at TIMESTAMPTZ, destination VARCHAR, outcome VARCHAR, reason VARCHAR, remote_id VARCHAR,
    batch_id VARCHAR, run_id VARCHAR, carrier VARCHAR);
CREATE TABLE IF NOT EXISTS batches (
    batch_id VARCHAR, tenant VARCHAR, entity VARCHAR, company VARCHAR, route VARCHAR, run_id VARCHAR,
    for_destination VARCHAR, row_count BIGINT, finished_at TIMESTAMPTZ);
CREATE TABLE IF NOT EXISTS taken_over (carrier VARCHAR, destination VARCHAR, mark VARCHAR);
"""

_LEDGER_TABLES: Final[Mapping[str, str]] = {
    "attempts": """batch_id VARCHAR, destination VARCHAR, number BIGINT, state VARCHAR, run_id VARCHAR,
        started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, error VARCHAR""",
    "dead_letters": """id BIGINT, stage VARCHAR, tenant VARCHAR, entity VARCHAR, company VARCHAR, destination VARCHAR,
        record_id VARCHAR, batch_id VARCHAR, reason VARCHAR, attempts BIGINT, created_at TIMESTAMPTZ,
        due_at TIMESTAMPTZ, resolved_at TIMESTAMPTZ""",
    "edits": """id BIGINT, letter_id BIGINT, tenant VARCHAR, entity VARCHAR, company VARCHAR, destination VARCHAR,
        record_id VARCHAR, "column" VARCHAR, erp_value VARCHAR, new_value VARCHAR, edited_by VARCHAR, reason VARCHAR,
        edited_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, end_reason VARCHAR""",
}

#: One row per event of every record. ``detail`` is the reason of a refusal, or what an edit changed.
_VIEW: Final = """
CREATE OR REPLACE VIEW trail AS
SELECT r.happened_at, 'read' AS what, b.tenant, b.company, b.entity, r.record_id, b.route AS place,
    CASE WHEN r.deleted_at IS NOT NULL THEN 'marked deleted' ELSE 'read' END AS outcome,
    NULL AS detail, NULL AS remote_id, r.batch_id, b.run_id
FROM reads AS r JOIN batches AS b USING (batch_id)
UNION ALL
SELECT r.happened_at, 'delivered', b.tenant, b.company, b.entity, r.record_id, r.destination,
    r.outcome, coalesce(r.reason, CASE WHEN b.route = 'repair' THEN 'repair' END), r.remote_id, r.batch_id,
    coalesce(a.run_id, r.run_id)
FROM receipts AS r JOIN batches AS b ON b.batch_id = r.carrier
LEFT JOIN attempts AS a ON a.batch_id = r.batch_id AND a.destination = r.destination AND a.state = 'done'
UNION ALL
SELECT coalesce(a.ended_at, a.started_at), 'delivery ' || a.state, b.tenant, b.company, b.entity, NULL, a.destination,
    'attempt ' || a.number, a.error, NULL, a.batch_id, a.run_id
FROM attempts AS a JOIN batches AS b USING (batch_id) WHERE a.state <> 'done'
UNION ALL
SELECT created_at, 'dead letter', tenant, company, entity, record_id, destination,
    'attempt ' || attempts, reason, NULL, batch_id, NULL
FROM dead_letters
UNION ALL
SELECT resolved_at, 'resolved', tenant, company, entity, record_id, destination, 'accepted', NULL, NULL, batch_id, NULL
FROM dead_letters WHERE resolved_at IS NOT NULL
UNION ALL
SELECT edited_at, 'edited', tenant, company, entity, record_id, destination, 'by ' || edited_by,
    "column" || ': ' || coalesce(erp_value, '(empty)') || ' -> ' || coalesce(new_value, '(empty)') || '; ' || reason,
    NULL, NULL, NULL
FROM edits
UNION ALL
SELECT ended_at, 'edit ended', tenant, company, entity, record_id, destination, "column", end_reason, NULL, NULL, NULL
FROM edits WHERE ended_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """What bringing the file up to date took: batches and deliveries that were new, and rows of theirs."""

    batches: int = 0
    deliveries: int = 0
    rows: int = 0


class Trail:
    """The file. ``update`` it, then ask."""

    def __init__(self, workspace: Workspace, *, wait_seconds: float = 600.0) -> None:
        self._workspace = workspace
        self.path: Path = workspace.settings.home / FILE
        # Definitions load without DuckDB.
        from ml_connector_dagster.destinations.duckdb.database import DatabaseFile

        self._file = DatabaseFile(
            path=self.path, memory_limit="512MB", threads=2, wait_seconds=wait_seconds
        )

    def update(self) -> TakenOver:
        """Take over what has come since the last time. One transaction: a crash leaves the file as it was.

        Raises ConfigError when the file cannot be written.
        """
        with self._file.write() as connection:
            try:
                connection.execute("BEGIN")
                connection.execute(_TABLES)
                for name, columns in _LEDGER_TABLES.items():
                    connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
                taken = self._take_over(connection)
                self._ledger_tables(connection)
                connection.execute(_VIEW)
                connection.execute("COMMIT")
            except _errors() as error:
                raise ConfigError(
                    f"{self.path} could not be brought up to date: {error}. Nothing in it is the only copy: make room, or "
                    "delete it, and ask again"
                ) from error
        return taken

    def holding(self, record_id: str) -> tuple[frozenset[str], frozenset[str]]:
        """The batches that were taken over, and those of them that hold the record. Both empty without a file."""
        with self._file.read() as connection:
            if connection is None:
                return frozenset(), frozenset()
            try:
                known = connection.execute("SELECT batch_id FROM batches").fetchall()
                holding = connection.execute(
                    "SELECT DISTINCT batch_id FROM reads WHERE record_id = ?", [record_id]
                ).fetchall()
            except _errors() as error:
                raise ConfigError(f"{self.path} does not answer: {error}") from error
        return (
            frozenset(batch_id for (batch_id,) in known),
            frozenset(batch_id for (batch_id,) in holding),
        )

    def ask(self, query: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The answer to a query over ``trail`` and the tables that it is made of. Nothing can be changed by it.

        Raises ConfigError for what DuckDB cannot answer.
        """
        with self._reading() as connection:
            try:
                # A text without a statement gives None, which the stubs do not know.
                answer = connection.sql(query, params=dict(parameters or {}))
                found: pa.Table = pa.table({}) if answer is None else answer.to_arrow_table()  # type: ignore[redundant-expr]
            except _errors() as error:
                raise ConfigError(f"the trail does not answer {query!r}: {error}") from error
            return found

    def export(self, query: str, file: Path) -> None:
        """Write the answer to a query: as Parquet, or as CSV when ``file`` ends so. Raises ConfigError."""
        kind = "CSV, HEADER" if file.suffix.lower() == ".csv" else "PARQUET"
        where = str(file).replace("'", "''")
        with self._reading() as connection:
            try:
                connection.execute(
                    f"COPY ({query.strip().rstrip(';')}) TO '{where}' (FORMAT {kind})"
                )
            except _errors() as error:
                raise ConfigError(f"{file} was not written: {error}") from error

    @contextmanager
    def _reading(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        with self._file.read() as connection:
            if connection is None:
                raise ConfigError(f"{self.path} is not there yet: nothing was taken over")
            yield connection

    def _take_over(self, connection: "duckdb.DuckDBPyConnection") -> TakenOver:
        batches = self._batches()
        _delete_others(connection, batches)
        known = {
            (carrier, destination): mark
            for carrier, destination, mark in connection.execute(
                "SELECT carrier, destination, mark FROM taken_over"
            ).fetchall()
        }
        count = deliveries = rows = 0
        reads = _Arriving(connection, "reads")
        for batch in batches:
            if (batch.batch_id, "") not in known:
                rows += self._take_batch(connection, batch, reads)
                count += 1
        reads.write()
        receipts = _Arriving(connection, "receipts")
        for batch, destination, mark in self._marks(batches):
            before = known.get((batch.batch_id, destination))
            if before is not None and before != mark:
                _forget_receipts(connection, batch, destination)
            if before != mark:
                rows += self._take_receipts(connection, batch, destination, mark, receipts)
                deliveries += 1
        receipts.write()
        return TakenOver(batches=count, deliveries=deliveries, rows=rows)

    def _batches(self) -> list[Batch]:
        tenants = sorted({tenant for tenant, _, _ in self._workspace.ledger.batch_scopes()})
        return [one for name in tenants for one in self._workspace.ledger.batches(tenant=name)]

    def _marks(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, str | None, str]]:
        """Each delivery, with what changes when it is tried again; of a kept batch, all receipts at once (None)."""
        by_id = {batch.batch_id: batch for batch in batches}
        found: dict[str, list[Delivery]] = {}
        for delivery in self._workspace.ledger.deliveries():
            found.setdefault(delivery.batch_id, []).append(delivery)
        for batch_id, batch in by_id.items():
            own = found.get(batch_id, [])
            if batch.route == KEPT:
                yield batch, None, " ".join(f"{one.destination}:{one.attempts}" for one in own)
                continue
            for one in own:
                yield batch, one.destination, f"{one.attempts} {one.finished_at}"

    def _take_batch(
        self, connection: "duckdb.DuckDBPyConnection", batch: Batch, reads: "_Arriving"
    ) -> int:
        connection.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                batch.batch_id,
                batch.tenant,
                batch.entity,
                batch.company,
                batch.route,
                batch.run_id,
                batch.for_destination,
                batch.rows,
                batch.finished_at,
            ],
        )
        if batch.rows and not batch.for_destination:
            for part in self._workspace.staging.open(batch).reader():
                rows = pa.Table.from_batches([part]).select(list(_READ_COLUMNS))
                reads.add(rows.append_column("batch_id", pa.repeat(batch.batch_id, part.num_rows)))
        connection.execute("INSERT INTO taken_over VALUES (?, '', '')", [batch.batch_id])
        return 0 if batch.for_destination else batch.rows

    def _take_receipts(
        self,
        connection: "duckdb.DuckDBPyConnection",
        batch: Batch,
        destination: str | None,
        mark: str,
        receipts: "_Arriving",
    ) -> int:
        found: pa.Table = self._workspace.staging.receipts(batch, destination)
        receipts.add(
            found.select(list(_RECEIPT_COLUMNS)).append_column(
                "carrier", pa.repeat(batch.batch_id, found.num_rows)
            )
        )
        connection.execute(
            "INSERT INTO taken_over VALUES (?, ?, ?)", [batch.batch_id, destination, mark]
        )
        return int(found.num_rows)

    def _ledger_tables(self, connection: "duckdb.DuckDBPyConnection") -> None:
        """The ledger's own tables are small, and change: they are taken over whole."""
        ledger = self._workspace.ledger
        _insert(connection, "attempts", [asdict(one) for one in ledger.attempts()])
        _insert(
            connection,
            "dead_letters",
            [asdict(one) for one in ledger.dead_letters(open_only=False)],
        )
        _insert(connection, "edits", [asdict(one) for one in ledger.edits(in_force_only=False)])


class _Arriving:
    """Rows on their way into a table. Many small batches go as one: a statement for each is what takes the time."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", table: str) -> None:
        self._connection = connection
        self._table = table
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._rows += rows.num_rows
        if self._rows >= _TOGETHER:
            self.write()

    def write(self) -> None:
        """Write what waits."""
        if self._rows:
            self._connection.register("arriving", pa.concat_tables(self._waiting))
            self._connection.execute(f"INSERT INTO {self._table} SELECT * FROM arriving")
            self._connection.unregister("arriving")
        self._waiting, self._rows = [], 0


def _forget_receipts(
    connection: "duckdb.DuckDBPyConnection", batch: Batch, destination: str | None
) -> None:
    """Of a delivery that was tried again: its receipts are taken over anew."""
    this = [batch.batch_id, destination]
    connection.execute(
        "DELETE FROM receipts WHERE carrier = $1 AND ($2 IS NULL OR destination = $2)", this
    )
    connection.execute(
        "DELETE FROM taken_over WHERE carrier = $1 AND destination IS NOT DISTINCT FROM $2", this
    )


def _delete_others(connection: "duckdb.DuckDBPyConnection", batches: Sequence[Batch]) -> None:
    """What a clean-up has removed since."""
    there = {one.batch_id for one in batches}
    taken = connection.execute("SELECT DISTINCT carrier FROM taken_over").fetchall()
    gone = [carrier for (carrier,) in taken if carrier not in there]
    if not gone:
        return  # the usual case: nothing has to be looked through
    connection.register("gone", pa.table({"batch_id": pa.array(gone, pa.string())}))
    for table, column in (
        ("reads", "batch_id"),
        ("receipts", "carrier"),
        ("batches", "batch_id"),
        ("taken_over", "carrier"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT batch_id FROM gone)")
    connection.unregister("gone")


def _insert(
    connection: "duckdb.DuckDBPyConnection", table: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    if not rows:
        return
    names = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    arriving = pa.Table.from_pylist([{name: _plain(row[name]) for name in names} for row in rows])
    connection.register("arriving", arriving)
    connection.execute(f"INSERT INTO {table} SELECT * FROM arriving")
    connection.unregister("arriving")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _errors() -> tuple[type[Exception], ...]:
    import duckdb  # definitions load without it

    return (duckdb.Error,)
