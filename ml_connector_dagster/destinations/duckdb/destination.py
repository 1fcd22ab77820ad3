"""The embedded warehouse: one DuckDB file, no server, no account. Facts: reference/warehouses.md §C."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import duckdb
import pyarrow as pa

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA, Scope, TableFacts
from ml_connector_dagster.destinations.duckdb import inspections
from ml_connector_dagster.destinations.duckdb.database import DatabaseFile
from ml_connector_dagster.destinations.duckdb.deliveries import Load
from ml_connector_dagster.destinations.duckdb.tables import Names, make_schema, make_tables
from ml_connector_dagster.destinations.duckdb.types import TYPES
from ml_connector_dagster.destinations.identifiers import quoted
from ml_connector_dagster.destinations.table_names import BATCHES
from ml_connector_dagster.destinations.views import translated
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError, TransientError
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.model.views import View


CAPABILITIES = Capabilities(
    write_modes=frozenset(WriteMode),
    history=Support.NATIVE,
    audit=Support.NATIVE,
    schema_evolution=Support.NATIVE,
)


#: After so many small batches, DuckDB may merge row groups that are small or have holes, when the connection
#: closes: so many groups of tasks at most (2 CPU s). Without limits a handful of changes would have most of a
#: table rewritten, each time.
TIDY_EVERY: Final = 25
TIDY_TASKS: Final = 16
SMALL_BATCH: Final = 100_000

#: What a row can do wrong that ``refusals`` does not foresee, e.g. a CHECK over the user's own columns.
_REFUSALS: Final = (
    duckdb.ConstraintException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
)


class DuckDBDestination:
    """One schema of one DuckDB file. It holds no connection between calls.

    Args:
        name: ``<connection>.<schema>``.
        per_company: a table per company, and a view over all of them under the entity's name.
        now: the clock of ``delivered_at`` and ``_replaced_at``.
        checkpoint: called with the name of every point of a delivery (``deliveries.CHECKPOINTS``).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str,
        file: DatabaseFile,
        schema: str,
        *,
        per_company: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.name = name
        self._file = file
        self._schema = schema
        self._per_company = per_company
        self._now = now
        self._checkpoint = checkpoint
        self._prepared: set[str] = set()

    def prepare(self, entity: Entity) -> None:
        if entity.name in self._prepared:
            return
        columns = {column.name: TYPES[column.type] for column in entity.all_columns}
        with self._file.write() as connection:
            connection.execute("BEGIN")
            make_schema(connection, self._schema)
            if not self._per_company:
                make_tables(connection, self._names(entity, ""), entity, columns)
            connection.execute("COMMIT")
        self._prepared.add(entity.name)

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        names = self._names(entity, staged.batch.company)
        with self._file.write() as connection:
            load = Load(
                connection=connection,
                destination=self.name,
                names=names,
                entity=entity,
                staged=staged,
                mode=mode,
                now=self._now(),
                checkpoint=self._checkpoint,
            )
            self._checkpoint("opened")
            try:
                connection.execute("BEGIN")
                report = load.apply()
                connection.execute("COMMIT")
            except _REFUSALS as error:
                raise ConfigError(
                    f"{self._nothing_of(staged.batch, names)}: {error}. Compare the table's own types and "
                    "constraints with the value in question"
                ) from error
            except duckdb.OutOfMemoryException as error:
                raise ConfigError(
                    f"{self._nothing_of(staged.batch, names)}: {error}. Raise memory_limit (now "
                    f"{self._file.memory_limit}) of the connection"
                ) from error
            except duckdb.IOException as error:
                raise TransientError(f"{self._nothing_of(staged.batch, names)}: {error}") from error
            self._checkpoint("committed")
            self._tidy_now_and_then(connection)
        return report

    def _nothing_of(self, batch: Batch, names: Names) -> str:
        return (
            f"Nothing of batch {batch.batch_id} was written to {names.schema}.{names.table} in "
            f"{self._file.path}. DuckDB says"
        )

    def _tidy_now_and_then(self, connection: duckdb.DuckDBPyConnection) -> None:
        small = connection.execute(
            f"SELECT count(*) FROM {quoted(self._schema, BATCHES)}"
            f" WHERE inserted + updated + deleted BETWEEN 1 AND {SMALL_BATCH}"
        ).fetchall()[0][0]
        if small and small % TIDY_EVERY == 0:
            connection.execute(f"SET max_vacuum_tasks = {TIDY_TASKS}")

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts:
        with self._file.read() as connection:
            if connection is None:
                return inspections.no_facts(entity)
            return inspections.table_facts(connection, self._schema, entity, scope)

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        with self._file.read() as connection:
            if connection is None:
                return pa.table({})
            return inspections.current_rows(connection, self._schema, entity, scope, limit)

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        with self._file.read() as connection:
            if connection is None:
                return pa.table({})
            return inspections.versions_of(connection, self._schema, entity, record_id)

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        with self._file.read() as connection:
            if connection is None:
                return RECEIPT_SCHEMA.empty_table()
            return inspections.receipts_of(connection, self._schema, entity, record_id)

    def define_view(self, view: View) -> None:
        name = quoted(self._schema, view.name)
        comment = view.description.replace("'", "''")
        with self._file.write() as connection:
            try:
                connection.execute("BEGIN")
                connection.execute(f"CREATE OR REPLACE VIEW {name} AS {self._own(view.query)}")
                connection.execute(f"COMMENT ON VIEW {name} IS '{comment}'")
                connection.execute("COMMIT")
            except duckdb.CatalogException as error:
                taken = "is of type Table" in str(error)
                raise ConfigError(
                    f"View {self._schema}.{view.name} was not made in {self._file.path}: {error}. "
                    + (
                        "Rename that table"
                        if taken
                        else "Nothing of that entity has come yet: wait"
                    )
                    + ", or leave this mart out (marts:) of the flow"
                ) from error

    def ask(self, query: str) -> pa.Table:
        with self._file.read() as connection:
            if connection is None:
                raise ConfigError(f"{self._file.path} is not there yet; deliver something first")
            try:
                found: pa.Table = connection.sql(self._own(query)).to_arrow_table()
            except duckdb.CatalogException as error:
                raise ConfigError(
                    f"A query of {self._schema} in {self._file.path} failed: {error}"
                ) from error
            return found

    def _own(self, query: str) -> str:
        return translated(query, "duckdb", lambda table: (self._schema, table))

    def table_name(self, entity: Entity, company: str) -> str:
        return f"{self._schema}.{self._names(entity, company).table}"

    def close(self) -> None:
        """Nothing to give back: connections are as short as calls."""

    def _names(self, entity: Entity, company: str) -> Names:
        return Names(
            schema=self._schema,
            entity=entity.name,
            company=company,
            per_company=self._per_company,
        )
