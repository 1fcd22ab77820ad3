"""DuckDB keeps the contract, with shared tables and with tables per company."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import duckdb

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.duckdb.deliveries import CHECKPOINTS
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster_tests.contracts.destinations import (
    SUPPLIERS,
    DestinationContract,
    Limit,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import COMPANY


def database(home: Path) -> DatabaseFile:
    return DatabaseFile(path=home / "warehouse.duckdb", memory_limit="256MB", threads=2)


def run_by_hand(pair: Pair, sql: str) -> None:
    with duckdb.connect(str(database(pair.folder / "home").path)) as connection:
        connection.execute(sql)


class TestDuckDBDestination(DestinationContract):
    checkpoints = CHECKPOINTS

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        return DuckDBDestination(
            "warehouse.erp", database(home), "erp", now=now, checkpoint=checkpoint
        )

    def by_hand(self, pair: Pair, sql: str) -> None:
        run_by_hand(pair, sql.format(table=f"erp.{SUPPLIERS.name}"))

    def make_own_table(self, home: Path, entity: Entity, limits: Mapping[str, Limit]) -> None:
        columns = ", ".join(
            f"{name} {f'DECIMAL{one.digits}' if one.digits else 'VARCHAR'}"
            f"{'' if one.nullable else ' NOT NULL'}"
            for name, one in limits.items()
        )
        home.mkdir(parents=True)
        with duckdb.connect(str(database(home).path)) as connection:
            connection.execute("CREATE SCHEMA erp")
            connection.execute(f"CREATE TABLE erp.{entity.name} (record_id VARCHAR, {columns})")


class TestDuckDBDestinationWithTablesPerCompany(DestinationContract):
    checkpoints = CHECKPOINTS

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        return DuckDBDestination(
            "warehouse.erp",
            database(home),
            "we\"ird 'schema'",
            per_company=True,
            now=now,
            checkpoint=checkpoint,
        )

    def by_hand(self, pair: Pair, sql: str) -> None:
        table = f'"we""ird \'schema\'".{SUPPLIERS.name}_{COMPANY}'
        run_by_hand(pair, sql.format(table=table))
