"""The ``looker:`` block of a flow against its destinations and connections."""

from pathlib import Path

import pytest

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError


FILE = """
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: A, timezone: UTC}}
  warehouse: {{type: duckdb, path: w.duckdb}}
  looker: {{type: looker, base_url: "https://acme.cloud.looker.com", credential: L, database: warehouse}}
flows:
  finance:
    source: acme
    companies: ["100"]
    entities: [suppliers]
    start_date: 2026-01-01
    destinations: {destinations}
    looker: {looker}
"""
WAREHOUSE = "[{connection: warehouse}]"


def load(tmp_path: Path, looker: str, destinations: str = WAREHOUSE) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(FILE.format(looker=looker, destinations=destinations))
    load_project(file, read_settings({"ML_CONNECTOR_HOME": str(tmp_path)}))


@pytest.mark.parametrize(
    ("looker", "destinations"),
    [
        ("{connection: looker, warehouse: warehouse}", WAREHOUSE),
        ('{connection: looker, warehouse: warehouse.erp, plans: ["1"], verify: off}', WAREHOUSE),
        (
            "{connection: looker, warehouse: looker, write_mode: sql_runner}",
            "[{connection: looker}]",
        ),
    ],
)
def test_what_fits_loads(tmp_path: Path, looker: str, destinations: str) -> None:
    load(tmp_path, looker, destinations)


@pytest.mark.parametrize(
    ("looker", "destinations", "said"),
    [
        ("{connection: warehouse, warehouse: warehouse}", WAREHOUSE, "is not a looker connection"),
        ("{connection: looker, warehouse: lake}", WAREHOUSE, "is not a destination of the flow"),
        (
            "{connection: looker, warehouse: warehouse}",
            "[{connection: warehouse, schema: a}, {connection: warehouse, schema: b}]",
            "is several destinations",
        ),
        (
            "{connection: looker, warehouse: looker}",
            "[{connection: looker}]",
            "need write_mode: sql_runner",
        ),
        (
            "{connection: looker, warehouse: warehouse, write_mode: sql_runner}",
            WAREHOUSE,
            "so that must be a destination",
        ),
        ('{connection: looker, warehouse: warehouse, plans: ["1", "1"]}', WAREHOUSE, "twice"),
        ("{connection: looker, warehouse: warehouse, plans: [1]}", WAREHOUSE, "must be quoted"),
        ("{connection: looker, warehouse: warehouse, model: E;}", WAREHOUSE, "a name in LookML"),
        (
            "null",
            "[{connection: looker, tables: per_company}]",
            "which has shared tables only",
        ),
    ],
)
def test_what_does_not_fit_is_told(
    tmp_path: Path, looker: str, destinations: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load(tmp_path, looker, destinations)
