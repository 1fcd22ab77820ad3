"""``marts:`` of a flow: all, none, or a list, as far as its entities allow."""

from pathlib import Path

import pytest

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.model.errors import ConfigError


FLOW = """
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm}}
  warehouse: {{type: duckdb, path: w.duckdb}}
flows:
  one:
    source: acme
    companies: ["100"]
    entities: {entities}
    destinations: [{{connection: warehouse}}]
    start_date: 2026-01-01
    {marts}
"""


def load(tmp_path: Path, marts: str, entities: str = "all") -> Flow:
    file = tmp_path / "f.yaml"
    file.write_text(FLOW.format(entities=entities, marts=marts))
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    return load_project(file, settings).flows["one"]


@pytest.mark.parametrize(
    ("marts", "kept"),
    [
        ("", list(MARTS)),
        ("marts: all", list(MARTS)),
        ("marts: none", []),
        ("marts: []", []),
        ("marts: [vendor_performance, payables_aging]", ["vendor_performance", "payables_aging"]),
    ],
)
def test_a_flow_keeps_the_marts_it_says(tmp_path: Path, marts: str, kept: list[str]) -> None:
    assert [mart.name for mart in load(tmp_path, marts).own_marts] == kept


def test_of_all_marts_a_flow_has_those_whose_entities_it_reads(tmp_path: Path) -> None:
    flow = load(tmp_path, "", entities="[suppliers, supplier_invoices, payments]")
    assert [mart.name for mart in flow.own_marts] == ["payables_aging"]
    assert flow.marts_left_out["gl_account_balances"] == (
        "gl_balances",
        "gl_accounts",
        "gl_dimensions",
    )


@pytest.mark.parametrize(
    ("marts", "problem"),
    [
        ("marts: [payable_aging]", "unknown mart 'payable_aging'; did you mean 'payables_aging'?"),
        (
            "marts: [payables_aging]",
            "mart 'payables_aging' needs supplier_invoices, payments; add to entities, or leave the mart out",
        ),
        ("marts: [purchase_commitments, purchase_commitments]", "is listed twice"),
    ],
)
def test_a_mart_that_cannot_be_is_a_mistake_when_it_is_named(
    tmp_path: Path, marts: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, marts, entities="[suppliers, purchase_orders, purchase_order_lines]")
    assert problem in str(caught.value)
    assert "f.yaml:12: flows.one.marts" in str(caught.value)
