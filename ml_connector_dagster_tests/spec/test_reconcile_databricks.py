"""Reconciliation of Databricks: the sandbox's, or a real workspace that the environment names."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")

from ml_connector_dagster.destinations.contract import Warehouse
from ml_connector_dagster_tests.contracts.reconciliations import ReconciliationContract
from ml_connector_dagster_tests.spec.databricks_workspace import Access, access_to_workspace


class TestDatabricks(ReconciliationContract):
    access: ClassVar[Access]
    schema: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def warehouse(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Warehouse]:
        local = request.getfixturevalue
        with access_to_workspace(lambda: local("running_databricks")) as cls.access:
            cls.schema = cls.access.schema_of(tmp_path_factory.mktemp("reconcile"))
            yield cls.access.destination(cls.schema)

    @pytest.fixture(scope="class")
    @classmethod
    def change(cls) -> Callable[[str], object]:
        workspace = cls.access.workspace()
        table = f"`{cls.access.catalog}`.`{cls.schema}`.`supplier_invoices`"
        return lambda sql: workspace.run(sql.format(table=table).replace("''", "\\'"))
