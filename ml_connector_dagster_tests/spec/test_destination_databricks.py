"""Databricks keeps the contract: rows in parameters and in files, shared tables and tables per company.

Runs against the sandbox, or against a real workspace when the environment names one (docs/how-to/databricks.md).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.databricks.deliveries import CHECKPOINTS
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox
from ml_connector_dagster_tests.contracts.destinations import (
    SUPPLIERS,
    Clock,
    DestinationContract,
    Limit,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import COMPANY, row
from ml_connector_dagster_tests.spec.databricks_workspace import (
    CATALOG,
    CLIENT_ID,
    CLIENT_SECRET,
    HOST,
    TOKEN,
    WAREHOUSE,
    Access,
    access_to_workspace,
)


@pytest.fixture
def access(request: pytest.FixtureRequest) -> Iterator[Access]:
    with access_to_workspace(lambda: request.getfixturevalue("databricks")) as workspace:
        yield workspace


class Databricks(DestinationContract):
    checkpoints = CHECKPOINTS
    per_company = False
    inline_rows = 0

    @pytest.fixture(autouse=True)
    def _access(self, access: Access) -> None:
        self.access = access

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        return self.access.destination(
            self.access.schema_of(home),
            per_company=self.per_company,
            inline_rows=self.inline_rows,
            now=now,
            checkpoint=checkpoint,
        )

    def by_hand(self, pair: Pair, sql: str) -> None:
        schema = f"`{self.access.catalog}`.`{self.access.schema_of(pair.folder / 'home')}`"
        table = f"{SUPPLIERS.name}_{COMPANY}" if self.per_company else SUPPLIERS.name
        self.access.workspace().run(sql.format(table=f"{schema}.{table}"))

    def make_own_table(self, home: Path, entity: Entity, limits: Mapping[str, Limit]) -> None:
        columns = ", ".join(
            f"{name} {f'DECIMAL{one.digits}' if one.digits else 'STRING'}"
            f"{'' if one.nullable else ' NOT NULL'}"
            for name, one in limits.items()
        )
        schema = f"`{self.access.catalog}`.`{self.access.schema_of(home)}`"
        table = f"{entity.name}_{COMPANY}" if self.per_company else entity.name
        workspace = self.access.workspace()
        workspace.run(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        workspace.run(
            f"CREATE TABLE {schema}.{table} (record_id STRING, {columns})"
            " TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
        )


class TestSharedTablesFromFiles(Databricks):
    """The staged way in, for batches of any size."""


class TestTablesPerCompanyFromParameters(Databricks):
    """The inline way in, wherever the rows are not too long for it."""

    per_company = True
    inline_rows = 10_000

    test_a_large_batch_and_its_change = None  # type: ignore[assignment]  # goes by file in any case


@pytest.mark.parametrize("by_token", [True, False])
def test_the_suite_runs_where_the_environment_points(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    databricks: DatabricksSandbox,
    by_token: bool,
) -> None:
    """Against the sandbox over its address alone, as it would against a real workspace; nothing is left there."""
    options = databricks.options
    login = {TOKEN: options.token}
    if not by_token:
        login = {CLIENT_ID: options.client_id, CLIENT_SECRET: options.client_secret}
    place = {HOST: databricks.url, WAREHOUSE: options.warehouse_id, CATALOG: "main"}
    for name in (TOKEN, CLIENT_ID, CLIENT_SECRET):
        monkeypatch.delenv(name, raising=False)
    for name, value in (place | login).items():
        monkeypatch.setenv(name, value)
    with access_to_workspace(lambda: databricks) as access:
        assert access.sandbox is None
        schema = access.schema_of(tmp_path)
        clock = Clock()
        pair = Pair(tmp_path, clock, access.destination(schema, inline_rows=0, now=clock))
        pair.send(SUPPLIERS, row(SUPPLIERS, "1"), row(SUPPLIERS, "2"))
        pair.assert_equal(SUPPLIERS)
        assert ("main", schema) in databricks.catalog.schemas
    assert ("main", schema) not in databricks.catalog.schemas
    assert not [name for name in databricks.catalog.relations if name[1] == schema]
