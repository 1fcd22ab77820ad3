"""What a tenant has: programs, transactions and their fields (MRS001MI), tables (EXPORTMI), divisions (MNS100MI). Each is asked once.

Reference cloudsuite-api §2.10. Where MRS001MI itself is refused, nothing is known, and the caller tries things out.
"""

from ml_connector_dagster.cloudsuite.catalog.fields import ErpType
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.m3.api import ListCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import TableColumns, describe
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import ROUTE_REFUSALS
from ml_connector_dagster.cloudsuite.product_lines.tables import column
from ml_connector_dagster.model.errors import ContractError


class Repository:
    """Asks, and remembers what it ``learned``. Thread-safe: one question is asked by one thread."""

    def __init__(self, api: M3Api, learned: Learned) -> None:
        self._api = api
        self._learned = learned

    def transactions(self, program: str, company: str) -> frozenset[str] | None:
        """The transactions of ``program``; empty when there is no such program; None when MRS001MI will not tell."""
        return self._names(
            f"transactions/{program}", "LstTransactions", {"MINM": program}, "TRNM", company
        )

    def fields(
        self, program: str, transaction: str, direction: str, company: str
    ) -> frozenset[str] | None:
        """Input ("I") or output ("O") fields; None when MRS001MI will not tell."""
        given = {"MINM": program, "TRNM": transaction, "TRTP": direction}
        question = f"fields/{program}/{transaction}/{direction}"
        return self._names(question, "LstFields", given, "FLNM", company) or None

    def columns(self, table: str, prefix: str, company: str) -> TableColumns:
        """The columns of a table; nothing known when EXPORTMI will not tell."""
        found = self._learned.recall(
            f"table/{table}", lambda: self._describe(table, prefix, company)
        )
        return TableColumns(
            types={name: ErpType(kind) for name, (kind, _) in found.items()},
            widths={name: width for name, (_, width) in found.items()},
        )

    def divisions(self, company: str) -> tuple[str, ...]:
        """The divisions of ``company``, the blank one left out. Raises ConfigError for a company that does not exist.

        Asked in every run: a new division must not be missed.
        """
        return self._learned.once(f"divisions/{company}", lambda: self._ask_divisions(company))

    def _ask_divisions(self, company: str) -> tuple[str, ...]:
        call = ListCall(
            program="MNS100MI",
            transaction="LstDivisions",
            company=company,
            inputs={"CONO": company},
            maxrecs=0,
        )
        found = self._api.rows(call, Meter())
        if self._api.may_be_capped(found.num_rows, bulk=False):
            raise ContractError(
                f"{call}: exactly {found.num_rows} divisions came, a known cap of row counts; take it out of row_caps in the "
                "tenant's catalog if that is their true number"
            )
        names = [(name or "").strip() for name in column(found, "DIVI").to_pylist()]
        return tuple(dict.fromkeys(name for name in names if name))

    def _describe(self, table: str, prefix: str, company: str) -> dict[str, tuple[str, int]]:
        try:
            found = describe(self._api, company, table, prefix, Meter())
        except ROUTE_REFUSALS:
            return {}
        return {name: (kind.value, found.widths[name]) for name, kind in found.types.items()}

    def _names(
        self, question: str, transaction: str, inputs: dict[str, str], field: str, company: str
    ) -> frozenset[str] | None:
        found = self._learned.recall(
            f"mi/{question}",
            lambda: {"names": self._ask_names(transaction, inputs, field, company)},
        )
        names = found["names"]
        return None if names is None else frozenset(names)

    def _ask_names(
        self, transaction: str, inputs: dict[str, str], field: str, company: str
    ) -> list[str] | None:
        call = ListCall(
            program="MRS001MI",
            transaction=transaction,
            company=company,
            inputs=inputs,
            maxrecs=0,
        )
        try:
            found = self._api.rows(call, Meter())
        except ROUTE_REFUSALS:
            return None
        if self._api.may_be_capped(found.num_rows, bulk=False):
            return None  # there may be more: nothing is known for sure
        return sorted({(name or "").strip() for name in column(found, field).to_pylist()})
