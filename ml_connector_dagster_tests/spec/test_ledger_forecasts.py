"""Forecasts in both databases of the ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster_tests.contracts.ledger_forecasts import LedgerForecasts
from ml_connector_dagster_tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


class TestSqlite(LedgerForecasts):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'ledger.db'}"


class TestPostgresql(LedgerForecasts):
    @pytest.fixture
    def url(self, server: Postgres) -> str:
        return server.database()
