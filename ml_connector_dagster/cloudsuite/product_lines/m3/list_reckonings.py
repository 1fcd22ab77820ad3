"""What the chains of a list will take: its keys alone are asked for, and children of a few parents.

M3 tells neither how long a list is nor its last key (reference cloudsuite-api §2.8); with ``returncols`` an answer without
a limit is small. The arithmetic follows ``lists.py`` call by call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.routes import ListRoute
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.bulks import children_of
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import Span, day_text
from ml_connector_dagster.cloudsuite.product_lines.m3.lists import ChainInputs, ListReader
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    distinct_keys,
    keys_of,
    with_constants,
)
from ml_connector_dagster.cloudsuite.reckonings import COUNTED_ROWS, page_sizes, portions


#: Parents whose children are looked at: one bulk call.
SAMPLED_PARENTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainCount:
    """One chain. ``more``: there are more rows than were counted."""

    rows: int
    requests: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Below:
    """What stands below one parent, on average: rows of each level of children, and things to complete (one per Get).

    ``again``: further calls, because what is completed was completed for another chain: the answers look like old ones.
    """

    levels: tuple[float, ...]
    completed: tuple[float, ...]
    again: int


@dataclass(slots=True, kw_only=True)
class ListReckoner:
    """Reckons the chains of one read. ``modified``: the field with the change date."""

    api: M3Api
    route: ListRoute
    reader: ListReader
    company: str
    bulk_chunk: int
    modified: str | None
    _answers: dict[tuple[object, ...], tuple[object, ...]] = field(default_factory=dict)

    def counted(self, inputs: ChainInputs) -> ChainCount:
        """One chain, by its own keys."""
        if self.reader.goes_by_span(inputs):
            return self._by_span(inputs)
        keys = self.reader.keys(inputs, COUNTED_ROWS)
        more = self.api.is_cut(keys.num_rows, COUNTED_ROWS)
        if inputs.until is not None and keys.num_rows:
            names = keys_of(keys, tuple(self.route.position.values())).to_pylist()
            inside = sum(name < inputs.until for name in names)
            more = more and inside == len(names)
            keys = keys.slice(0, inside)
        below = self._sampled(inputs, keys) if self.route.children and keys.num_rows else None
        counted = self.of_rows(keys.num_rows, inputs, below)
        again = self._pages_again(inputs, keys)
        return ChainCount(rows=counted.rows, requests=counted.requests + again, more=more)

    def of_rows(self, rows: int, inputs: ChainInputs, below: _Below | None = None) -> ChainCount:
        """A chain of ``rows`` rows that goes by key."""
        sizes = page_sizes(rows, self.reader.page_rows, joined=True, caps=self.api.caps)
        requests = len(sizes) + (inputs.until is not None)
        brought = 0.0
        for place, size in enumerate(sizes):
            fresh = size - (place > 0)  # a page begins with the last row of the one before
            if below is None:
                requests += sum(
                    self._completing(fresh, inputs, many=spec.many is not None)
                    for spec in self.route.complete
                )
                brought += fresh
                continue
            parents = float(size)
            for spec, level in zip(self.route.children, below.levels, strict=True):
                requests += portions(round(parents), spec.chunk)
                parents = size * level
            requests += sum(
                portions(round(fresh * things), self.bulk_chunk) for things in below.completed
            )
            brought += parents
        return ChainCount(
            rows=round(brought), requests=requests + (0 if below is None else below.again)
        )

    def _pages_again(self, inputs: ChainInputs, keys: pa.Table) -> int:
        """Pages that look like those of an earlier chain (the same accounts in two divisions) are asked for twice."""
        if not self.reader.asks_keys_only:
            return 0
        names = keys_of(keys, tuple(self.route.position.values())).to_pylist()
        sizes, start, again = page_sizes(len(names), self.reader.page_rows, joined=True), 0, 0
        for size in sizes:
            page = ("page", *names[start : start + size])
            again += self._looks_old(page, (inputs.division, *inputs.fixed.items()))
            start += size - 1
        return again

    def _looks_old(self, answer: tuple[object, ...], question: tuple[object, ...]) -> bool:
        return self._answers.setdefault(answer, question) != question

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
            counted = self.of_rows(keys.num_rows, inputs)
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

    def _sampled(self, inputs: ChainInputs, parents: pa.Table) -> _Below:
        """Children of parents from all over the list, and what of them is completed."""
        count = min(SAMPLED_PARENTS, parents.num_rows)
        places = [place * parents.num_rows // count for place in range(count)]
        rows = with_constants(parents.take(places), inputs.constants)
        share, levels = 1.0 / count, []
        for spec in self.route.children:
            looked_at = rows.slice(0, spec.chunk)
            share *= rows.num_rows / max(1, looked_at.num_rows)
            rows = children_of(
                self.api,
                spec,
                looked_at,
                company=self.company,
                division=inputs.division,
                meter=Meter(),
            )
            levels.append(rows.num_rows * share)
        wanted = [distinct_keys(rows, tuple(spec.key.values())) for spec in self.route.complete]
        # The same parents in another division have other things below them that are completed by the same values.
        names = keys_of(parents, tuple(self.route.position.values())).to_pylist()
        whole = count == parents.num_rows
        return _Below(
            levels=tuple(levels),
            completed=tuple(len(keys) * share for keys in wanted),
            again=sum(
                whole and bool(keys) and self._looks_old((place, len(keys), *names), tuple(keys))
                for place, keys in enumerate(wanted)
            ),
        )
