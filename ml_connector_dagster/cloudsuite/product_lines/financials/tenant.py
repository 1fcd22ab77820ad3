"""What a tenant's Landmark has: companies, fields of classes, classes that know change times. Each is asked once and kept."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ml_connector_dagster.cloudsuite.catalog.financials import CompanyClass
from ml_connector_dagster.cloudsuite.product_lines.financials.api import LandmarkApi
from ml_connector_dagster.cloudsuite.product_lines.financials.queries import ClassList
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    ROUTE_REFUSALS,
    AuthorityError,
    NotThereError,
)
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.windows import Window


#: Any span will do to find out whether a class knows _fts.
_PROBED: Final = Window(
    start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2000, 1, 2, tzinfo=UTC)
)


class LandmarkTenant:
    """Asks, and remembers. Thread-safe."""

    def __init__(self, api: LandmarkApi, learned: Learned, companies: CompanyClass | None) -> None:
        self._api = api
        self._learned = learned
        self._companies = companies

    def check_company(self, company: str) -> None:
        """Raise ConfigError for a company that does not exist: a filter on one that is not there finds nothing, and says nothing."""
        where = self._companies
        question = f"company/{company}"
        if where is None or self._learned.recall(
            question, lambda: self._has_company(where, company)
        ):
            return
        self._learned.take_back(question)
        raise ConfigError(
            f"company {company} does not exist: {where.business_class} has no such record in this tenant. "
            "Check the companies of the flow"
        )

    def absent_fields(self, asked: ClassList, company: str) -> frozenset[str]:
        """Those of the fields of ``asked`` that the tenant's class lacks: one of them would fail the whole list."""
        if not asked.fields:
            return frozenset()
        names = hashlib.sha256(",".join(asked.fields).encode()).hexdigest()[:12]
        return frozenset(
            self._learned.recall(
                f"absent/{asked.business_class}/{names}", lambda: self._try_fields(asked, company)
            )
        )

    def filters_changes(self, asked: ClassList, company: str) -> bool:
        """Whether the class, which can be read, knows _fts: what it refuses then, it refuses for that."""
        return self._learned.recall(
            f"changes/{asked.business_class}",
            lambda: self._accepts(replace(asked, changed=_PROBED), company),
        )

    def _try_fields(self, asked: ClassList, company: str) -> list[str]:
        """An exception names one field at most: when all together are refused, each is asked for alone."""
        try:
            self._one(asked, company)
        except NotThereError:
            first, *others = (replace(asked, fields=(field,)) for field in asked.fields)
            if not self._accepts(first, company):
                raise  # the class is not there, or what identifies its records
            return [one.fields[0] for one in others if not self._accepts(one, company)]
        return []

    def _accepts(self, asked: ClassList, company: str) -> bool:
        try:
            self._one(asked, company)
        except AuthorityError:
            raise
        except ROUTE_REFUSALS:
            return False
        return True

    def _has_company(self, where: CompanyClass, company: str) -> bool:
        asked = ClassList(
            business_class=where.business_class,
            fields=(where.field,),
            equal={where.field: company},
            limit=1,
        )
        try:
            return bool(self._one(asked, company))
        except ROUTE_REFUSALS:
            return True  # it cannot be told; the records may be readable all the same

    def _one(self, asked: ClassList, company: str) -> int:
        page = self._api.page(replace(asked, limit=1), company, Meter())
        return int(page.records.num_rows)
