"""An entity by EXPORTMI Select: pages by ranges of the key, further tables for the same keys, or spans of days where a tenant knows no ORDER BY.

Reference cloudsuite-api §2.8 and §9 (uncertainty 4). A page's rows come from the main table; what does not fit beside them, and what stands in other
tables, is read for the same keys.
"""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.fields import FieldSpec
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, Lookup
from ml_connector_dagster.cloudsuite.pages import Page
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import (
    Span,
    parse_position,
    parse_spans,
    position_text,
    spans_text,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.queries import (
    Types,
    among,
    beyond,
    changed,
    equal,
    literal,
    select,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import (
    QUERY_LENGTH,
    Selected,
    Selects,
    TableColumns,
    TablePart,
    Where,
    parts_of,
)
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    RefusedError,
)
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    column,
    concatenated,
    distinct_keys,
    having_keys,
    key_at,
    keys_of,
    renamed,
    with_column,
    with_fields_from,
)
from ml_connector_dagster.model.errors import ContractError


class ExportReader:
    """Reads one export route of one entity, for one company.

    ``columns``: what EXPORTMI says about each table of the route. ``modified``: the entity's change date, None when it has none.
    """

    def __init__(
        self,
        api: M3Api,
        selects: Selects,
        route: ExportRoute,
        specs: Mapping[str, FieldSpec],
        *,
        modified: str | None,
        columns: Mapping[str, TableColumns],
        company: str,
        company_condition: bool,
        reply_length: int,
        page_rows: int,
    ) -> None:
        self._api = api
        self._selects = selects
        self._route = route
        self._company = company
        self._with_company = company_condition
        self._reply_length = reply_length
        self._page_rows = min(page_rows, route.page_rows or page_rows)
        self._ordered = True
        by_source = {route.names.get(spec.source, spec.source): spec for spec in specs.values()}
        main = columns[route.table]
        self._modified = modified if modified is not None and main.has(modified) else None
        stamp = (self._modified,) if self._modified else ()
        wanted = [field for field in by_source if field not in route.absent]
        self._parts = parts_of(
            route.table,
            route.prefix,
            route.key,
            [*wanted, *stamp, *route.extra],
            specs=by_source,
            types=route.types,
            columns=main,
            reply_length=reply_length,
        )
        self._lookups = {
            lookup.table: self._lookup_parts(lookup, by_source, columns[lookup.table])
            for lookup in route.lookups
        }

    def _lookup_parts(
        self, lookup: Lookup, specs: Mapping[str, FieldSpec], columns: TableColumns
    ) -> tuple[TablePart, ...]:
        has_stamp = lookup.also_changed and self._modified and columns.has(self._modified)
        stamp = (self._modified,) if has_stamp and self._modified else ()
        return parts_of(
            lookup.table,
            lookup.prefix,
            lookup.key,
            [*lookup.fields, *stamp],
            specs=specs,
            types=self._route.types,
            columns=columns,
            reply_length=self._reply_length,
        )

    @property
    def page_rows(self) -> int:
        """The most rows of a page."""
        return self._page_rows

    @property
    def modified(self) -> str | None:
        """The field with the change date, where the table has it."""
        return self._modified

    @property
    def parts(self) -> tuple[TablePart, ...]:
        """The selects that bring the main table's columns."""
        return self._parts

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """The further tables."""
        return self._route.lookups

    def lookup_parts(self, table: str) -> tuple[TablePart, ...]:
        """The selects that bring a further table's columns."""
        return self._lookups[table]

    def lead(self, by: str | None) -> TablePart:
        """The leading select of the chains of ``by``; None: those that the main table leads."""
        return self._parts[0] if by is None else self._lookups[by][0]

    def conditions(self, lead: TablePart, span: Span, open_fields: Sequence[str]) -> Where:
        """Which rows of the leading table the chains of a read have together; ``open_fields`` tell them apart."""
        where = self._where(lead, {})
        fixed = {
            equal(lead.prefix, name, values[0], lead.types)
            for name, values in self._route.where.items()
            if name in open_fields
        }
        kept = tuple(one for one in where.conditions if one not in fixed)
        return Where(company=where.company, conditions=kept).and_(*self._window(lead, span))

    def pages(
        self, arguments: Mapping[str, str], span: Span, position: str | None
    ) -> Iterator[Page]:
        """The pages of one chain. ``arguments``: ``where`` fields with one value each, ``division``, and ``by``: the table whose changes lead."""
        state = parse_position(position)
        if self._ordered and "spans" not in state:
            after = state.get("key")
            try:
                yield from self._by_key(arguments, span, tuple(after) if after else None)
            except RefusedError:
                # Some installations refuse ORDER BY (or OR). What was read so far is read again: harmless, and rare.
                self._ordered = False
            else:
                return
        spans = parse_spans(state["spans"]) if "spans" in state else [span]
        yield from self._by_span(arguments, spans)

    def _by_key(
        self, arguments: Mapping[str, str], span: Span, after: tuple[str, ...] | None
    ) -> Iterator[Page]:
        lead = self.lead(arguments.get("by"))
        where = self._where(lead, arguments).and_(*self._window(lead, span))
        while True:
            meter = Meter()
            here = (
                where
                if after is None
                else where.and_(
                    beyond(lead.prefix, lead.key, after, lead.types, sign=">", inclusive=False)
                )
            )
            found = self._selects.read(lead, here, ordered=True, limit=self._page_rows, meter=meter)
            position = None
            if found.cut:
                if found.rows.num_rows == 0:
                    raise ContractError(
                        f"EXPORTMI select on {lead.table}: none of the rows after key {after} can be split; "
                        "choose other separators in the catalog"
                    )
                last = key_at(found.rows, lead.key, -1)
                if last == after:
                    raise self._no_progress(lead, last)
                after = last
                position = position_text(key=last)
            rows = self._completed(found.rows, lead, arguments, meter)
            yield page_of(rows, meter, position, found.unreadable)
            if position is None:
                return

    def _by_span(self, arguments: Mapping[str, str], spans: Sequence[Span]) -> Iterator[Page]:
        lead = self.lead(arguments.get("by"))
        base = self._where(lead, arguments)
        waiting = list(reversed(spans))
        meter = Meter()
        while waiting:
            span = waiting.pop()
            found = self._selects.read(
                lead,
                base.and_(*self._window(lead, span)),
                ordered=False,
                limit=self._page_rows,
                meter=meter,
            )
            if found.cut:
                halves = span.halves() if self._modified else None
                if halves is not None:
                    waiting += reversed(halves)
                    continue
                found = self._whole(lead, base.and_(*self._window(lead, span)), span, meter)
            rows = self._completed(found.rows, lead, arguments, meter)
            position = position_text(spans=spans_text(waiting[::-1])) if waiting else None
            yield page_of(rows, meter, position, found.unreadable)
            meter = Meter()

    def _whole(self, lead: TablePart, where: Where, span: Span, meter: Meter) -> Selected:
        """What cannot be cut further, asked without a limit."""
        found = self._selects.read(lead, where, ordered=False, limit=0, meter=meter)
        rows = found.rows.num_rows + len(found.unreadable)
        if found.cut and any(
            self._api.may_be_capped(count, bulk=False) for count in (rows, rows + 1)
        ):
            raise ContractError(
                f"EXPORTMI select on {lead.table}, company {self._company}, changes of {span}: exactly {rows:,} rows came, "
                "a known cap, and without ORDER BY there is no next page. Allow ORDER BY for the service user, or use another route"
            )
        return found

    def _completed(
        self, rows: pa.Table, lead: TablePart, arguments: Mapping[str, str], meter: Meter
    ) -> pa.Table:
        """The entity's records for the leading table's ``rows``: further columns, further tables, newest stamp, the entity's names."""
        main, led = self._parts[0], rows
        if lead.table != main.table:
            by = self._lookup(lead.table).by
            rows = self._matching(main, by, rows, self._where(main, arguments), meter)
        for part in self._parts[1:]:
            more = self._matching(part, main.key, rows, self._where(part, arguments), meter)
            if more.num_rows < rows.num_rows:  # deleted between the two calls
                rows = (
                    having_keys(rows, main.key, keys_of(more, main.key))
                    if more.num_rows
                    else rows.slice(0, 0)
                )
            rows = with_fields_from(rows, more, main.key, part.fields[len(main.key) :])
        for lookup in self._route.lookups:
            for part in self._lookups[lookup.table]:
                where = self._where(part, {})
                more = led if part is lead else self._matching(part, lookup.by, rows, where, meter)
                if lookup.required and rows.num_rows:
                    rows = (
                        having_keys(rows, lookup.by, keys_of(more, lookup.by))
                        if more.num_rows
                        else rows.slice(0, 0)
                    )
                rows = self._with_lookup(rows, more, lookup, part)
        return renamed(rows, self._route.names)

    def _with_lookup(
        self, rows: pa.Table, more: pa.Table, lookup: Lookup, part: TablePart
    ) -> pa.Table:
        own = self._modified
        before = column(rows, own).combine_chunks() if own and own in part.fields else None
        rows = with_fields_from(
            rows, more, lookup.by, [field for field in part.fields if field not in lookup.key]
        )
        if own is None or before is None or rows.num_rows == 0:
            return rows
        # The record changed when either table's row did: dates as yyyyMMdd compare as text.
        here = pc.fill_null(column(rows, own).combine_chunks(), "")
        newest = pc.if_else(pc.greater(here, pc.fill_null(before, "")), here, before)
        return with_column(rows, own, newest)

    def _matching(
        self, part: TablePart, by: Sequence[str], rows: pa.Table, where: Where, meter: Meter
    ) -> pa.Table:
        """Rows of ``part`` whose ``by`` is among those of ``rows`` (which are in key order when the tenant can order)."""
        keys = distinct_keys(rows, by)
        if not keys:
            return pa.table({})
        few = where.and_(among(part.prefix, by, keys, part.types)) if len(keys) <= 40 else None
        if few is not None and _fits(part, few):
            where = few
        elif self._ordered:
            where = where.and_(
                beyond(part.prefix, by, key_at(rows, by, 0), part.types, sign=">", inclusive=True),
                beyond(part.prefix, by, key_at(rows, by, -1), part.types, sign="<", inclusive=True),
            )
        wanted = keys_of(rows, by)
        found: list[pa.Table] = []
        after: tuple[str, ...] | None = None
        while True:
            here = (
                where
                if after is None
                else where.and_(
                    beyond(part.prefix, part.key, after, part.types, sign=">", inclusive=False)
                )
            )
            limit = self._page_rows if self._ordered else 0
            some = self._selects.read(part, here, ordered=self._ordered, limit=limit, meter=meter)
            found.append(having_keys(some.rows, by, wanted))
            if not some.cut or some.rows.num_rows == 0:
                return concatenated(found)
            if tuple(by) == part.key and sum(one.num_rows for one in found) >= len(keys):
                return concatenated(found)  # one row for every key is all there can be
            if not self._ordered:
                if self._api.may_be_capped(some.rows.num_rows, bulk=False):
                    raise self._no_progress(part, after or ())
                return concatenated(found)
            last = key_at(some.rows, part.key, -1)
            if last == after:
                raise self._no_progress(part, last)
            after = last

    def _lookup(self, table: str) -> Lookup:
        return next(lookup for lookup in self._route.lookups if lookup.table == table)

    def _window(self, part: TablePart, span: Span) -> list[str]:
        stamped = self._modified is not None
        return changed(part.prefix, self._modified, span) if stamped and self._modified else []

    def _where(self, part: TablePart, arguments: Mapping[str, str]) -> Where:
        conditions: list[str] = []
        types: Types = part.types
        if self._with_company:
            conditions.append(f"{part.prefix}CONO={self._company}")
        if "division" in arguments and "DIVI" in part.key:
            conditions.append(equal(part.prefix, "DIVI", arguments["division"], types))
        if part.table == self._route.table:
            for field, values in self._route.where.items():
                conditions.append(equal(part.prefix, field, arguments.get(field, values[0]), types))
            for field, (first, last) in self._route.between.items():
                conditions.append(f"{part.prefix}{field}>={literal(field, first, types)}")
                conditions.append(f"{part.prefix}{field}<={literal(field, last, types)}")
        return Where(company=self._company, conditions=tuple(conditions))

    def _no_progress(self, part: TablePart, key: Sequence[str]) -> ContractError:
        return ContractError(
            f"EXPORTMI select on {part.table}, company {self._company}: the page after key {list(key)} ended where it began; "
            "its key in the catalog must identify a row"
        )


def _fits(part: TablePart, where: Where) -> bool:
    text = select(part.table, part.prefix, part.fields, where.conditions, part.key)
    return len(text) + 120 <= QUERY_LENGTH  # room for "key beyond …" on the next page
