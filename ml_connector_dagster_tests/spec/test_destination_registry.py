"""A connection's type decides which destination is opened; what cannot be opened says why."""

import sys
from pathlib import Path

import pytest

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import FlowDestination
from ml_connector_dagster.config.warehouses import DatabricksConnection, DuckDBConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.registry import open_destination
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, CredentialError, MissingDriverError
from ml_connector_dagster.model.secrets import Secret


WAREHOUSE = DuckDBConnection(name="warehouse", path=Path("data/warehouse.duckdb"))
LAKE = DatabricksConnection(
    name="lake",
    host="https://dbc-a1b2345c-d6e7.cloud.databricks.com",
    warehouse_id="0123456789abcdef",
    catalog="main",
    credential="lake",
)
SUPPLIERS = ENTITIES["suppliers"]


@pytest.mark.parametrize(
    ("tables", "table"), [("shared", "raw.suppliers"), ("per_company", "raw.suppliers_100")]
)
def test_a_duckdb_connection_opens_its_file_inside_the_home(
    tmp_path: Path, tables: str, table: str
) -> None:
    target = FlowDestination.model_validate(
        {"connection": "warehouse", "schema": "raw", "tables": tables}
    )
    with open_destination(WAREHOUSE, target, tmp_path) as destination:
        assert destination.name == "warehouse.raw"
        assert destination.table_name(SUPPLIERS, "100") == table
        destination.prepare(SUPPLIERS)
    assert (tmp_path / "data" / "warehouse.duckdb").exists()


def test_a_source_is_no_destination(tmp_path: Path) -> None:
    tenant = CloudSuiteConnection(
        name="acme", product_line="m3", credential="acme", timezone="Europe/Stockholm"
    )
    with (
        pytest.raises(
            ConfigError, match=r"'acme' is of type 'cloudsuite'.*one of: databricks, duckdb"
        ),
        open_destination(tenant, FlowDestination(connection="acme"), tmp_path),
    ):
        pass


def test_a_missing_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith("ml_connector_dagster.destinations.duckdb"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with (
        pytest.raises(MissingDriverError, match=r"'duckdb' is not installed"),
        open_destination(WAREHOUSE, FlowDestination(connection="warehouse"), tmp_path),
    ):
        pass


def test_a_databricks_connection_needs_its_credential(tmp_path: Path) -> None:
    pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
    target = FlowDestination.model_validate(
        {"connection": "lake", "schema": "raw", "tables": "per_company"}
    )
    credential = Credential(name="lake", kind="databricks", values={"token": Secret("dapi-x")})
    with open_destination(LAKE, target, tmp_path, lambda name: credential) as destination:
        assert destination.name == "lake.raw"
        assert destination.table_name(SUPPLIERS, "100") == "main.raw.suppliers_100"
    with (
        pytest.raises(CredentialError, match=r"credential 'lake' is needed"),
        open_destination(LAKE, target, tmp_path),
    ):
        pass
