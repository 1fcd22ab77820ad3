"""Marts in Snowflake: the sandbox's, or a real account that the environment names."""

from collections.abc import Iterator

import pytest


pytest.importorskip("snowflake.connector", reason="the extra 'snowflake' is not installed")

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster_tests.contracts.marts import MartContract
from ml_connector_dagster_tests.spec.snowflake_account import (
    account_for_tests,
    import_vendor_packages,
)


class TestSnowflake(MartContract):
    @pytest.fixture(scope="class")
    @classmethod
    def destination(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Destination]:
        import_vendor_packages()
        with account_for_tests() as account:
            yield account.destination(account.schema_of(tmp_path_factory.mktemp("marts")))
