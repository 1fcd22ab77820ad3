"""DuckDB keeps the contract, with shared tables and with tables per company."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.duckdb.deliveries import CHECKPOINTS
from ml_connector_dagster_tests.contracts.destinations import DestinationContract


def database(home: Path) -> DatabaseFile:
    return DatabaseFile(path=home / "warehouse.duckdb", memory_limit="256MB", threads=2)


class TestDuckDBDestination(DestinationContract):
    checkpoints = CHECKPOINTS

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        return DuckDBDestination(
            "warehouse.erp", database(home), "erp", now=now, checkpoint=checkpoint
        )


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
