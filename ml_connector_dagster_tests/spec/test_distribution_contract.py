"""Distribution keeps the contract of product lines, by FetchWhere."""

from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract
from ml_connector_dagster_tests.spec.lake_catalogs import without_lake


_TABLES = {"suppliers": "apsv", "supplier_invoices": "apet"}


class TestDistribution(ProductLineContract):
    """Without the lake: invoice lines and account parts have no table."""

    product_line = "distribution"
    catalog = without_lake("distribution")
    read_whole = frozenset({"gl_balances"})
    swept_whole = frozenset(ENTITIES)  # FetchWhere knows no list of fields
    served = frozenset(ENTITIES) - {"supplier_invoice_lines", "gl_dimensions"}

    def forbid_customers(self, sandbox: Sandbox) -> str:
        sandbox.switches.unauthorized_programs.add("arsc")
        return "not authorized to read arsc"

    def pages_of(self, entity: str) -> tuple[str, str]:
        return _TABLES[entity], "FetchWhere"
