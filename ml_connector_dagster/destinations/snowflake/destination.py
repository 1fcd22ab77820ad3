"""Snowflake as a destination: one schema of one database. Facts: reference/warehouses.md §A."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from ml_connector_dagster.config.project import SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.contract import Scope, TableFacts
from ml_connector_dagster.destinations.snowflake import inspections
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.bulk import Bulk
from ml_connector_dagster.destinations.snowflake.deliveries import Load
from ml_connector_dagster.destinations.snowflake.names import folded
from ml_connector_dagster.destinations.snowflake.refusals import Refused, explained
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.tables import Schema
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import DECIMAL_PRECISION, Entity
from ml_connector_dagster.model.receipts import DeliveryReport


CAPABILITIES: Final = Capabilities(
    write_modes=frozenset({WriteMode.UPSERT}),
    history=Support.NATIVE,
    audit=Support.NATIVE,
    schema_evolution=Support.NATIVE,
    per_company_tables=Support.UNSUPPORTED,
    max_decimal_digits=DECIMAL_PRECISION,
    single_writer=False,
)


class SnowflakeDestination:
    """One schema. Nothing is sent before something is asked; ``close`` gives the HTTP connections back.

    Args:
        name: ``<connection>.<schema>``.
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
        self._now = now
        self._checkpoint = checkpoint

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise explained(refused, self._connection, self._access.description, what) from refused

    def prepare(self, entity: Entity) -> None:
        with self._explained(f"{self.table_name(entity, '')} was not prepared"):
            columns = {column.name: column.type for column in entity.all_columns}
            self._schema.prepare(entity, columns)

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        load = Load(
            id=secrets.token_hex(6),
            api=self._api,
            bulk=self._bulk,
            schema=self._schema,
            destination=self.name,
            entity=entity,
            staged=staged,
            inline_rows=self._connection.inline_rows,
            now=self._now(),
            checkpoint=self._checkpoint,
        )
        self._checkpoint("opened")
        table = self.table_name(entity, staged.batch.company)
        with self._explained(f"Batch {staged.batch.batch_id} was not delivered to {table}"):
            return load.apply()

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

    def table_name(self, entity: Entity, company: str) -> str:
        schema = folded(self._schema.name)
        return f"{self._connection.database}.{schema}.{folded(entity.name)}"

    def close(self) -> None:
        self._api.close()

    def _reading(self, entity: Entity) -> AbstractContextManager[None]:
        return self._explained(f"{self.table_name(entity, '')} was not read")
