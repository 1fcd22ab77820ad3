"""SyteLine keeps the contract of product lines, by ``load`` of its IDOs."""

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract
from ml_connector_dagster_tests.spec.lake_catalogs import without_lake


class TestSyteLine(ProductLineContract):
    product_line = "syteline"
    catalog = without_lake("syteline")
    read_whole = frozenset({"gl_balances"})

    def pages_of(self, entity: str) -> tuple[str, str]:
        return {"suppliers": "SLVendors", "supplier_invoices": "SLAptrxps"}[entity], "load"

    def forbid_customers(self, sandbox: Sandbox) -> str:
        sandbox.switches.unauthorized_programs |= {"SLCustomers"}
        return "Read privilege for SLCustomers"
