"""What the chains of a list will take: its keys alone are asked for, and children of a few parents.

M3 tells neither how long a list is nor its last key (reference cloudsuite-api §2.8); with ``returncols`` an answer without
a limit is small. The arithmetic follows ``lists.py`` call by call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.routes import ListRoute
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.beginnings import share_of
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import Span, day_text
from ml_connector_dagster.cloudsuite.product_lines.m3.children_counts import Below, sampled
from ml_connector_dagster.cloudsuite.product_lines.m3.lists import ChainInputs, ListReader
from ml_connector_dagster.cloudsuite.product_lines.tables import keys_of, with_constants
from ml_connector_dagster.cloudsuite.reckonings import COUNTED_ROWS, page_sizes, portions


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCount:
    """One chain. ``more``: there are more rows than were counted."""

    rows: int
    requests: int
    more: bool = False


@dataclass(slots=True, kw_only=True)
class ListReckoner:
    """Reckons the chains of one read. ``modified``: the field with the change date."""

    api: M3Api
    route: ListRoute
    reader: ListReader
    company: str
    bulk_chunk: int
    modified: str | None
    _parents: set[tuple[object, ...]] = field(default_factory=set)

    def counted(self, inputs: ChainInputs) -> ChainCount:
        """One chain, by its own keys."""
        if self.reader.goes_by_span(inputs):
            return self._by_span(inputs)
        if len(inputs.values) > 1:
            share = share_of(COUNTED_ROWS, len(inputs.values))
            counts = self.reader.counts(inputs, share)
            found = self.of_rows(counts, inputs)
            return replace(found, more=any(self.api.is_cut(one, share) for one in counts))
        keys = self.reader.keys(inputs, COUNTED_ROWS)
        more = self.api.is_cut(keys.num_rows, COUNTED_ROWS)
        if inputs.until is not None and keys.num_rows:
            names = keys_of(keys, tuple(self.route.position.values())).to_pylist()
            inside = sum(name < inputs.until for name in names)
            more = more and inside == len(names)
            keys = keys.slice(0, inside)
        if self.route.children:
            return replace(self._with_children(keys, inputs), more=more)
        return replace(self.of_rows([keys.num_rows], inputs), more=more)

    def of_rows(self, rows: Sequence[int], inputs: ChainInputs) -> ChainCount:
        """A chain that goes by key; ``rows``: of each of its lists."""
        requests = int(inputs.until is not None)
        for fresh in self._pages(rows, inputs):
            requests += 1 + sum(
                self._completing(fresh, inputs, many=spec.many is not None)
                for spec in self.route.complete
            )
        return ChainCount(rows=sum(rows), requests=requests)

    def _pages(self, rows: Sequence[int], inputs: ChainInputs) -> Iterator[int]:
        """Rows of each page that were not on the page before: one begins with the last row of the other."""
        page, caps = self.reader.page_rows, self.api.caps
        if len(inputs.values) < 2:
            sizes = page_sizes(sum(rows), page, joined=True, caps=caps)
            yield from (size - (place > 0) for place, size in enumerate(sizes))
            return
        share = share_of(page, len(inputs.values))
        begun = [min(one, share) for one in rows]
        yield sum(begun)
        for one, there in zip(rows, begun, strict=True):
            if self.api.is_cut(there, share):
                rest = page_sizes(one - there + 1, page, joined=True, caps=caps)
                yield from (size - 1 for size in rest)

    def _with_children(self, parents: pa.Table, inputs: ChainInputs) -> ChainCount:
        """Pages of parents, which chains may share, and what stands below those of each page."""
        known = (*sorted(inputs.fixed.items()), inputs.first, inputs.until)
        shared = known in self._parents
        self._parents.add(known)
        below = self._sampled(inputs, parents)
        asked: list[set[tuple[object, ...]]] = [set() for _ in self.route.complete]
        requests, rows, start = int(inputs.until is not None), 0.0, 0
        for place, fresh in enumerate(self._pages([parents.num_rows], inputs)):
            requests += not shared
            repeated = int(place > 0 and not self.reader.leaves_out_repeated)
            page = range(start - repeated, start + fresh)
            start += fresh
            number: float = len(page)
            for spec, level in zip(self.route.children, below.levels, strict=True):
                requests += portions(round(number), spec.chunk)
                number = sum(level[below.like(parent)] for parent in page)
            for known_ones, keys in zip(asked, below.completed, strict=True):
                wanted = {
                    key for parent in page for key in below.keys_of(parent, keys)
                } - known_ones
                known_ones |= wanted
                requests += portions(len(wanted), self.bulk_chunk)
            rows += number
        return ChainCount(rows=round(rows), requests=requests)

    def _sampled(self, inputs: ChainInputs, parents: pa.Table) -> Below:
        return sampled(
            self.api,
            self.route,
            with_constants(parents, inputs.constants),
            company=self.company,
            division=inputs.division,
        )

    def _completing(self, rows: int, inputs: ChainInputs, *, many: bool) -> int:
        """Calls that bring the fields which the list lacks."""
        if many and rows > self.bulk_chunk and not self.reader.is_filtered(inputs):
            return 1
        return portions(rows, self.bulk_chunk)

    def _by_span(self, inputs: ChainInputs) -> ChainCount:
        """Spans of days are halved until none is cut: how the changes lie over the days decides."""
        found = self.reader.span_keys(inputs, COUNTED_ROWS, self.modified)
        more = self.api.is_cut(found.num_rows, COUNTED_ROWS)
        days: Sequence[str] = [""] * found.num_rows
        if self.modified is not None and self.modified in found.column_names:
            days = [day or "" for day in found.column(self.modified).to_pylist()]
        requests, whole = self._halved(inputs.span, days)
        if whole:
            keys = self.reader.keys(inputs, COUNTED_ROWS)
            counted = self.of_rows([keys.num_rows], inputs)
            more = self.api.is_cut(keys.num_rows, COUNTED_ROWS)
            return ChainCount(rows=counted.rows, requests=requests + counted.requests, more=more)
        return ChainCount(rows=found.num_rows, requests=requests, more=more)

    def _halved(self, span: Span, days: Sequence[str]) -> tuple[int, bool]:
        """Requests for ``span``, and whether one of its days alone is too much."""
        first = "" if span.first is None else day_text(span.first)
        inside = [day for day in days if not day or first <= day <= day_text(span.last)]
        if not self.api.is_cut(len(inside), self.reader.page_rows):
            return 1, False
        halves = span.halves()
        if halves is None or not any(inside):
            return 1, True
        (left, left_whole), (right, right_whole) = (self._halved(half, inside) for half in halves)
        return 1 + left + right, left_whole or right_whole
