"""Snowflake keeps the contract, both ways in: through the SQL API, and as Parquet through the vendor's connector.

Runs against the sandbox, or against a real account when the environment names one (docs/how-to/snowflake.md).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.snowflake.deliveries import CHECKPOINTS
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster_tests.contracts.destinations import (
    SUPPLIERS,
    Clock,
    DestinationContract,
    Limit,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import COMPANY, row
from ml_connector_dagster_tests.spec.snowflake_account import (
    CONNECTION,
    KEY,
    KEY_FILE,
    PASSPHRASE,
    PAT,
    TOKEN,
    Account,
    account_for_tests,
    import_vendor_packages,
    pem,
    sandbox_account,
)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with account_for_tests() as found:
        yield found


@pytest.fixture(scope="module")
def vendor_packages() -> None:
    import_vendor_packages()


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

    def by_hand(self, pair: Pair, sql: str) -> None:
        schema = self.account.path_of(self.account.schema_of(pair.folder / "home"))
        table = f"{SUPPLIERS.name}_{COMPANY}" if self.per_company else SUPPLIERS.name
        self.account.run(sql.format(table=f'{schema}."{table.upper()}"'))

    def make_own_table(self, home: Path, entity: Entity, limits: Mapping[str, Limit]) -> None:
        columns = ", ".join(
            f"{name} {f'NUMBER{one.digits}' if one.digits else 'VARCHAR'}"
            f"{'' if one.nullable else ' NOT NULL'}"
            for name, one in limits.items()
        )
        table = f"{entity.name}_{COMPANY}" if self.per_company else entity.name
        schema = self.account.path_of(self.account.schema_of(home))
        self.account.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        self.account.run(f"CREATE TABLE {schema}.{table} (record_id VARCHAR, {columns})")

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
        assert report.requests > 5
        assert any("MERGE INTO" in one.sql for one in statements)


class TestInlineToSharedTables(Snowflake):
    """Bound values, for batches of any size."""

    inline_rows = 1_000_000


@pytest.mark.usefixtures("vendor_packages")
class TestStagedToTablesPerCompany(Snowflake):
    """Parquet files, for batches of any size."""

    per_company = True


@pytest.mark.parametrize("by_token", [True, False])
def test_the_suite_runs_where_the_environment_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_token: bool
) -> None:
    with sandbox_account() as elsewhere:
        for name in (TOKEN, KEY_FILE, PASSPHRASE):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(CONNECTION, elsewhere.connection.model_dump_json())
        if by_token:
            monkeypatch.setenv(TOKEN, PAT)
        else:
            key = tmp_path / "key.p8"
            key.write_text(pem(KEY, "open sesame"))
            monkeypatch.setenv(KEY_FILE, str(key))
            monkeypatch.setenv(PASSPHRASE, "open sesame")
        with account_for_tests() as account:
            assert account.sandbox is None
            clock = Clock()
            schema = account.schema_of(tmp_path)
            pair = Pair(tmp_path, clock, account.destination(schema, now=clock))
            pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
        found = "SELECT COUNT(*) FROM ERP.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ?"
        assert elsewhere.run(found, schema.upper()) == [["0"]]
