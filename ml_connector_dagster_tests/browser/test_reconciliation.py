"""What a controller sees: the comparison with the ERP on its asset's page, red with the record's key, and the report."""

from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Page, expect

from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster_tests.browser.conftest import Site


pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

ASSET = "/assets/acme/warehouse/reconciliation_purchasing"


def test_a_number_that_somebody_changed_is_red_on_the_page_with_its_key(
    site: Site, page: Page
) -> None:
    with site.open() as workspace:
        flow = workspace.project.flows["purchasing"]
        results = run_flow(workspace, flow, run_id="before")
        assert [one.error for one in results if one.error] == []
    with duckdb.connect(str(site.settings.home / "warehouse.duckdb")) as connection:
        (key,) = connection.execute("SELECT max(record_id) FROM erp.purchase_orders").fetchall()[0]
        connection.execute(
            "UPDATE erp.purchase_orders SET net_amount = net_amount + 1000 WHERE record_id = ?",
            [key],
        )
    page.goto("/locations/ml_connector_dagster/jobs/reconcile_purchasing/playground")
    page.get_by_role("button", name="Launch run").click()
    site.wait_for(
        "the end of the comparison",
        lambda: next(
            (
                run
                for run in site.runs(ml_connector__reconcile="purchasing")
                if run["status"] == "SUCCESS"
            ),
            None,
        ),
    )
    page.goto(f"{ASSET}?view=events")
    expect(page.get_by_text("1 of 4 tables differ from the ERP").first).to_be_visible()
    page.screenshot(path=site.pictures / "reconciliation.png", full_page=True)
    page.goto(f"{ASSET}?view=checks&checkDetail=purchase_orders_agree")
    expect(page.get_by_text(key).first).to_be_visible()
    page.screenshot(path=site.pictures / "reconciliation-check.png")
    page.goto(ASSET)
    expect(page.get_by_text("Does warehouse.erp hold what the ERP has?").first).to_be_visible()
    page.screenshot(path=site.pictures / "reconciliation-overview.png")
    (report,) = Path(site.settings.home / "reports").iterdir()
    page.goto(report.as_uri())
    expect(page.get_by_text(key).first).to_be_visible()
    page.screenshot(path=site.pictures / "reconciliation-report.png")
