"""What a person does in the Dagster UI, with a mouse: launch, backfill, turn a schedule on, read a red run, replay."""

from typing import Any

import duckdb
import pytest
from playwright.sync_api import Page, expect

from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.browser.conftest import WRONG_SECRET, Site


pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]


def launch(page: Page, asset: str, *, company: str | None, days: str | None) -> None:
    """Use the "Materialize…" dialog of an asset's page; None presses "All"."""
    page.goto(f"/assets/{asset}?view=partitions")
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.locator(".bp5-dialog")
    expect(dialog).to_contain_text("Partition selection")
    if company is None:
        dialog.get_by_role("button", name="All").first.click()
    else:
        dialog.get_by_text("Select a partition").first.click()
        page.locator("li[class*=menuItem]").filter(has_text=company).first.click()
        dialog.get_by_text("Partition selection").click()  # closes the menu ...
        dialog.get_by_text("Partition selection").click()  # ... and opens the section again
    if days is None:
        dialog.get_by_role("button", name="All").last.click()
    else:
        field = dialog.get_by_placeholder("ex: ")
        field.fill(days)
        field.press("Enter")
    button = dialog.get_by_role("button", name="Launch")
    expect(button).to_be_enabled()
    button.click()


def ended(site: Site, count: int, **tags: str) -> list[dict[str, Any]]:
    """Wait until ``count`` runs with ``tags`` have ended; answers them."""

    def look() -> list[dict[str, Any]] | None:
        runs = site.runs(**tags)
        done = [run for run in runs if run["status"] in ("SUCCESS", "FAILURE", "CANCELED")]
        return done if len(done) >= count and len(done) == len(runs) else None

    return site.wait_for(f"{count} ended runs with {tags}", look, seconds=300)


def test_the_lineage_runs_from_the_erp_to_the_table(site: Site, page: Page) -> None:
    page.goto("/assets/acme/warehouse/suppliers?view=lineage")
    for name in ("acme/suppliers", "acme/warehouse/suppliers"):
        expect(page.locator(f"a[href^='/assets/{name}']:visible").first).to_be_visible()
    page.screenshot(path=site.pictures / "lineage.png")


def test_one_partition_is_materialised_from_its_assets_page(site: Site, page: Page) -> None:
    today = site.sandbox.clock.today().isoformat()
    launch(page, "acme/suppliers", company="100", days=today)
    (run,) = ended(site, 1)
    assert run["status"] == "SUCCESS"
    assert site.materialized("acme", "suppliers") == 1
    page.goto("/assets/acme/suppliers?view=events")
    expect(page.get_by_text(f"100|{today}").first).to_be_visible()
    page.screenshot(path=site.pictures / "one-partition.png")


def test_a_backfill_of_a_year_for_two_companies_is_one_run_per_company(
    site: Site, page: Page
) -> None:
    launch(page, "acme/suppliers", company=None, days=None)
    before = {run["runId"] for run in site.runs()}
    site.wait_for(
        "the backfill's runs",
        lambda: [run for run in site.runs() if "dagster/backfill" in run["tags"]] or None,
    )

    def finished() -> bool | None:
        return True if site.materialized("acme", "suppliers") == 730 else None

    site.wait_for("730 materialised partitions", finished, seconds=300)
    runs = [run for run in site.runs() if "dagster/backfill" in run["tags"]]
    ranges = sorted(
        run["tags"]["dagster/asset_partition_range_start"].split("|")[0] for run in runs
    )
    assert ranges == ["100", "200"]
    assert before.isdisjoint(run["runId"] for run in runs) or len(runs) == 2
    page.goto("/assets/acme/suppliers?view=partitions")
    expect(page.get_by_text("Materialized (730)")).to_be_visible()
    page.screenshot(path=site.pictures / "backfill.png")


def test_a_schedule_that_is_turned_on_launches_a_run_per_company(site: Site, page: Page) -> None:
    page.goto("/automation")
    row = page.locator("[class*=VirtualizedTable_row]").filter(has_text="purchasing_schedule")
    switch = row.locator("label[class*=formatSwitch]")
    expect(switch.locator("input")).to_be_enabled()
    switch.click()
    runs = ended(site, 2, ml_connector__flow="purchasing")
    page.goto("/automation")
    page.get_by_text("purchasing_schedule").first.wait_for()
    page.screenshot(path=site.pictures / "schedule.png")
    switch.click()
    assert {run["tags"]["ml_connector/company"] for run in runs} == {"100", "200"}
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert site.rows("suppliers") == len(site.sandbox.erp.truth("suppliers"))
    assert site.rows("purchase_orders") == len(site.sandbox.erp.truth("purchase_orders"))


def test_a_refused_credential_is_a_red_run_that_says_what_to_do_and_shows_no_secret(
    site: Site, page: Page
) -> None:
    today = site.sandbox.clock.today().isoformat()
    launch(page, "broken/suppliers", company="100", days=today)
    run = site.wait_for(
        "the failed run",
        lambda: next((run for run in site.runs() if run["status"] == "FAILURE"), None),
    )
    page.goto(f"/runs/{run['runId']}")
    expect(page.get_by_text("saak").first).to_be_visible()
    page.screenshot(path=site.pictures / "red-run.png")
    assert WRONG_SECRET not in page.content()
    log = site.api.query(
        """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection {
        events { ... on MessageEvent { message }
                 ... on ExecutionStepFailureEvent { error { message stack causes: errorChain { error { message stack } } } } } } } }""",
        {"id": run["runId"]},
    )
    assert ".ionapi" in str(log)
    assert WRONG_SECRET not in str(log)


def test_a_dead_letter_is_replayed_from_the_jobs_page_once_the_table_takes_it(
    site: Site, page: Page
) -> None:
    with site.open() as workspace:
        flow = workspace.project.flows["purchasing"]
        run_flow(workspace, flow, run_id="before", companies=["100"], entities=["suppliers"])
        supplier = site.sandbox.erp.truth("suppliers", "100")[0]["supplier_id"]
        record = f"acme/100/{supplier}"
        table_rule(site, "SET NOT NULL")
        site.sandbox.erp.set_field("CIDMAS", {"CONO": 100, "SUNO": supplier}, "SUNM", "")
        run_flow(workspace, flow, run_id="refused", companies=["100"], entities=["suppliers"])
        (letter,) = workspace.ledger.dead_letters(record_id=record)
        assert "NOT NULL" in letter.reason

        table_rule(site, "DROP NOT NULL")
        page.goto("/locations/ml_connector_dagster/jobs/replay/playground")
        page.get_by_role("button", name="Launch run").click()

        site.wait_for(
            "an end of the dead letter",
            lambda: None if workspace.ledger.dead_letters(record_id=record) else True,
        )
        page.wait_for_url("**/runs/**")
        page.screenshot(path=site.pictures / "replay.png")
        page.goto("/assets/operations/open_letters")
        expect(page.get_by_text("Nothing is open").first).to_be_visible()
        page.screenshot(path=site.pictures / "open-letters.png")
        (story,) = trace(workspace, record, entity="suppliers")
    told = [(event.what, event.outcome) for event in story.events]
    assert ("delivered", "rejected") in told
    assert told[-1] == ("resolved", "accepted") or told[-2] == ("resolved", "accepted")


def table_rule(site: Site, rule: str) -> None:
    """What the owner of the warehouse does to its suppliers' names."""
    with duckdb.connect(str(site.settings.home / "warehouse.duckdb")) as connection:
        connection.execute(f"ALTER TABLE erp.suppliers ALTER COLUMN name {rule}")
