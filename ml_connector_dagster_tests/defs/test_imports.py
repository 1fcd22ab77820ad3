"""Loading the code location waits for no vendor's package: they take seconds, and every run loads definitions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent


FLOWS = dedent("""
    connections:
      acme: {type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm}
      lake:
        type: databricks
        host: https://dbc.example
        warehouse_id: 0123456789abcdef
        catalog: main
        credential: lake
      snow:
        type: snowflake
        account: acme-prod
        user: LOADER
        role: LOADER
        warehouse: LOADING
        database: ERP
        credential: snow
      duck: {type: duckdb, path: warehouse.duckdb}
    flows:
      purchasing:
        source: acme
        companies: ["100"]
        entities: all
        start_date: 2026-01-01
        destinations: [{connection: lake}, {connection: snow}, {connection: duck}]
""")

LOAD = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ml_connector_dagster.definitions as location
assets = {spec.key.to_user_string() for spec in location.defs.resolve_all_asset_specs()}
print(json.dumps({"assets": sorted(assets), "modules": sorted(sys.modules)}))
"""

#: What the destinations, the marts and the sandbox need, and nobody else.
SLOW = (
    "dagster_databricks", "databricks.sdk", "pyspark", "pysail", "deltalake", "adbc_driver_flightsql",
    "dagster_snowflake", "snowflake.connector", "snowflake.core", "snowflake.snowpark",
    "duckdb", "sqlglot", "pandas", "starlette", "uvicorn",
)  # fmt: skip


def test_definitions_with_every_destination_import_no_package_of_them(tmp_path: Path) -> None:
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS)
    places = {"ML_CONNECTOR_HOME": str(tmp_path / "home"), "ML_CONNECTOR_FLOWS": str(flows)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | places,
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    for warehouse in ("lake", "snow", "duck"):
        assert f"acme/{warehouse}/suppliers" in loaded["assets"]
    slow = [name for name in loaded["modules"] if name in SLOW]
    assert slow == []
