"""Rows through Looker itself: SQL Runner, for those who have nothing but Looker (reference saas-destinations §3.3 b).

Two calls of the month's quota per statement, so it is for small flows. Columns of a tenant's own catalog are not taken.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA, Scope, TableFacts
from ml_connector_dagster.destinations.looker.api import Looker
from ml_connector_dagster.destinations.looker.dialects import DIALECTS, cell
from ml_connector_dagster.destinations.looker.sql_load import Bounds, SqlLoad, audit_kind
from ml_connector_dagster.destinations.looker.sql_reading import (
    columns_of,
    facts_query,
    orphans_query,
    read_facts,
    read_rows,
    rows_query,
    where,
)
from ml_connector_dagster.destinations.looker.sql_state import Tables, lowered
from ml_connector_dagster.destinations.views import translated
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.model.views import View


CAPABILITIES: Final = Capabilities(
    write_modes=frozenset(WriteMode),
    history=Support.EMULATED,
    audit=Support.EMULATED,
    schema_evolution=Support.UNSUPPORTED,
)

#: Rows of one page when tables are read: SQL Runner has limits of its own.
PAGE_ROWS: Final = 1_000


class SqlRunnerDestination:
    """One schema of the database behind one of Looker's connections. Logs in when it is first needed.

    Args:
        name: ``<connection>.<schema>``.
        checkpoint: called with the name of every point of a delivery (``sql_load.CHECKPOINTS``).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str,
        looker: Looker,
        connection: LookerConnection,
        schema: str,
        *,
        now: Callable[[], datetime],
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        if not connection.dialect:
            raise ConfigError(
                f"connection {connection.name!r} takes rows through SQL Runner for {name}, so it must say which SQL the "
                f"database speaks; write dialect: {', '.join(DIALECTS)}"
            )
        self.name = name
        self._looker = looker
        self._database = connection.database
        self._dialect = DIALECTS[connection.dialect]
        self._plain_schema = schema
        self._path = (connection.catalog, schema) if connection.catalog else (schema,)
        self._bounds = Bounds(rows=connection.statement_rows, length=connection.statement_bytes)
        self._now = now
        self._checkpoint = checkpoint
        self._logged_in = False
        self._present: frozenset[str] = frozenset()

    def prepare(self, entity: Entity) -> None:
        if self._is_prepared(entity):
            return
        tables, text = self._tables(entity), self._dialect.text
        self._run(f"CREATE SCHEMA IF NOT EXISTS {'.'.join(self._path)}")
        for table, kinds in (
            (tables.table, columns_of(entity)),
            (tables.history, columns_of(entity, history=True)),
            (tables.audit, {name: audit_kind(name) for name in RECEIPT_SCHEMA.names}),
        ):
            columns = ", ".join(f"{one} {self._dialect.types[kind]}" for one, kind in kinds.items())
            self._run(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        self._run(f"CREATE TABLE IF NOT EXISTS {tables.batches} (batch_id {text}, report {text})")

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        before = self._looker.quota.calls
        load = SqlLoad(
            run=lambda sql: self._run_with_tables(entity, sql),
            dialect=self._dialect,
            tables=self._tables(entity),
            destination=self.name,
            entity=entity,
            staged=staged,
            mode=mode,
            bounds=self._bounds,
            now=self._now(),
            checkpoint=self._checkpoint,
        )
        report = load.apply()
        return DeliveryReport(
            counts=report.counts,
            rejected=report.rejected,
            receipts=report.receipts,
            requests=self._looker.quota.calls - before,
        )

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts:
        parent = "" if entity.parent is None else entity.parent.entity
        there = self._there({entity.name, parent})
        if entity.name not in there:
            zeros = dict.fromkeys(entity.control_totals, Decimal(0))
            return TableFacts(control_totals=zeros, orphans=0 if parent in there else None)
        (facts,) = self._run(facts_query(self._dialect, self._tables(entity), entity, scope))
        orphans = None
        if parent in there:
            query = orphans_query(self._dialect, ".".join(self._path), entity, scope)
            orphans = int(lowered(self._run(query)[0])["orphans"])
        return read_facts(facts, entity, orphans)

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        kinds = columns_of(entity)
        if entity.name not in self._there({entity.name}):
            return read_rows([], kinds)
        return read_rows(list(self._pages(entity, scope, limit)), kinds)

    def _pages(
        self, entity: Entity, scope: Scope, limit: int | None
    ) -> Iterator[Mapping[str, Any]]:
        condition = where(self._dialect, scope)
        last, left = "", PAGE_ROWS if limit is None else limit
        while left > 0:
            after = f" AND record_id > {self._dialect.value(cell(last))}" if last else ""
            size = min(left, PAGE_ROWS)
            rest = f"ORDER BY t.record_id LIMIT {size}"
            table = self._tables(entity).table
            query = rows_query(self._dialect, table, columns_of(entity), condition + after, rest)
            page = self._run(query)
            yield from page
            if len(page) < size:
                return
            last = str(lowered(page[-1])["record_id"])
            left = PAGE_ROWS if limit is None else left - size

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        kinds = columns_of(entity, history=True)
        if entity.name not in self._there({entity.name}):
            return read_rows([], kinds)
        condition = f"record_id = {self._dialect.value(cell(record_id))}"
        query = rows_query(
            self._dialect,
            self._tables(entity).history,
            kinds,
            condition,
            "ORDER BY t._replaced_at, t._replaced_by_batch",
        )
        return read_rows(self._run(query), kinds)

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        kinds = {name: audit_kind(name) for name in RECEIPT_SCHEMA.names}
        if "_audit" not in self._there({"_audit"}):
            return read_rows([], kinds)
        condition = (
            f"entity = {self._dialect.value(cell(entity.name))}"
            f" AND record_id = {self._dialect.value(cell(record_id))}"
        )
        query = rows_query(
            self._dialect,
            self._tables(entity).audit,
            kinds,
            condition,
            "ORDER BY t.delivered_at, t.batch_id",
        )
        return read_rows(self._run(query), kinds)

    def define_view(self, view: View) -> None:
        query = self._own(view.query)
        name = ".".join((*self._path, view.name))
        for statement in self._dialect.define:
            self._run(statement.format(name=name, query=query))

    def ask(self, query: str) -> pa.Table:
        """Types are those of JSON: dates and moments come as text."""
        return pa.Table.from_pylist([lowered(row) for row in self._run(self._own(query))])

    def _own(self, query: str) -> str:
        stored = self._dialect.stored
        return translated(
            query,
            self._dialect.name,
            lambda table: tuple(stored(part) for part in (*self._path, table)),
        )

    def table_name(self, entity: Entity, company: str) -> str:
        return self._tables(entity).table

    def close(self) -> None:
        self._looker.close()

    def _tables(self, entity: Entity) -> Tables:
        return Tables(schema=".".join(self._path), entity=entity.name)

    def _is_prepared(self, entity: Entity) -> bool:
        wanted = {entity.name, f"{entity.name}_history", "_audit", "_batches"}
        return self._there(wanted) == wanted

    def _there(self, names: set[str]) -> frozenset[str]:
        """Those of ``names`` that are tables of the schema. What is there stays, so it is asked for once."""
        if not names - {""} <= self._present:
            schema = self._dialect.value(cell(self._plain_schema.lower()))
            listed = ".".join((*self._path[:-1], "information_schema.tables"))
            found = self._run(
                f"SELECT table_name AS name FROM {listed} WHERE lower(table_schema) = {schema}"
            )
            self._present = frozenset(str(lowered(one)["name"]).lower() for one in found)
        return frozenset(names) & self._present

    def _run_with_tables(self, entity: Entity, sql: str) -> Sequence[Mapping[str, Any]]:
        """A statement that fails may lack its tables: looking first would cost two calls, each time."""
        try:
            return self._run(sql)
        except ConfigError:
            if self._is_prepared(entity):
                raise
            self.prepare(entity)
            return self._run(sql)

    def _run(self, sql: str) -> list[Mapping[str, Any]]:
        if not self._logged_in:
            self._looker.log_in()
            self._logged_in = True
        return self._looker.run_sql(self._database, sql)
