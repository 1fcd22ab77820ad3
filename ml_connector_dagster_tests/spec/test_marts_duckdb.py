"""Marts at the oracle and in DuckDB, and what holds for their definitions."""

import pytest

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.marts import MARTS, Mart
from ml_connector_dagster.marts.lineage import KEPT, as_kept, kept_lineage
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster_tests.contracts.marts import MartContract


class TestMemory(MartContract):
    @pytest.fixture(scope="class")
    @classmethod
    def destination(cls) -> Destination:
        return MemoryDestination()


class TestDuckDB(MartContract):
    @pytest.fixture(scope="class")
    @classmethod
    def destination(cls, tmp_path_factory: pytest.TempPathFactory) -> Destination:
        path = tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb"
        file = DatabaseFile(path=path, memory_limit="192MB", threads=2)
        return DuckDBDestination("warehouse.erp", file, "erp")


def test_the_kept_lineage_is_that_of_the_queries() -> None:
    """Run ``make docs`` when it is not."""
    assert KEPT.read_text(encoding="utf-8") == as_kept()


@pytest.mark.parametrize("mart", MARTS.values(), ids=MARTS)
def test_lineage_names_columns_that_there_are(mart: Mart) -> None:
    lineage = kept_lineage()[mart.name]
    assert [column.name for column in mart.columns] == list(lineage)
    for sources in lineage.values():
        for entity, column in sources:
            assert entity in mart.entities
            assert column in {one.name for one in ENTITIES[entity].all_columns}


@pytest.mark.parametrize("mart", MARTS.values(), ids=MARTS)
def test_a_mart_reads_the_entities_that_it_says(mart: Mart) -> None:
    lineage = kept_lineage()[mart.name]
    assert {entity for sources in lineage.values() for entity, _ in sources} <= set(mart.entities)
    assert set(mart.grain) <= {column.name for column in mart.columns}
    assert all(f" {name}" in mart.query for name in mart.entities)
