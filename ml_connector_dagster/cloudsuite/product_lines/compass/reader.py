"""An entity by tables of the data lake: one query a table, its result page by page."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute, LakeTable
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.compass.lake import (
    PAGE_ROWS,
    QueryGoneError,
    Result,
)
from ml_connector_dagster.cloudsuite.product_lines.compass.statements import (
    Place,
    Select,
    aliased,
    count_select,
    rows_select,
)
from ml_connector_dagster.cloudsuite.product_lines.compass.tenant import LakeTenant, lake_routes
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount, digest_of
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import ROUTE_REFUSALS, NotThereError
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    column,
    with_column,
    with_constants,
)
from ml_connector_dagster.cloudsuite.reckonings import Basis, Reckoned, page_sizes
from ml_connector_dagster.columns.layouts import DELETED_AT
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, ContractError, TransientError
from ml_connector_dagster.model.windows import Window


#: A chain whose result has expired begins anew, so often.
_BEGINNINGS = 3
_MAIN = "t"
#: Before the first page: the query is submitted, and one long look at its status finds it finished.
_REQUESTS_OF_A_QUERY = 2


class LakeReader:
    """``LakeRoute`` of one compass route of one entity. Thread-safe."""

    def __init__(
        self, tenant: LakeTenant, name: str, entity: EntityCatalog[Any, Any], route: CompassRoute
    ) -> None:
        self._tenant = tenant
        self._name = name
        self._entity = entity
        self._route = route
        self._digest = digest_of(entity)
        self._limit = min(tenant.page_rows, route.page_rows or tenant.page_rows, PAGE_ROWS)

    @property
    def label(self) -> str:
        return self._route.label

    @property
    def lag(self) -> timedelta:
        """How far what is read may be behind the ERP."""
        return self._tenant.lag

    @property
    def use(self) -> str:
        """For what it is taken, whatever stands above it; "" for nothing."""
        large = self._route.large_from
        return "" if large == "never" else f"first loads of {large:,} rows and more"

    def leads(self, company: str, window: Window) -> bool:
        """Whether ``window`` is a first load that is large, so that this route is taken before those above it."""
        large = self._route.large_from
        if large == "never" or window.start is not None:
            return False
        question = f"lake/rows/{company}/{self._name}/{self._digest}"
        try:
            rows = self._tenant.learned.recall(question, lambda: self._count(company))
        except TransientError:
            return False  # another route may do meanwhile
        return rows >= large and rows >= 0

    def check(self, company: str) -> None:
        """The tables' headers; a column that a key needs must be there, and the company."""
        for table, part in self._route.tables.items():
            for key in ENTITIES[self._name].key:
                source = self._entity.fields[key].source
                if source not in part.constants and self._place(table, part, source) is None:
                    raise NotThereError(
                        f"table {table} of the data lake has no column {self._called(part, source)}, which the key needs"
                    )
        self._tenant.check_company(company)

    def reads_whole(self, company: str) -> bool:
        """Whether a table of the route lacks the column by which changes are asked for."""
        del company  # the lake has one table for all companies
        return any(not self._stamps(table) for table in self._route.tables)

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """Columns whose field a table of the route lacks."""
        del company
        empty = [
            name
            for table, part in self._route.tables.items()
            for name, spec in self._entity.all_fields.items()
            if spec.source not in part.constants and self._place(table, part, spec.source) is None
        ]
        return tuple(dict.fromkeys(empty))

    def chains(self, company: str, window: Window) -> Iterator[Mapping[str, str]]:
        """One a table: a query has one result, however long."""
        del company, window
        for table in self._route.tables:
            yield {"table": table}

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of the query of ``position``; of a new one when there is none, or its result has expired."""
        table = dict(chain.arguments)["table"]
        if table not in self._route.tables:
            raise ConfigError(
                f"{chain.entity}: the catalog has no table {table!r} any more; begin the read anew (--full)"
            )
        select = self._select(table, chain.company, chain.window)
        for left in reversed(range(_BEGINNINGS)):
            try:
                yield from self._pages(select, table, _parsed(position))
            except QueryGoneError:
                # What was read so far is read again: harmless, and rare.
                position = None
                if left == 0:
                    raise
            except ROUTE_REFUSALS:
                # Perhaps a column is gone since the header was read: it is read again next time.
                self._tenant.learned.take_back(self._tenant.columns_question(table))
                raise
            else:
                return

    @property
    def setup_requests(self) -> int:
        """None: the lake is asked for its tables once in hours."""
        return 0

    def count(self, company: str, window: Window) -> int:
        """By ``COUNT(*)`` with the conditions of the read. A first load has been counted when its route was chosen."""
        if window.start is None:
            question = f"lake/rows/{company}/{self._name}/{self._digest}"
            known = self._tenant.learned.recall(question, lambda: self._count(company))
            if known >= 0:
                return known
        return sum(self._counted(table, company, window) for table in self._route.tables)

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """Pages of the results, by ``COUNT(*)`` of each table."""
        del other  # it would ask the same
        tables = [dict(chain.arguments)["table"] for chain in chains]
        if len(tables) == 1:
            counts = [self.count(chains[0].company, chains[0].window)]
        else:
            counts = [
                self._counted(table, chain.company, chain.window)
                for table, chain in zip(tables, chains, strict=True)
            ]
        return Reckoned(
            rows=sum(counts),
            requests=tuple(
                _REQUESTS_OF_A_QUERY + len(page_sizes(rows, self._limit, tells_end=True))
                for rows in counts
            ),
            basis=Basis.COUNTED,
            how="COUNT(*) in the data lake",
        )

    def _counted(self, table: str, company: str, window: Window) -> int:
        return self._tenant.lake.number(count_select(self._select(table, company, window)))

    def _pages(
        self, select: Select, table: str, place: tuple[Result, int] | None
    ) -> Iterator[Page]:
        meter = Meter()
        lake = self._tenant.lake
        result, offset = place or (lake.run(select, meter), 0)
        while True:
            rows = lake.page(select, result, offset, self._limit, meter)
            offset += rows.num_rows
            last = rows.num_rows == 0 if result.rows is None else offset >= result.rows
            onward = {"query": result.query, "offset": offset, "rows": result.rows}
            records = self._records(rows, table, meter.requested_at)
            yield page_of(records, meter, None if last else json.dumps(onward))
            if last:
                return
            meter = Meter()

    def _count(self, company: str) -> int:
        """Rows of a first load; -1 when the lake cannot say."""
        try:
            return sum(
                self._tenant.lake.number(count_select(self._rows(table, company)))
                for table in self._route.tables
            )
        except ROUTE_REFUSALS:
            return -1

    def _rows(self, table: str, company: str) -> Select:
        """All rows of a company; which columns does not matter."""
        column_of_any = Place(alias=_MAIN, column=self._route.company or "*")
        value = self._tenant.company(self._route.company, company)
        part = self._route.tables[table]
        return rows_select(table, self._route, part, [column_of_any], company=value)

    def _select(self, table: str, company: str, window: Window) -> Select:
        zone = self._tenant.zone
        local = Window(
            start=None if window.start is None else window.start.astimezone(zone),
            end=window.end.astimezone(zone),
        )
        return rows_select(
            table,
            self._route,
            self._route.tables[table],
            self._places(table),
            company=self._tenant.company(self._route.company, company),
            stamps=self._stamps(table),
            window=local,
        )

    def _places(self, table: str) -> list[Place]:
        """What to ask for, each once: one unknown column fails the whole statement."""
        part = self._route.tables[table]
        marks = [one for one in (self._route.deleted, self._route.deleted_at) if one]
        found = [self._place(table, part, source) for source in self._sources(part)]
        found += [self._own(table, one) for one in (*self._route.fields, *marks)]
        by_name = {place.column.lower(): place for place in reversed(found) if place is not None}
        return list(reversed(by_name.values()))

    def _sources(self, part: LakeTable) -> Sequence[str]:
        """The entity's fields that come from a table."""
        sources = [spec.source for spec in self._entity.all_fields.values()]
        sources += [self._entity.modified] if self._entity.modified else []
        sources += [*self._route.names, *part.names]
        return [source for source in dict.fromkeys(sources) if source not in part.constants]

    def _called(self, part: LakeTable, source: str) -> str:
        return part.names.get(source, self._route.names.get(source, source))

    def _place(self, table: str, part: LakeTable, source: str) -> Place | None:
        """Where the column of a field stands; None when this tenant has none."""
        name = self._called(part, source)
        for alias, join in aliased(self._route.joins):
            if name in join.columns:
                known = self._tenant.columns(join.table).get(name.lower())
                return None if known is None else Place(alias=alias, column=known)
        return self._own(table, name)

    def _own(self, table: str, name: str) -> Place | None:
        known = self._tenant.columns(table).get(name.lower())
        return None if known is None else Place(alias=_MAIN, column=known)

    def _stamps(self, table: str) -> list[Place]:
        """Where changes of a record show; nothing when one of the tables cannot tell."""
        changed = self._route.changed
        if not changed:
            return []
        tables = [(_MAIN, table)]
        tables += [
            (alias, join.table) for alias, join in aliased(self._route.joins) if join.changes
        ]
        known = [(alias, self._tenant.columns(name).get(changed.lower())) for alias, name in tables]
        places = [Place(alias=alias, column=name) for alias, name in known if name is not None]
        return places if len(places) == len(tables) else []

    def _records(self, rows: pa.Table, table: str, read_at: datetime | None) -> pa.Table:
        """The entity's own field names, and since when a record is gone."""
        part = self._route.tables[table]
        lower = {name.lower(): name for name in rows.column_names}
        records = self._with_deleted(rows, lower, read_at)
        for source in self._sources(part):
            name = lower.get(self._called(part, source).lower())
            if name is not None and name != source:
                records = with_column(records, source, rows.column(name))
        kept = {*self._sources(part), *self._route.fields, DELETED_AT}
        records = records.select([name for name in records.column_names if name in kept])
        return with_constants(records, part.constants)

    def _with_deleted(
        self, rows: pa.Table, lower: Mapping[str, str], read_at: datetime | None
    ) -> pa.Table:
        flag = lower.get(self._route.deleted.lower())
        if flag is None or rows.num_rows == 0:
            return rows
        words = pc.utf8_lower(pc.fill_null(rows.column(flag).combine_chunks(), ""))
        gone = pc.is_in(words, value_set=pa.array(["true", "1", "yes", "y"]))
        since = column(rows, lower.get(self._route.deleted_at.lower(), "")).combine_chunks()
        fallback = "" if read_at is None else read_at.isoformat()
        since = pc.if_else(pc.equal(pc.fill_null(since, ""), ""), fallback, since)
        return with_column(rows, DELETED_AT, pc.if_else(gone, since, pa.scalar(None, pa.string())))


def lake_readers(
    tenant: LakeTenant, name: str, entity: EntityCatalog[Any, Any]
) -> dict[str, LakeReader]:
    """A reader for each route of ``entity`` that goes through the lake."""
    return {
        route_name: LakeReader(tenant, name, entity, route)
        for route_name, route in lake_routes(entity).items()
    }


def _parsed(position: str | None) -> tuple[Result, int] | None:
    if position is None:
        return None
    try:
        parts = json.loads(position)
        rows = None if parts["rows"] is None else int(parts["rows"])
        return Result(query=str(parts["query"]), rows=rows), int(parts["offset"])
    except (ValueError, TypeError, KeyError):
        raise ContractError(
            f"position {position[:80]!r} is not one of a lake query; begin the read anew (--full)"
        ) from None
