"""``ml-connector ping``: which route each entity takes, and why not the others, in every product line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.cli.demo_flows import flows_for
from ml_connector_dagster.cli.sandbox import TENANT, store_ionapi
from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.ping import Finding, ping_connection
from ml_connector_dagster.sync.workspace import Workspace


_FLOWS = Path(__file__).parents[2] / "flows" / "sandbox.yaml"


def _ping(sandbox: Sandbox, home: Path, line: str) -> Iterator[Finding]:
    settings = read_settings({"ML_CONNECTOR_HOME": str(home), "ML_CONNECTOR_FLOWS": str(_FLOWS)})
    settings = flows_for(settings, line)
    store_ionapi(settings, "acme", sandbox.ionapi_text(TENANT))
    with Workspace.open(settings) as workspace:
        yield from ping_connection(workspace, "acme")


@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_every_entity_of_a_flow_has_a_route(sandbox: Sandbox, tmp_path: Path, line: str) -> None:
    findings = list(_ping(sandbox, tmp_path, line))
    entities = [one for one in findings if one.check.startswith(("100 ", "200 "))]
    assert len(entities) >= 2
    assert [one.check for one in findings if not one.ok] == []
    assert all(one.detail.startswith("by ") for one in entities)


def test_a_route_that_was_not_taken_says_why(sandbox: Sandbox, tmp_path: Path) -> None:
    details = {one.check: one.detail for one in _ping(sandbox, tmp_path, "m3")}
    assert details["100 suppliers"] == (
        "by list CRS620MI/LstSuppliers (not export CIDMAS: not needed; "
        "compass CIDMAS for first loads of 50,000 rows and more)"
    )
    assert "not list PPS100MI/LstHead: " in details["100 purchase_orders"]


def test_an_entity_that_may_not_be_read_says_why(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.switches.unauthorized_programs.add("Customer")
    findings = {one.check: one for one in _ping(sandbox, tmp_path, "financials")}
    assert not findings["100 customers"].ok
    assert "not authorized" in findings["100 customers"].detail
    assert findings["100 suppliers"].ok


def test_what_only_the_lake_has_comes_by_it(sandbox: Sandbox, tmp_path: Path) -> None:
    details = {one.check: one.detail for one in _ping(sandbox, tmp_path, "ln")}
    assert details["100 gl_accounts"] == "by compass tfgld008"


def test_a_tenant_without_data_fabric_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.switches.absent_programs.add("DATAFABRIC")
    findings = {one.check: one for one in _ping(sandbox, tmp_path, "distribution")}
    assert findings["100 suppliers"].ok
    assert "not compass apsv: " in findings["100 suppliers"].detail
    assert (
        "Is Data Fabric published in this tenant's API Gateway?" in findings["100 suppliers"].detail
    )
    assert not findings["100 gl_dimensions"].ok
