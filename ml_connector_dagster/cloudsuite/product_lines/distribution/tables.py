"""An entity by FetchWhere on its table: what is asked, page by page, and what came.

Reference cloudsuite-api §4.3 and §9 (uncertainty 11: paging, date literals). A page goes on after the row that the one before ended
with; whether it begins with that row or behind it does not matter here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.distribution import (
    DistributionCatalog,
    DistributionEntity,
    TableRoute,
)
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.distribution.answers import RestartRefusedError
from ml_connector_dagster.cloudsuite.product_lines.distribution.api import Fetch, SxApi
from ml_connector_dagster.cloudsuite.product_lines.distribution.tenant import SxTenant
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import NotThereError
from ml_connector_dagster.cloudsuite.product_lines.tables import with_column
from ml_connector_dagster.cloudsuite.reckonings import Basis, Reckoned, page_sizes
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.windows import Window


#: So often a chain begins anew because the row it should go on after has been deleted meanwhile.
_RESTARTS: Final = 3


class TableReader:
    """``RouteReader`` of one table route of one entity."""

    def __init__(
        self,
        api: SxApi,
        tenant: SxTenant,
        catalog: DistributionCatalog,
        name: str,
        route: TableRoute,
        *,
        zone: ZoneInfo,
        page_rows: int,
    ) -> None:
        self._api = api
        self._tenant = tenant
        self._catalog = catalog
        self._entity: DistributionEntity = catalog.entities[name]
        self._keys = [self._entity.fields[key].source for key in ENTITIES[name].key]
        self._route = route
        self._zone = zone
        # At least two: a page that begins with the row it goes on after must hold another one.
        self._rows = max(2, min(page_rows, route.page_rows or page_rows))

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """One row, whose keys must be there; raises ConfigError for a company that does not exist."""
        found = self._api.fetch(self._asked(company), Meter())
        self._tenant.check_company(company)
        for key in self._keys:
            if found.num_rows and key not in found.column_names:
                raise NotThereError(
                    f"table {self._route.table} of this tenant has no field {key}, which the key needs. "
                    "Name the tenant's own field in its catalog file"
                )

    def reads_whole(self, company: str) -> bool:
        """Whether changes cannot be asked for: no date field, or no way to write a date."""
        return self._date_literal(company) == ""

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """Columns whose field the table lacks."""
        known = self._tenant.fields(self._asked(company))
        return tuple(
            column
            for column, spec in self._entity.all_fields.items()
            if known and spec.source not in known
        )

    def chains(self, company: str, window: Window) -> Iterator[Mapping[str, str]]:
        """One: a table is one chain of row ids."""
        del company, window
        self._api.begin()
        yield {}

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """From row id to row id, until a page is not full."""
        asked = replace(
            self._asked(chain.company, self._changed(chain.company, chain.window)), rows=self._rows
        )
        after = _parsed(position)
        for _ in range(_RESTARTS):
            try:
                yield from self._after(asked, after)
            except RestartRefusedError:
                after = ""  # what was read so far is read again: harmless, and rare
            else:
                return
        raise ContractError(
            f"{asked}: {_RESTARTS} times the row was gone that a page should go on after; read again at a quieter time"
        )

    @property
    def setup_requests(self) -> int:
        """None."""
        return 0

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """By the lake: FetchWhere counts nothing, and gives whole rows only."""
        rows = other()
        pages = page_sizes(rows or 0, self._rows, caps=self._catalog.row_caps)
        return Reckoned(
            rows=rows,
            requests=(len(pages),),
            basis=Basis.UNKNOWN if rows is None else Basis.COUNTED,
            how="nothing can be asked" if rows is None else "COUNT(*) in the data lake",
        )

    def _after(self, asked: Fetch, after: str) -> Iterator[Page]:
        seen = {after}
        while True:
            meter = Meter()
            records = self._page(replace(asked, after=after), seen, meter)
            last = self._row_id(records, -1)
            ended = self._is_last(asked, records.num_rows) or last == after
            if not ended and not last:
                raise ContractError(
                    f"{asked}: the rows have no {self._route.table}RowID to go on after, and there may be more of them"
                )
            onward = None if ended else json.dumps({"after": last})
            yield page_of(self._records(records, after), meter, onward)
            if ended:
                return
            seen.add(last)
            after = last

    def _page(self, asked: Fetch, seen: set[str], meter: Meter) -> pa.Table:
        """One page. A page of nothing but the row it goes on after is an end; any other that ends in a seen row is an old one."""
        for _ in range(2):
            # Perhaps the gateway gave an old answer: once more, then it is SX.e that does not move on.
            records = self._api.fetch(asked, meter)
            last = self._row_id(records, -1)
            if not last or last not in seen or (last == asked.after and records.num_rows == 1):
                return records
        raise ContractError(
            f"{asked}: the page after row {asked.after} ends with a row that was there before, so rows beyond it would be lost"
        )

    def _is_last(self, asked: Fetch, rows: int) -> bool:
        """Fewer rows than were asked for, unless the server is known to cut there."""
        return rows == 0 or (rows < asked.rows and rows not in self._catalog.row_caps)

    def _row_id(self, records: pa.Table, row: int) -> str:
        name = f"{self._route.table}RowID"
        if records.num_rows == 0 or name not in records.column_names:
            return ""
        return str(records.column(name)[row % records.num_rows].as_py() or "")

    def _asked(self, company: str, further: tuple[str, ...] = ()) -> Fetch:
        """One row; the conditions of every read."""
        route = self._route
        scope = () if route.company is None else (f"{route.company} = {company}",)
        fixed = tuple(f"{field} = {value}" for field, value in route.where.items())
        return Fetch(
            table=route.table, company=company, conditions=(*scope, *fixed, *further), rows=1
        )

    def _changed(self, company: str, window: Window) -> tuple[str, ...]:
        """The days that the window touches: change times are kept to the minute, their filter to the day."""
        literal = "" if window.start is None else self._date_literal(company)
        if window.start is None or not literal:
            return ()
        first = window.start.astimezone(self._zone).date()
        last = (window.end.astimezone(self._zone) - timedelta(microseconds=1)).date()
        field = self._entity.modified
        return (
            f"{field} >= {first.strftime(literal)}",
            f"{field} <= {last.strftime(literal)}",
        )

    def _date_literal(self, company: str) -> str:
        field = self._entity.modified
        if field is None or not self._route.changes:
            return ""
        return self._tenant.date_literal(self._asked(company), field)

    def _records(self, records: pa.Table, after: str) -> pa.Table:
        if after and self._row_id(records, 0) == after:
            records = records.slice(1)
        name = f"{self._route.table}RowID"
        if name in records.column_names:
            records = records.drop_columns([name])
        clock = self._catalog.time_field
        if clock is None or clock not in records.column_names:
            return records
        return with_column(records, clock, _with_seconds(records.column(clock)))


def _with_seconds(clock: pa.ChunkedArray) -> pa.ChunkedArray:
    """HHMM as the HHmmss that ``columns`` reads."""
    short = pc.fill_null(pc.match_substring_regex(clock, r"^[0-9]{3,4}$"), False)
    padded = pc.binary_join_element_wise(pc.utf8_lpad(clock, 4, padding="0"), "00", "")
    return pc.if_else(short, padded, clock)


def _parsed(position: str | None) -> str:
    if not position:
        return ""
    try:
        state: Any = json.loads(position)
    except json.JSONDecodeError:
        state = None
    if not isinstance(state, dict) or not isinstance(state.get("after"), str):
        raise ContractError(
            f"position {position[:80]!r} is not one of an SX.e table; begin the read anew (--full)"
        )
    return str(state["after"])
