"""An entity by the generic lists of its business classes: what is asked, page by page, and what came."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.financials import (
    ClassRoute,
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
from ml_connector_dagster.cloudsuite.product_lines.financials.tenant import LandmarkTenant
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import NotThereError, RefusedError
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    renamed,
    with_column,
    with_constants,
)
from ml_connector_dagster.cloudsuite.reckonings import Basis, Reckoned, page_sizes
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, ContractError
from ml_connector_dagster.model.windows import Window


#: YYYYMMDDHHMMSSFF, always UTC, as ``columns`` reads timestamps.
_STAMP: Final = r"^(\d{8})(\d{6})(\d{2})$"
_STAMP_READ: Final = r"\1T\2.\3Z"


class ListReader:
    """``RouteReader`` of one list route of one entity."""

    def __init__(
        self,
        api: LandmarkApi,
        tenant: LandmarkTenant,
        catalog: FinancialsCatalog,
        name: str,
        route: ClassRoute,
        *,
        page_rows: int,
    ) -> None:
        self._api = api
        self._tenant = tenant
        self._values = catalog.company_values
        self._entity: FinancialsEntity = catalog.entities[name]
        self._keys = [self._entity.fields[key].source for key in ENTITIES[name].key]
        self._route = route
        self._limit = min(page_rows, route.page_rows or page_rows, catalog.row_limit)

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """One row of each class, whose keys must be there; raises ConfigError for a company that does not exist."""
        for name, part in self._route.classes.items():
            absent = self._absent(name, company)
            for key in self._keys:
                if part.names.get(key, key) in absent:
                    raise NotThereError(
                        f"business class {name} of this tenant has no field {part.names.get(key, key)}, which the key needs"
                    )
            self._api.page(replace(self._asked(name, company), limit=1), company, Meter())
        self._tenant.check_company(company)

    def reads_whole(self, company: str) -> bool:
        """Whether a class of the route refuses _fts."""
        return not all(self._filters_changes(name, company) for name in self._route.classes)

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """Columns whose field a class of the route lacks."""
        empty = [
            column
            for name, part in self._route.classes.items()
            if (absent := self._absent(name, company))
            for column, spec in self._entity.all_fields.items()
            if part.names.get(spec.source, spec.source) in absent
        ]
        return tuple(dict.fromkeys(empty))

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
        asked = self._asked_for(chain)
        state = _parsed(position)
        if state:
            try:
                yield from self._follow(
                    asked, chain.company, str(state["next"]), int(state["rows"])
                )
            except RefusedError:
                # How long a link lives is not known. What was read so far is read again: harmless, and rare.
                yield from self._follow(asked, chain.company, None, 0)
        else:
            yield from self._follow(asked, chain.company, None, 0)

    @property
    def setup_requests(self) -> int:
        """None."""
        return 0

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """By the count in the header of a page of one row."""
        counts = [
            self._api.page(replace(self._asked_for(chain), limit=1), chain.company, Meter()).count
            for chain in chains
        ]
        known = [rows for rows in counts if rows is not None]
        rows = sum(known) if len(known) == len(counts) else other()
        each = known if rows is not None and len(known) == len(counts) else [rows or 0]
        pages = [len(page_sizes(one, self._limit, tells_end=True)) for one in each]
        return Reckoned(
            rows=rows,
            requests=(*pages, *([1] * (len(chains) - len(pages)))),
            basis=Basis.UNKNOWN if rows is None else Basis.COUNTED,
            how="_count" if len(known) == len(counts) else "COUNT(*) in the data lake",
        )

    def _asked_for(self, chain: Slice) -> ClassList:
        """What a chain asks, its window included."""
        name = dict(chain.arguments)["class"]
        asked = self._asked(name, chain.company)
        if chain.window.start is not None and self._filters_changes(name, chain.company):
            asked = replace(asked, changed=chain.window)
        return asked

    def _follow(
        self, asked: ClassList, company: str, href: str | None, rows: int
    ) -> Iterator[Page]:
        seen = {href}
        while True:
            meter = Meter()
            answer = self._page(asked, company, href, seen, meter)
            rows += answer.records.num_rows
            self._check_whole(answer, rows, company)
            href = answer.onward or None
            seen.add(href)
            onward = None if href is None else json.dumps({"next": href, "rows": rows})
            yield page_of(self._records(asked.business_class, answer.records), meter, onward)
            if onward is None:
                return

    def _page(
        self,
        asked: ClassList,
        company: str,
        href: str | None,
        seen: set[str | None],
        meter: Meter,
    ) -> LandmarkAnswer:
        for _ in range(2):
            # Perhaps the gateway gave an old answer: once more, then it is Landmark that does not move on.
            answer = self._api.page(asked, company, meter, href)
            if not answer.onward or answer.onward not in seen:
                return answer
        raise ContractError(
            f"list {asked.business_class}, company {company}: a page links to one that was there before, so rows "
            "beyond it would be lost"
        )

    def _wanted(self, name: str, company: str) -> ClassList:
        """What the catalog names, of which the tenant may lack some."""
        route, part = self._route, self._route.classes[name]
        mapped = [spec.source for spec in self._entity.all_fields.values()]
        mapped += [self._entity.modified] if self._entity.modified else []
        mapped = [part.names.get(field, field) for field in mapped if field not in part.constants]
        scope = {}
        if route.company is not None:
            scope[route.company] = self._values.get(route.company, {}).get(company, company)
        return ClassList(
            business_class=name,
            fields=() if route.fields == "*" else wanted_fields(mapped, route.fields),
            equal={**scope, **part.where},
            limit=self._limit,
            set_name=route.set_name,
        )

    def _absent(self, name: str, company: str) -> frozenset[str]:
        return self._tenant.absent_fields(self._wanted(name, company), company)

    def _asked(self, name: str, company: str) -> ClassList:
        wanted, absent = self._wanted(name, company), self._absent(name, company)
        return replace(wanted, fields=tuple(one for one in wanted.fields if one not in absent))

    def _filters_changes(self, name: str, company: str) -> bool:
        return self._route.changes and self._tenant.filters_changes(
            self._asked(name, company), company
        )

    def _check_whole(self, answer: LandmarkAnswer, rows: int, company: str) -> None:
        """A last page, of a list that says it is longer, was cut.

        Of several pages only a full one: rows may have gone since the first. A server's own limit may be below ours.
        """
        came = answer.records.num_rows
        suspicious = not answer.onward and (came >= self._limit or came == rows)
        if suspicious and answer.count is not None and answer.count > rows:
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
    if not isinstance(state, dict) or state.keys() != {"next", "rows"}:
        raise ContractError(
            f"position {position[:80]!r} is not one of a Landmark list; begin the read anew (--full)"
        )
    return state
