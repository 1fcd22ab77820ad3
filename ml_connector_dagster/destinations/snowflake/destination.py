"""Snowflake as a destination: one schema of one database. Facts: reference/warehouses.md §A."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.contract import Scope, TableFacts
from ml_connector_dagster.destinations.snowflake import inspections
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.bulk import Bulk
from ml_connector_dagster.destinations.snowflake.deliveries import Load
from ml_connector_dagster.destinations.snowflake.names import folded, text
from ml_connector_dagster.destinations.snowflake.refusals import Refused, explained
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.tables import Schema
from ml_connector_dagster.destinations.snowflake.types import table_of
from ml_connector_dagster.destinations.table_names import TableNames
from ml_connector_dagster.destinations.views import translated
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.model.views import View


CAPABILITIES: Final = Capabilities(
    write_modes=frozenset(WriteMode),
    history=Support.NATIVE,
    audit=Support.NATIVE,
    schema_evolution=Support.NATIVE,
)


class SnowflakeDestination:
    """One schema. Nothing is sent before something is asked; ``close`` gives the HTTP connections back.

    Args:
        name: ``<connection>.<schema>``.
        per_company: a table per company, and a view over all of them under the entity's name.
        flow: the flow's name, for query tags.
        now: the clock of ``delivered_at`` and ``_replaced_at``.
        clock: seconds since 1970, for tokens.
        pause: how it waits between polls and tries.
        checkpoint: called with the name of every point of a delivery (``deliveries.CHECKPOINTS``).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str,
        connection: SnowflakeConnection,
        credential: Credential,
        schema: str,
        *,
        per_company: bool = False,
        flow: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.name = name
        self._connection = connection
        self._access = Access(connection, credential, clock=clock)
        self._api = SqlApi(connection, self._access, pause=pause)
        self._bulk = Bulk(connection, self._access, pause=pause)
        self._schema = Schema(connection.database, schema, self._api)
        self._per_company = per_company
        self._flow = flow
        self._viewed: set[str] = set()
        self._now = now
        self._checkpoint = checkpoint

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise explained(refused, self._connection, self._access.description, what) from refused

    def prepare(self, entity: Entity) -> None:
        with self._explained(f"{self._schema.shown(entity.name)} was not prepared"):
            if self._per_company:
                self._schema.make_batches()
                return
            columns = {column.name: column.type for column in entity.all_columns}
            names = self._names(entity, "")
            self._schema.prepare(
                names,
                entity,
                columns,
                self._schema.columns(*names.tables),
            )

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        load = Load(
            id=secrets.token_hex(6),
            api=self._api,
            bulk=self._bulk,
            schema=self._schema,
            names=self._names(entity, staged.batch.company),
            destination=self.name,
            flow=self._flow,
            entity=entity,
            staged=staged,
            mode=mode,
            inline_rows=self._connection.inline_rows,
            now=self._now(),
            viewed=self._viewed,
            checkpoint=self._checkpoint,
        )
        self._checkpoint("opened")
        table = self.table_name(entity, staged.batch.company)
        with self._explained(f"Batch {staged.batch.batch_id} was not delivered to {table}"):
            before = self._requests()
            report = load.apply()
            return replace(report, requests=self._requests() - before)

    def _requests(self) -> int:
        return self._api.requests + self._bulk.requests

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts:
        with self._reading(entity):
            return inspections.table_facts(self._schema, entity, scope)

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        with self._reading(entity):
            return inspections.current_rows(self._schema, entity, scope, limit)

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        with self._reading(entity):
            return inspections.versions_of(self._schema, entity, record_id)

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        with self._reading(entity):
            return inspections.receipts_of(self._schema, entity, record_id)

    def define_view(self, view: View) -> None:
        # Without COPY GRANTS, a view that is replaced forgets who may read it.
        with self._explained(f"View {self._schema.shown(view.name)} was not made"):
            self._api.run(
                f"CREATE OR REPLACE VIEW {self._schema.sql(view.name)} COPY GRANTS"
                f" COMMENT = {text(view.description)} AS {self._own(view.query)}"
            )

    def ask(self, query: str) -> pa.Table:
        with self._explained(
            f"A query of {self._connection.database}.{folded(self._schema.name)} failed"
        ):
            return table_of(self._api.run(self._own(query)))

    def _own(self, query: str) -> str:
        database, schema = self._connection.database, folded(self._schema.name)
        return translated(query, "snowflake", lambda table: (database, schema, folded(table)))

    def table_name(self, entity: Entity, company: str) -> str:
        return self._schema.shown(self._names(entity, company).table)

    def close(self) -> None:
        self._api.close()

    def _names(self, entity: Entity, company: str) -> TableNames:
        return TableNames(entity=entity.name, company=company, per_company=self._per_company)

    def _reading(self, entity: Entity) -> AbstractContextManager[None]:
        return self._explained(f"{self._schema.shown(entity.name)} was not read")
