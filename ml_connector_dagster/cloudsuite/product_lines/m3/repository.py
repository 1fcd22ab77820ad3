"""What a tenant has: programs, transactions and their fields (MRS001MI), tables (EXPORTMI), divisions (MNS100MI). Each is asked once.

Reference cloudsuite-api §2.10. Where MRS001MI itself is refused, nothing is known, and the caller tries things out.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

from ml_connector_dagster.cloudsuite.product_lines.m3.answers import (
    AuthorityError,
    RefusedError,
    UnknownTransactionError,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.api import ListCall, M3Api, Meter
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import TableColumns, describe
from ml_connector_dagster.cloudsuite.product_lines.m3.tables import column
from ml_connector_dagster.model.errors import ContractError


T = TypeVar("T")

_REFUSALS = (AuthorityError, RefusedError, UnknownTransactionError)


class Repository:
    """Asks and remembers. Thread-safe: one question is asked by one thread."""

    def __init__(self, api: M3Api, meter: Meter) -> None:
        self._api = api
        self._meter = meter
        self._lock = threading.RLock()
        self._answers: dict[tuple[str, ...], object] = {}

    def transactions(self, program: str, company: str) -> frozenset[str] | None:
        """The transactions of ``program``; empty when there is no such program; None when MRS001MI will not tell."""
        return self._remembered(
            ("transactions", program),
            lambda: self._names("LstTransactions", {"MINM": program}, "TRNM", company),
        )

    def fields(
        self, program: str, transaction: str, direction: str, company: str
    ) -> frozenset[str] | None:
        """Input ("I") or output ("O") fields; None when MRS001MI will not tell."""
        given = {"MINM": program, "TRNM": transaction, "TRTP": direction}
        return self._remembered(
            ("fields", program, transaction, direction),
            lambda: self._names("LstFields", given, "FLNM", company) or None,
        )

    def columns(self, table: str, prefix: str, company: str) -> TableColumns:
        """The columns of a table; nothing known when EXPORTMI will not tell."""

        def ask() -> TableColumns:
            try:
                return describe(self._api, company, table, prefix, self._meter)
            except _REFUSALS:
                return TableColumns(types={}, widths={})

        return self._remembered(("columns", table), ask)

    def divisions(self, company: str) -> tuple[str, ...]:
        """The divisions of ``company``, the blank one left out. Raises ConfigError for a company that does not exist."""
        return self._remembered(("divisions", company), lambda: self._divisions(company))

    def _divisions(self, company: str) -> tuple[str, ...]:
        call = ListCall(
            program="MNS100MI",
            transaction="LstDivisions",
            company=company,
            inputs={"CONO": company},
            maxrecs=0,
        )
        found = self._api.rows(call, self._meter)
        if self._api.may_be_capped(found.num_rows, bulk=False):
            raise ContractError(
                f"{call}: exactly {found.num_rows} divisions came, a known cap of row counts; take it out of row_caps in the "
                "tenant's catalog if that is their true number"
            )
        names = [(name or "").strip() for name in column(found, "DIVI").to_pylist()]
        return tuple(dict.fromkeys(name for name in names if name))

    def _names(
        self, transaction: str, inputs: dict[str, str], field: str, company: str
    ) -> frozenset[str] | None:
        call = ListCall(
            program="MRS001MI",
            transaction=transaction,
            company=company,
            inputs=inputs,
            maxrecs=0,
        )
        try:
            found = self._api.rows(call, self._meter)
        except _REFUSALS:
            return None
        return frozenset((name or "").strip() for name in column(found, field).to_pylist())

    def _remembered(self, question: tuple[str, ...], ask: Callable[[], T]) -> T:
        with self._lock:
            if question not in self._answers:
                self._answers[question] = ask()
            return self._answers[question]  # type: ignore[return-value]  # what ask gave for this question
