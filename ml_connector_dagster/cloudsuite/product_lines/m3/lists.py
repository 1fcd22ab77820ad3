"""An entity by a list transaction: pages by key positioning, or by spans of change days that are halved until nothing is cut off
(and where one day is too much, whole).

Reference cloudsuite-api §2.8 (M3 has no offset: a list starts at the key it is given), §2.9 (change filters). A list without a change filter is
read whole, whatever the window.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.routes import (
    ChangedBetween,
    ChangedSince,
    ListRoute,
    StampUnit,
)
from ml_connector_dagster.cloudsuite.pages import Page
from ml_connector_dagster.cloudsuite.product_lines.m3.api import ListCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.bulks import Completion, children_of
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import (
    Span,
    day_text,
    parse_position,
    parse_spans,
    position_text,
    spans_text,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.cuts import find_cuts
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    key_at,
    keys_of,
    renamed,
    with_constants,
)
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainInputs:
    """What one chain asks with.

    ``division``: of the list; ``row_division``: put into the rows of a list with children. ``first``/``until``: keys the chain is cut at.
    """

    fixed: Mapping[str, str]
    constants: Mapping[str, str]
    division: str | None
    first: str | None
    until: str | None
    window: Window
    span: Span


class ListReader:
    """Reads one list route for one company.

    ``fields``: what to ask for, none means all. ``filters_changes``: the transaction has the change inputs that the catalog names.
    ``positions_identify``: no two rows have the same position, so that the row a page begins with again can be left out.
    """

    def __init__(
        self,
        api: M3Api,
        route: ListRoute,
        *,
        company: str,
        page_rows: int,
        bulk_chunk: int,
        fields: tuple[str, ...],
        filters_changes: bool,
        positions_identify: bool,
    ) -> None:
        self._api = api
        self._route = route
        self._company = company
        # A page begins with the last row of the one before: a page of one row would never get on.
        self._page_rows = max(2, min(page_rows, route.page_rows or page_rows))
        self._bulk_chunk = bulk_chunk
        self._fields = fields
        self._filters_changes = filters_changes
        self._positions_identify = positions_identify
        self._kept: dict[str, tuple[pa.Table, Meter]] = {}

    def cuts(self, inputs: ChainInputs) -> tuple[str, ...]:
        """Keys at which to cut a list that is read whole, when it is long.

        The first page tells; it is kept for the chain that begins with it.
        """
        (field,) = self._route.position.values()
        call, meter = self._page_call(inputs, self._start(None, inputs)), Meter()
        rows = self._api.rows(call, meter)
        self._kept[call.path] = rows, meter
        if not self._api.is_cut(rows.num_rows, self._page_rows):
            return ()
        return find_cuts(
            key_at(rows, (field,), 0)[0],
            key_at(rows, (field,), -1)[0],
            lambda key: self._first_key_from(key, inputs, Meter()),
        )

    @property
    def page_rows(self) -> int:
        """The most rows of a page."""
        return self._page_rows

    @property
    def asks_keys_only(self) -> bool:
        """Whether the list is asked for what it positions by and nothing else."""
        return bool(self._fields) and {*self._fields} <= {*self._route.position.values()}

    def is_filtered(self, inputs: ChainInputs) -> bool:
        """Whether the chain brings changes only."""
        return self._filters_changes and inputs.window.start is not None

    def goes_by_span(self, inputs: ChainInputs) -> bool:
        """Whether the chain goes by spans of change days."""
        return self._between is not None and inputs.span.first is not None

    def keys(self, inputs: ChainInputs, limit: int) -> pa.Table:
        """What the list positions by, of at most ``limit`` of the chain's rows in one answer: for counting."""
        call = replace(
            self._page_call(inputs, self._start(None, inputs), limit),
            columns=tuple(self._route.position.values()),
        )
        return self._api.rows(call, Meter())

    def span_keys(self, inputs: ChainInputs, limit: int, modified: str | None) -> pa.Table:
        """The same of a chain that goes by span, with the change date."""
        wanted = [*self._route.position.values(), *([modified] if modified else [])]
        call = replace(self._span_call(inputs, inputs.span, limit), columns=tuple(wanted))
        return self._api.rows(call, Meter())

    def pages(self, inputs: ChainInputs, position: str | None) -> Iterator[Page]:
        """The pages of one chain after ``position``."""
        completions = [
            Completion(
                self._api,
                spec,
                company=self._company,
                division=inputs.division,
                chunk=self._bulk_chunk,
            )
            for spec in self._route.complete
        ]
        whole = "key" in parse_position(position)
        if self.goes_by_span(inputs) and not whole:
            raw = self._by_span(inputs, position)
        else:
            raw = self._by_key(inputs, position, Meter())
        for rows, meter, after in raw:
            yield page_of(self._records(rows, inputs, completions, meter), meter, after)

    def _records(
        self, rows: pa.Table, inputs: ChainInputs, completions: Sequence[Completion], meter: Meter
    ) -> pa.Table:
        whole = not self.is_filtered(inputs) and not self._route.children
        rows = with_constants(rows, inputs.constants)
        for spec in self._route.children:
            rows = children_of(
                self._api, spec, rows, company=self._company, division=inputs.division, meter=meter
            )
        for completion in completions:
            rows = completion.apply(rows, meter, whole=whole)
        rows = renamed(rows, self._route.names)
        if inputs.division is not None and not self._route.children and "DIVI" in rows.column_names:
            # Some lists fall back to the common rows where a division has none: those have a chain of their own.
            rows = rows.filter(pc.equal(keys_of(rows, ("DIVI",)), inputs.division))
        return with_constants(
            rows,
            {name: inputs.fixed[name] for name in self._route.keep_inputs if name in inputs.fixed},
        )

    def _by_key(
        self, inputs: ChainInputs, position: str | None, meter: Meter
    ) -> Iterator[tuple[pa.Table, Meter, str | None]]:
        fields = tuple(self._route.position.values())
        state = parse_position(position)
        after: tuple[str, ...] | None = tuple(state["key"]) if "key" in state else None
        stop = state.get("stop") or self._first_key_from(inputs.until, inputs, meter)
        seen = {after}
        while True:
            start = self._start(after, inputs)
            rows, cut = self._page(inputs, start, meter)
            last = key_at(rows, fields, -1) if rows.num_rows else None
            if cut and last in seen:
                # Perhaps the gateway gave an old answer: once more, then it is M3 that does not move on.
                rows, cut = self._page(inputs, start, meter)
                last = key_at(rows, fields, -1) if rows.num_rows else None
                if cut and last in seen:
                    raise self._no_progress(after, rows.num_rows)
            fresh = _without_repeated(rows, fields, after) if self._positions_identify else rows
            if stop is not None and rows.num_rows:
                place = pc.index(keys_of(fresh, fields), stop).as_py() if fresh.num_rows else -1
                if place >= 0:
                    fresh, cut = fresh.slice(0, place), False
            onward = None
            if cut and last is not None:
                seen.add(last)
                after = last
                onward = position_text(key=last, **({} if stop is None else {"stop": stop}))
            yield fresh, meter, onward
            if onward is None:
                return
            meter = Meter()

    def _by_span(
        self, inputs: ChainInputs, position: str | None
    ) -> Iterator[tuple[pa.Table, Meter, str | None]]:
        state = parse_position(position)
        waiting = parse_spans(state["spans"]) if "spans" in state else [inputs.span]
        waiting.reverse()
        meter = Meter()
        while waiting:
            span = waiting.pop()
            rows = self._api.rows(self._span_call(inputs, span), meter)
            if self._api.is_cut(rows.num_rows, self._page_rows):
                halves = span.halves()
                if halves is None:
                    # More changed on one day than one answer holds (a mass update): the list read whole
                    # has all of it, and unchanged rows fall out by content.
                    yield from self._by_key(inputs, None, meter)
                    return
                waiting += reversed(halves)
                continue
            yield rows, meter, position_text(spans=spans_text(waiting[::-1])) if waiting else None
            meter = Meter()

    def _page(
        self, inputs: ChainInputs, start: Mapping[str, str], meter: Meter
    ) -> tuple[pa.Table, bool]:
        call = self._page_call(inputs, start)
        kept = self._kept.pop(call.path, None)
        if kept is None:
            rows = self._api.rows(call, meter)
        else:
            rows, earlier = kept
            meter.add_all(earlier)
        return rows, self._api.is_cut(rows.num_rows, self._page_rows)

    def _page_call(
        self, inputs: ChainInputs, start: Mapping[str, str], limit: int | None = None
    ) -> ListCall:
        values = {**inputs.fixed, **start, **self._since(inputs.window)}
        return self._call(self._route.transaction, values, inputs, limit)

    @property
    def _between(self) -> ChangedBetween | None:
        return self._route.changed_between if self._filters_changes else None

    def _span_call(self, inputs: ChainInputs, span: Span, limit: int | None = None) -> ListCall:
        between = self._between
        if between is None:
            raise ValueError(f"{self._route.label} knows no span of change days")
        days = {between.last: day_text(span.last)}
        if span.first is not None:
            days[between.first] = day_text(span.first)
        transaction = between.transaction or self._route.transaction
        return self._call(transaction, {**inputs.fixed, **days}, inputs, limit)

    def _call(
        self,
        transaction: str,
        values: Mapping[str, str],
        inputs: ChainInputs,
        limit: int | None = None,
    ) -> ListCall:
        return ListCall(
            program=self._route.program,
            transaction=transaction,
            company=self._company,
            division=inputs.division,
            inputs=values,
            maxrecs=limit or self._page_rows,
            columns=self._fields,
        )

    def _start(self, after: tuple[str, ...] | None, inputs: ChainInputs) -> Mapping[str, str]:
        if after is not None:
            return {
                name: value
                for name, value in zip(self._route.position, after, strict=True)
                if value
            }
        if inputs.first is not None:
            return {next(iter(self._route.position)): inputs.first}
        return self._route.start

    def _since(self, window: Window) -> Mapping[str, str]:
        since: ChangedSince | None = self._route.changed_since if self._filters_changes else None
        if since is None or window.start is None:
            return {}
        midnight = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
        if since.unit is StampUnit.DATE:
            return {since.input: day_text(midnight.date())}
        return {since.input: str(int(midnight.timestamp()) * 1000)}

    def _first_key_from(self, key: str | None, inputs: ChainInputs, meter: Meter) -> str | None:
        """The first key that the next chain finds: this chain ends before it. None when there is none."""
        if key is None:
            return None
        name, field = next(iter(self._route.position.items()))
        call = self._call(
            self._route.transaction,
            {**inputs.fixed, name: key, **self._since(inputs.window)},
            inputs,
            limit=1,
        )
        rows = self._api.rows(call, meter)
        return key_at(rows, (field,), 0)[0] if rows.num_rows else None

    def _no_progress(self, after: tuple[str, ...] | None, rows: int) -> ContractError:
        return ContractError(
            f"{self._route.label}, company {self._company}: the page after key {list(after or ())} ends at a key that was there before "
            f"({rows:,} rows), so rows beyond it would be lost. The position in the catalog must name inputs that this "
            "transaction starts from and fields that identify a row"
        )


def _without_repeated(
    rows: pa.Table, fields: Sequence[str], after: tuple[str, ...] | None
) -> pa.Table:
    """A list starts at the key it is given: its first row was there already. More than one such row is not dropped: the key does not tell them apart."""
    if after is None or rows.num_rows == 0 or key_at(rows, fields, 0) != after:
        return rows
    if rows.num_rows > 1 and key_at(rows, fields, 1) == after:
        return rows
    return rows.slice(1)
