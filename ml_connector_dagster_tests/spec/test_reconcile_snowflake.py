"""Reconciliation of Snowflake: the sandbox's, or a real account that the environment names."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import pytest


pytest.importorskip("snowflake.connector", reason="the extra 'snowflake' is not installed")

from ml_connector_dagster.destinations.contract import Warehouse
from ml_connector_dagster_tests.contracts.reconciliations import ReconciliationContract
from ml_connector_dagster_tests.spec.snowflake_account import (
    Account,
    account_for_tests,
    import_vendor_packages,
)


class TestSnowflake(ReconciliationContract):
    account: ClassVar[Account]
    schema: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def warehouse(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
        import_vendor_packages()
        with account_for_tests() as cls.account:
            cls.schema = cls.account.schema_of(tmp_path_factory.mktemp("reconcile"))
            yield cls.account.destination(cls.schema)

    @pytest.fixture(scope="class")
    @classmethod
    def change(cls) -> Callable[[str], object]:
        return lambda sql: cls.account.run(
            sql.format(table=f'{cls.account.path_of(cls.schema)}."SUPPLIER_INVOICES"')
        )
