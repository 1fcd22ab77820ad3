"""Financials keeps the contract of product lines, by Landmark's generic lists."""

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract
from ml_connector_dagster_tests.spec.lake_catalogs import without_lake


_CLASSES = {"suppliers": "Vendor", "supplier_invoices": "PayablesInvoice"}


class TestFinancials(ProductLineContract):
    """The catalog as it is."""

    product_line = "financials"
    catalog = without_lake("financials")
    read_whole = frozenset({"gl_balances"})

    def forbid_customers(self, sandbox: Sandbox) -> str:
        sandbox.switches.unauthorized_programs.add("Customer")
        return "not authorized to perform list _generic on business class Customer"

    def pages_of(self, entity: str) -> tuple[str, str]:
        return _CLASSES[entity], "_generic"
