"""An entity by the generic lists of its business classes: what is asked, page by page, and what came."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.financials import (
    ClassRoute,
    CompanyClass,
    FinancialsCatalog,
    FinancialsEntity,
)
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.financials.answers import LandmarkAnswer
from ml_connector_dagster.cloudsuite.product_lines.financials.api import LandmarkApi
from ml_connector_dagster.cloudsuite.product_lines.financials.queries import (
    ClassList,
    wanted_fields,
)
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    ROUTE_REFUSALS,
    AuthorityError,
)
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    renamed,
    with_column,
    with_constants,
)
from ml_connector_dagster.model.errors import ConfigError, ContractError
from ml_connector_dagster.model.windows import Window


#: YYYYMMDDHHMMSSFF, always UTC, as ``columns`` reads timestamps.
_STAMP: Final = r"^(\d{8})(\d{6})(\d{2})$"
_STAMP_READ: Final = r"\1T\2.\3Z"

#: Any span will do to find out whether a class knows _fts.
_PROBED: Final = Window(
    start=datetime(2000, 1, 1, tzinfo=UTC), end=datetime(2000, 1, 2, tzinfo=UTC)
)


class ListReader:
    """``RouteReader`` of one list route of one entity."""

    def __init__(
        self,
        api: LandmarkApi,
        learned: Learned,
        catalog: FinancialsCatalog,
        entity: FinancialsEntity,
        route: ClassRoute,
        *,
        page_rows: int,
    ) -> None:
        self._api = api
        self._learned = learned
        self._companies = catalog.companies
        self._values = catalog.company_values
        self._entity = entity
        self._route = route
        self._limit = min(page_rows, route.page_rows or page_rows, catalog.row_limit)

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """One row of each class; raises ConfigError for a company that does not exist."""
        for name in self._route.classes:
            self._api.page(replace(self._asked(name, company), limit=1), company, Meter())
        where = self._companies
        question = f"company/{company}"
        if where is not None and not self._learned.recall(
            question, lambda: self._has_company(where, company)
        ):
            self._learned.take_back(question)
            raise ConfigError(
                f"company {company} does not exist: {where.business_class} has no such record in this tenant. "
                "Check the companies of the flow"
            )

    def reads_whole(self, company: str) -> bool:
        """Whether a class of the route refuses _fts."""
        return not all(self._filters_changes(name, company) for name in self._route.classes)

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """None: a route with a field that is not there cannot serve."""
        return ()

    def chains(self, company: str, window: Window) -> Iterator[Mapping[str, str]]:
        """One for each class."""
        del company, window  # a list is one chain of links, however long
        for name in self._route.classes:
            yield {"class": name}

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """From link to link until there is none."""
        name = dict(chain.arguments)["class"]
        if name not in self._route.classes:
            raise ConfigError(
                f"{chain.entity}: the catalog has no class {name!r} any more; begin anew (--full)"
            )
        asked = self._asked(name, chain.company)
        if chain.window.start is not None and self._filters_changes(name, chain.company):
            asked = replace(asked, changed=chain.window)
        state = _parsed(position)
        href, rows = state.get("next"), int(state.get("rows", 0))
        seen = {href}
        while True:
            meter = Meter()
            answer = self._api.page(asked, chain.company, meter, href)
            if answer.onward and answer.onward in seen:
                # Perhaps the gateway gave an old answer: once more, then it is Landmark that does not move on.
                answer = self._api.page(asked, chain.company, meter, href)
                if answer.onward in seen:
                    raise ContractError(
                        f"{self.label}, company {chain.company}: the page after {rows:,} rows links to a page that was "
                        "there before, so rows beyond it would be lost"
                    )
            rows += answer.records.num_rows
            self._whole(answer, rows, chain.company)
            href = answer.onward
            seen.add(href)
            onward = json.dumps({"next": href, "rows": rows}) if href else None
            yield page_of(self._records(name, answer.records), meter, onward)
            if onward is None:
                return

    def _asked(self, name: str, company: str) -> ClassList:
        part = self._route.classes[name]
        mapped = [spec.source for spec in self._entity.all_fields.values()]
        mapped += [self._entity.modified] if self._entity.modified else []
        mapped = [part.names.get(field, field) for field in mapped if field not in part.constants]
        further = self._route.fields
        holder = self._route.company
        scope = (
            {} if holder is None else {holder: self._values.get(holder, {}).get(company, company)}
        )
        return ClassList(
            business_class=name,
            fields=() if further == "*" else wanted_fields(mapped, further),
            equal={**scope, **part.where},
            limit=self._limit,
            set_name=self._route.set_name,
        )

    def _filters_changes(self, name: str, company: str) -> bool:
        if not self._route.changes:
            return False
        return self._learned.recall(f"changes/{name}", lambda: self._try_changes(name, company))

    def _try_changes(self, name: str, company: str) -> bool:
        """The class can be read (see ``check``): what it refuses now, it refuses for _fts."""
        asked = replace(self._asked(name, company), limit=1, changed=_PROBED)
        try:
            self._api.page(asked, company, Meter())
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
            return bool(self._api.page(asked, company, Meter()).records.num_rows)
        except ROUTE_REFUSALS:
            return True  # it cannot be told; the records may be readable all the same

    def _whole(self, answer: LandmarkAnswer, rows: int, company: str) -> None:
        """A full page without a link, of a list that says it is longer, was cut."""
        full = answer.records.num_rows >= self._limit and not answer.onward
        if full and answer.count is not None and answer.count > rows:
            raise ContractError(
                f"{self.label}, company {company}: {answer.count:,} rows are announced, {rows:,} came, and there is no "
                "link to a next page. Does this tenant know _pageNav?"
            )

    def _records(self, name: str, records: pa.Table) -> pa.Table:
        part = self._route.classes[name]
        records = with_constants(renamed(records, part.names), part.constants)
        stamp = self._entity.modified
        if stamp is None or stamp not in records.column_names:
            return records
        read = pc.replace_substring_regex(records.column(stamp), _STAMP, _STAMP_READ)
        return with_column(records, stamp, read)


def _parsed(position: str | None) -> Mapping[str, Any]:
    if not position:
        return {}
    try:
        state = json.loads(position)
    except json.JSONDecodeError:
        state = None
    if not isinstance(state, dict) or not isinstance(state.get("next"), str):
        raise ContractError(
            f"position {position[:80]!r} is not one of a Landmark list; begin the read anew (--full)"
        )
    return state
