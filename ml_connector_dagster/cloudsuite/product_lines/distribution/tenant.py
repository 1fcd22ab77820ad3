"""What a tenant's SX.e has: companies, fields of tables, the order of its dates. Each is asked once and kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from ml_connector_dagster.cloudsuite.catalog.distribution import CompanyTable
from ml_connector_dagster.cloudsuite.product_lines.distribution.api import Fetch, SxApi
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import ROUTE_REFUSALS, AuthorityError
from ml_connector_dagster.model.errors import ConfigError


#: A day that only one order of day, month and year can read, and after which nothing has changed.
_FAR_DAY: Final = date(2099, 12, 31)


class SxTenant:
    """Asks, and remembers. Thread-safe."""

    def __init__(
        self,
        api: SxApi,
        learned: Learned,
        companies: CompanyTable | None,
        date_literals: Sequence[str],
    ) -> None:
        self._api = api
        self._learned = learned
        self._companies = companies
        self._date_literals = tuple(date_literals)

    def check_company(self, company: str) -> None:
        """Raise ConfigError for a company that does not exist, in case FetchWhere does not mind."""
        where = self._companies
        question = f"company/{company}"
        if where is None or self._learned.recall(
            question, lambda: self._has_company(where, company)
        ):
            return
        self._learned.take_back(question)
        raise ConfigError(
            f"company {company} does not exist: {where.table} has no such record in this tenant. "
            "Check the companies of the flow"
        )

    def fields(self, asked: Fetch) -> frozenset[str]:
        """The fields of the table: a row has all of them. None is known of a table without rows."""
        return frozenset(
            self._learned.recall(
                f"fields/{asked.company}/{asked.table}",
                lambda: sorted(self._api.fetch(asked, Meter()).column_names),
            )
        )

    def date_literal(self, asked: Fetch, field: str) -> str:
        """The first way of writing a date that the server understands, as strftime; "" when it understands none."""
        return self._learned.recall(
            f"dates/{asked.table}/{field}", lambda: self._try_dates(asked, field)
        )

    def _try_dates(self, asked: Fetch, field: str) -> str:
        for literal in self._date_literals:
            condition = f"{field} >= {_FAR_DAY.strftime(literal)}"
            far = replace(asked, conditions=(*asked.conditions, condition))
            try:
                if self._api.fetch(far, Meter()).num_rows == 0:
                    return literal
            except AuthorityError:
                raise
            except ROUTE_REFUSALS:
                continue
        return ""

    def _has_company(self, where: CompanyTable, company: str) -> bool:
        asked = Fetch(
            table=where.table, company=company, conditions=(f"{where.field} = {company}",), rows=1
        )
        try:
            return bool(self._api.fetch(asked, Meter()).num_rows)
        except ROUTE_REFUSALS:
            return True  # it cannot be told; the records may be readable all the same
