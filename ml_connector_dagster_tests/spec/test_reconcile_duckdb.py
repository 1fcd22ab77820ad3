"""Reconciliation of a DuckDB warehouse, and at the oracle."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import duckdb
import pytest

from ml_connector_dagster.destinations.contract import Warehouse
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster_tests.contracts.reconciliations import ReconciliationContract


class TestDuckDB(ReconciliationContract):
    path: ClassVar[Path]

    @pytest.fixture(scope="class")
    @classmethod
    def warehouse(cls, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
        cls.path = tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb"
        file = DatabaseFile(path=cls.path, memory_limit="192MB", threads=2)
        return DuckDBDestination("warehouse.erp", file, "erp")

    @pytest.fixture(scope="class")
    @classmethod
    def change(cls) -> Callable[[str], object]:
        def run(sql: str) -> None:
            with duckdb.connect(str(cls.path)) as connection:
                connection.execute(
                    sql.format(table="erp.supplier_invoices").replace("t.amount", "amount")
                )

        return run


class TestMemory(ReconciliationContract):
    """The oracle, whose rows are changed where they are."""

    oracle: ClassVar[MemoryDestination]

    @pytest.fixture(scope="class")
    @classmethod
    def warehouse(cls) -> Warehouse:
        cls.oracle = MemoryDestination()
        return cls.oracle

    @pytest.fixture(scope="class")
    @classmethod
    def change(cls) -> Callable[[str], object]:
        return lambda sql: _merged(cls.oracle, sql)


def _merged(oracle: MemoryDestination, sql: str) -> None:
    """The statement run by DuckDB over the oracle's rows, which it then replaces."""
    table = oracle._tables["supplier_invoices"]  # the only way in: it has none for others
    with duckdb.connect() as connection:
        rows = oracle.ask("SELECT * FROM supplier_invoices")
        connection.execute("CREATE TABLE rows AS SELECT * FROM rows")
        connection.execute(sql.format(table="rows").replace("t.amount", "amount"))
        found = connection.sql("SELECT * FROM rows").to_arrow_table().to_pylist()
    del rows
    table.clear()
    table.update({row["record_id"]: row for row in found})
