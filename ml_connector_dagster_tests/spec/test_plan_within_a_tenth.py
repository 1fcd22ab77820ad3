"""A plan is within a tenth of the requests that the read then takes: every entity, every line, whole and by window.

In the sandbox, where nothing fails and nobody else writes, it is exact, and that is what is asked for: a tenth would hide
a request that is sent twice. Counted at the gateway: all requests of the read, by a process that has read nothing yet (what was learned about routes
is remembered between processes). Pages of 10 rows make the little ERP a long one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster_tests.contracts.tenants import LineTenant
from ml_connector_dagster_tests.spec.lake_catalogs import without_lake


COMPANY = "100"
SMALL_PAGE = 10
USUAL_PAGE = 10_000
WINDOWS = ("whole", "30 days", "3 days")

#: M3 by its lists, those that a tenant has added included, and by EXPORTMI wherever it can. Some names in the ERP hold the
#: usual separators, and such a page is asked for again: nobody can know that before.
CATALOGS: Mapping[str, str] = {
    "lists": without_lake("m3", order={"supplier_invoice_lines": ["list"]}),
    "exports": 'separators: ["^"]\n'
    + without_lake(
        "m3", order={entity: ["export"] for entity in ENTITIES if entity != "gl_balances"}
    ),
}


@pytest.fixture(scope="module")
def erp() -> Iterator[Sandbox]:
    """One ERP for all: nothing here changes it."""
    options = SandboxOptions(size=ErpSize.tiny(), requests_per_minute=100_000)
    with Sandbox.start(options) as running:
        yield running


@pytest.fixture(scope="module")
def tenants(erp: Sandbox) -> Iterator[dict[str, LineTenant]]:
    """One tenant for each product line; what it learns is kept, as a ledger does."""
    lines = ("m3", "syteline", "ln", "financials", "distribution")
    opened = {line: LineTenant(erp, line) for line in lines}
    yield opened
    for tenant in opened.values():
        tenant.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Requests that were said, and those that the gateway sent."""

    said: int
    used: int
    rows_said: int | None
    rows_read: int
    counting: int

    def assert_exact(self) -> None:
        assert self.said == self.used, self


def compared(
    tenant: LineTenant, entity: str, window: Window, page_rows: int, catalog: Path | None = None
) -> Compared:
    """Plan and read, each by a process of its own."""
    sent = tenant.gateway
    tenant.line(page_rows=page_rows, catalog=catalog).slices(entity, COMPANY, window)  # learns
    before = sent.requests_made
    planning = tenant.line(page_rows=page_rows, catalog=catalog)
    setup = planning.slices(entity, COMPANY, window)[0].setup
    reckoning = planning.reckon(entity, COMPANY, window)
    counted = sent.requests_made
    reading = tenant.read(
        tenant.line(page_rows=page_rows, catalog=catalog), entity, COMPANY, window
    )
    return Compared(
        said=reckoning.requests + setup,
        used=sent.requests_made - counted,
        rows_said=reckoning.rows,
        rows_read=sum(page.records.num_rows for page in reading.pages),
        counting=counted - before,
    )


def window_of(tenant: LineTenant, name: str) -> Window:
    return {
        "whole": tenant.everything(),
        "30 days": tenant.days(-30),
        "3 days": tenant.days(-3),
    }[name]


@pytest.mark.parametrize("page_rows", [USUAL_PAGE, SMALL_PAGE])
@pytest.mark.parametrize("span", WINDOWS)
@pytest.mark.parametrize("entity", ENTITIES)
def test_m3(tenants: dict[str, LineTenant], entity: str, span: str, page_rows: int) -> None:
    tenant = tenants["m3"]
    compared(tenant, entity, window_of(tenant, span), page_rows).assert_exact()


@pytest.mark.parametrize("span", ["whole", "30 days"])
@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("line", ["syteline", "ln", "financials", "distribution"])
def test_other_lines(tenants: dict[str, LineTenant], line: str, entity: str, span: str) -> None:
    tenant = tenants[line]
    found = compared(tenant, entity, window_of(tenant, span), SMALL_PAGE)
    found.assert_exact()
    assert found.rows_said == found.rows_read


@pytest.mark.parametrize("span", ["whole", "30 days"])
@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("by", CATALOGS)
def test_m3_by_other_routes(erp: Sandbox, tmp_path: Path, by: str, entity: str, span: str) -> None:
    erp.switches.brief_programs = by == "lists"
    catalog = tmp_path / "m3.yaml"
    catalog.write_text(CATALOGS[by])
    tenant = LineTenant(erp, "m3")
    try:
        window = window_of(tenant, span)
        compared(tenant, entity, window, SMALL_PAGE, catalog).assert_exact()
    finally:
        tenant.close()
        erp.switches.brief_programs = False
