"""M3 keeps the contract of product lines: by the routes a plain tenant has, by EXPORTMI alone, and by lists alone."""

from typing import ClassVar

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract


class _M3Contract(ProductLineContract):
    product_line = "m3"

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

    catalog: ClassVar[str] = "entities:\n" + "\n".join(
        f"  {entity}: {{order: [export]}}"
        for entity in (
            "suppliers",
            "customers",
            "items",
            "purchase_orders",
            "purchase_order_lines",
            "supplier_invoices",
            "supplier_invoice_lines",
            "payments",
            "gl_accounts",
            "gl_dimensions",
        )
    )
    read_whole = frozenset({"gl_balances"})

    def pages_of(self, entity: str) -> tuple[str, str]:
        return "EXPORTMI", "Select"


class TestM3ByList(_M3Contract):
    """The list transactions of the product's brief, on a tenant that has added them."""

    catalog: ClassVar[str] = "entities:\n  supplier_invoice_lines: {order: [list]}\n"
    read_whole = frozenset(
        {"supplier_invoice_lines", "gl_accounts", "gl_dimensions", "gl_balances"}
    )

    def prepare(self, sandbox: Sandbox) -> None:
        sandbox.switches.brief_programs = True

    def pages_of(self, entity: str) -> tuple[str, str]:
        if entity == "suppliers":
            return "CRS620MI", "LstSuppliers"
        return "APS100MI", "LstInvoices"
