"""Snowflake keeps the contract, both ways in: through the SQL API, and as Parquet through the vendor's connector.

Runs against the sandbox, or against a real account when the environment names one (docs/how-to/snowflake.md).
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.snowflake.deliveries import CHECKPOINTS
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS, DestinationContract, Pair
from ml_connector_dagster_tests.contracts.staged import row
from ml_connector_dagster_tests.spec.snowflake_account import (
    Account,
    account_for_tests,
    import_vendor_packages,
)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with account_for_tests() as found:
        yield found


class Snowflake(DestinationContract):
    checkpoints = CHECKPOINTS
    per_company = False
    inline_rows = 0

    @pytest.fixture(autouse=True)
    def _account(self, account: Account) -> None:
        self.account = account

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        return self.account.destination(
            self.account.schema_of(home),
            per_company=self.per_company,
            inline_rows=self.inline_rows,
            now=now,
            checkpoint=checkpoint,
        )

    def test_json_arrives_as_objects(self, pair: Pair) -> None:
        extra = '{"CUNO":"O\'Brien \\\\ \\"x\\"","ZZ":"🏗️ \\n"}'
        one = row(SUPPLIERS, "1") | {"_extra": extra, "_problems": '{"phone":"too long: 1"}'}
        pair.send(SUPPLIERS, one, row(SUPPLIERS, "2"))
        pair.assert_equal(SUPPLIERS)

    def test_every_statement_of_a_delivery_is_tagged_with_flow_entity_and_run(
        self, pair: Pair
    ) -> None:
        sandbox = self.account.sandbox
        if sandbox is None:
            pytest.skip("read back from the sandbox")
        pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
        before = len(sandbox.statements)
        report = pair.deliver(SUPPLIERS, pair.stage(SUPPLIERS, [row(SUPPLIERS, "2")]))
        statements = sandbox.statements[before:]
        tags = [json.loads(one.tag) for one in statements if "INFORMATION" not in one.sql]
        expected = {
            "app": "ml-connector",
            "flow": "nightly",
            "destination": "snow.erp",
            "entity": "suppliers",
            "run": "run-1",
            "batch": "batch-002",
        }
        assert all(tag == expected for tag in tags)
        assert 5 < report.requests < 30
        assert any("MERGE INTO" in one.sql for one in statements)


class TestInlineToSharedTables(Snowflake):
    """Bound values, for batches of any size."""

    inline_rows = 1_000_000


class TestStagedToTablesPerCompany(Snowflake):
    """Parquet files, for batches of any size."""

    per_company = True

    @pytest.fixture(scope="class", autouse=True)
    def _vendor_packages(self) -> None:
        import_vendor_packages()
