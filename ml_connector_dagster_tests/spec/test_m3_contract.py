"""M3 keeps the contract of product lines: by the routes a plain tenant has, by EXPORTMI alone, and by lists alone."""

from typing import ClassVar

from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract
from ml_connector_dagster_tests.spec.lake_catalogs import without_lake


class _M3Contract(ProductLineContract):
    product_line = "m3"
    unknown_field = "ZZZZ A10"
    catalog: ClassVar[str] = without_lake("m3")

    def forbid_customers(self, sandbox: Sandbox) -> str:
        sandbox.switches.unauthorized_programs |= {"CRS610MI", "EXPORTMI"}
        return "authority to program"


class TestM3(_M3Contract):
    """The order of the catalog, on a tenant that has standard programs only."""

    read_whole = frozenset({"gl_accounts", "gl_dimensions", "gl_balances"})

    def pages_of(self, entity: str) -> tuple[str, str]:
        if entity == "suppliers":
            return "CRS620MI", "LstSuppliers"
        return "EXPORTMI", "Select"


class TestM3ByExport(_M3Contract):
    """EXPORTMI first."""

    catalog: ClassVar[str] = without_lake(
        "m3", order={entity: ["export"] for entity in ENTITIES if entity != "gl_balances"}
    )
    read_whole = frozenset({"gl_balances"})

    def pages_of(self, entity: str) -> tuple[str, str]:
        return "EXPORTMI", "Select"


class TestM3ByList(_M3Contract):
    """The list transactions of the product's brief, on a tenant that has added them."""

    catalog: ClassVar[str] = without_lake("m3", order={"supplier_invoice_lines": ["list"]})
    read_whole = frozenset(
        {"supplier_invoice_lines", "gl_accounts", "gl_dimensions", "gl_balances"}
    )

    swept_whole = frozenset({"supplier_invoice_lines"})  # heads must bring what their lines ask for

    def prepare(self, sandbox: Sandbox) -> None:
        sandbox.switches.brief_programs = True

    def pages_of(self, entity: str) -> tuple[str, str]:
        if entity == "suppliers":
            return "CRS620MI", "LstSuppliers"
        return "APS100MI", "LstInvoices"
