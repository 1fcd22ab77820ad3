"""Reconciliation of tables behind Looker, through SQL Runner."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import ClassVar
from uuid import uuid4

import pytest


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.destinations.contract import Warehouse
from ml_connector_dagster.destinations.looker import SqlRunnerDestination
from ml_connector_dagster_tests.contracts.reconciliations import INVOICES, ReconciliationContract
from ml_connector_dagster_tests.spec.looker_instance import looker_sandbox
from ml_connector_dagster_tests.spec.test_destination_looker import opened


class TestSqlRunner(ReconciliationContract):
    destination: ClassVar[SqlRunnerDestination]

    @pytest.fixture(scope="class")
    @classmethod
    def warehouse(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
        with looker_sandbox(tmp_path_factory.mktemp("looker")) as running:
            cls.destination = opened(running, f"s{uuid4().hex}", now=lambda: datetime.now(UTC))
            yield cls.destination
            cls.destination.close()

    @pytest.fixture(scope="class")
    @classmethod
    def change(cls) -> Callable[[str], object]:
        table = cls.destination.table_name(INVOICES.entity, "")
        run = cls.destination._run  # what a person types into SQL Runner
        return lambda sql: run(sql.format(table=table).replace("t.amount", "amount"))
