"""The lake route keeps the contract of product lines, for two of them: M3 by CSV, LN by JSON."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import ProductLineContract
from ml_connector_dagster_tests.spec.lake_catalogs import lake_first


class _LakeContract(ProductLineContract):
    read_whole = frozenset({"gl_balances"})
    tables: ClassVar[Mapping[str, str]]

    def prepare(self, sandbox: Sandbox) -> None:
        sandbox.switches.lake_polls = 1

    def pages_of(self, entity: str) -> tuple[str, str]:
        return self.tables[entity], "result"

    def forbid_customers(self, sandbox: Sandbox) -> str:
        sandbox.switches.unauthorized_programs.add(self.tables["customers"])
        return f"not authorized to query {self.tables['customers']}"


class TestM3ByLake(_LakeContract):
    product_line = "m3"
    unknown_field = "ZZZZ A10"
    catalog = lake_first("m3")
    tables: ClassVar[Mapping[str, str]] = {
        "suppliers": "CIDMAS",
        "customers": "OCUSMA",
        "supplier_invoices": "FPLEDG",
    }


class TestLnByLake(_LakeContract):
    product_line = "ln"
    catalog = lake_first("ln") + "lake: {format: json}\n"
    tables: ClassVar[Mapping[str, str]] = {
        "suppliers": "tccom120",
        "customers": "tccom110",
        "supplier_invoices": "tfacp200",
    }

    def prepare(self, sandbox: Sandbox) -> None:
        super().prepare(sandbox)
        sandbox.switches.lake_says_failed = True

    def delivered(self, entity: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Item codes begin with nine blanks, which are part of the code."""
        item = row.get("item_id")
        return row if item is None else {**row, "item_id": f"         {item}"}
