"""LN keeps the contract of product lines, by OData: what its services have, and nothing of finance."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract
from ml_connector_dagster_tests.spec.lake_catalogs import without_lake


_SETS = {
    "suppliers": ("tcapi.comBusinessPartner", "BuyfromBusinessPartners"),
    "purchase_orders": ("tdapi.purPurchaseOrder", "Orders"),
}


class TestLn(ProductLineContract):
    product_line = "ln"
    catalog = without_lake("ln")
    served: ClassVar[frozenset[str]] = frozenset(
        {"suppliers", "customers", "items", "purchase_orders", "purchase_order_lines"}
    )

    def pages_of(self, entity: str) -> tuple[str, str]:
        return _SETS[entity]

    def delivered(self, entity: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Item codes begin with nine blanks, which are part of the code."""
        item = row.get("item_id")
        return row if item is None else {**row, "item_id": f"         {item}"}

    def forbid_customers(self, sandbox: Sandbox) -> str:
        sandbox.switches.unauthorized_programs |= {"SoldtoBusinessPartners"}
        return "not authorized for tcapi.comBusinessPartner/SoldtoBusinessPartners"
