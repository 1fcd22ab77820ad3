"""The configuration that leads to the outside systems."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from ml_connector_dagster_tests.chaos.outside import (
    APPLICATION_ENTITIES,
    APPLICATIONS,
    COMPANIES,
    ENTITIES,
    LOOKER,
    WAREHOUSES,
    Outside,
    port_of,
)


def write_flows(path: Path, there: Outside) -> None:
    """Flows from the ERP into every one of the systems, each minute."""
    systems, fronts, sandbox = there.systems, there.fronts, there.sandbox
    url = {name: front.url for name, front in fronts.items()}
    patience = {"request_timeout_seconds": 20, "retry_seconds": 15}
    connections: dict[str, Any] = {
        "acme": {
            "type": "cloudsuite", "product_line": "m3", "credential": "acme",
            "timezone": "Europe/Stockholm", "requests_per_minute": 3000, "request_timeout_seconds": 20,
        },
        "duckdb": {"type": "duckdb", "path": "warehouse.duckdb"},
        "snowflake": {
            "type": "snowflake", "account": "ACME", "user": "ETL", "role": "LOADER",
            "warehouse": "LOADING", "database": "ANALYTICS", "credential": "snowflake",
            "host": "127.0.0.1", "port": port_of(url.get("snowflake", ":0")), "protocol": "http",
            "login_timeout_seconds": 15, "network_timeout_seconds": 20, "inline_rows": 60,
        },
        "databricks": {
            "type": "databricks", "host": url.get("databricks"), "warehouse_id": "0123456789abcdef",
            "catalog": "main", "credential": "databricks", "inline_rows": 60, **patience,
        },
        "salesforce": {
            "type": "salesforce", "domain": "acme.my", "credential": "salesforce",
            "base_url": url.get("salesforce"), "bulk_threshold": 60, **patience,
        },
        "monday": {
            "type": "monday", "credential": "monday", "plan": "enterprise", "ingest_threshold": 30,
            "base_url": f"{url.get('monday')}/v2", **patience,
        },
        LOOKER: {
            "type": "looker", "base_url": url.get(LOOKER), "credential": LOOKER, "database": "warehouse",
            "edition": "embed", **patience,
        },
    }  # fmt: skip
    usual = {
        "source": "acme",
        "companies": list(COMPANIES),
        "start_date": sandbox.clock.today() - timedelta(days=5),
        "schedule": {"cron": "* * * * *", "enabled": True},
    }
    warehouses = [name for name in WAREHOUSES if name in systems]
    flows: dict[str, Any] = {
        "tables": usual
        | {
            "entities": list(ENTITIES),
            "destinations": [{"connection": name, "schema": "erp"} for name in warehouses],
            "marts": "none",
            "sweep": {"schedule": {"cron": "*/2 * * * *", "enabled": True}},
        }
    }
    if LOOKER in systems:
        flows["tables"]["looker"] = {"connection": LOOKER, "warehouse": "duckdb"}
    for name in APPLICATIONS:
        if name in systems:
            flows[name] = usual | {
                "entities": list(APPLICATION_ENTITIES),
                "destinations": [{"connection": name}],
            }
    document = {
        "connections": {
            name: one for name, one in connections.items() if name == "acme" or name in systems
        },
        "flows": flows,
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False))
