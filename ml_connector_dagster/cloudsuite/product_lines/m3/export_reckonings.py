"""What the chains of an EXPORTMI route will take: keys and change dates of all their rows are asked for, once per table.

The arithmetic follows ``exports.py`` call by call. Three things are not known and left out: rows of another chain that stand
between the keys of a long page; pages of which a text holds the separator, which are asked for with another one; and that a
tenant knows no ORDER BY, so that spans of days are halved.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import Span, day_text
from ml_connector_dagster.cloudsuite.product_lines.m3.exports import ExportReader
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import Selected, TablePart, Where
from ml_connector_dagster.cloudsuite.product_lines.tables import distinct_keys, keys_of
from ml_connector_dagster.cloudsuite.reckonings import (
    Basis,
    Reckoned,
    asked_twice,
    page_sizes,
    portions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChain:
    """One chain: its ``arguments`` (``by`` names the table whose changes lead), and its days."""

    arguments: Mapping[str, str]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leading:
    """Rows of the leading table in one chain, and the keys by which a further table is read."""

    rows: int
    keys: Mapping[str, frozenset[tuple[str, ...]]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ExportReckoner:
    """Reckons the chains of one read. ``ask`` brings columns of a table's rows; ``other`` is another count of them."""

    api: M3Api
    reader: ExportReader
    ask: Callable[[TablePart, Where], Selected]
    other: Callable[[], int | None]

    def reckon(self, chains: Sequence[ExportChain]) -> Reckoned:
        """All chains of one read."""
        tables: dict[str | None, Selected] = {}
        for chain in chains:
            by = chain.arguments.get("by")
            if by not in tables:
                mates = [one for one in chains if one.arguments.get("by") == by]
                tables[by] = self._columns(by, mates)
        if any(found.cut for found in tables.values()):
            total = self.other()
            if total is not None:
                return self._spread(chains, total)
        leading = [self._leading(chain, tables[chain.arguments.get("by")].rows) for chain in chains]
        again = asked_twice([one.rows == 0 for one in leading])
        requests, rows = [], 0
        for chain, lead, repeated in zip(chains, leading, again, strict=True):
            mate = self._mate(chain, chains, leading)
            took, brought = self._chain(chain, lead, mate)
            requests.append(took + repeated)
            rows += brought
        cut = any(found.cut for found in tables.values())
        return Reckoned(
            rows=rows,
            requests=tuple(requests),
            basis=Basis.AT_LEAST if cut else Basis.COUNTED,
            how="keys and change dates by EXPORTMI",
        )

    def _spread(self, chains: Sequence[ExportChain], total: int) -> Reckoned:
        """How many rows there are is known, and not in which chain: taken to be spread evenly."""
        each = portions(total, len(chains))
        return Reckoned(
            rows=total,
            requests=tuple(self._chain(one, _Leading(rows=each), None)[0] for one in chains),
            basis=Basis.SAMPLED if len(chains) > 1 else Basis.COUNTED,
            how="COUNT(*) in the data lake",
        )

    def _columns(self, by: str | None, chains: Sequence[ExportChain]) -> Selected:
        """What tells the chains of one leading table apart, of all of them together."""
        lead = self.reader.lead(by)
        stamp = [self.reader.modified] if self.reader.modified else []
        told = [name for chain in chains for name in chain.arguments if name in lead.types]
        division = ["DIVI"] if any("division" in chain.arguments for chain in chains) else []
        keys = [name for lookup in self.reader.lookups for name in lookup.by]
        fields = tuple(dict.fromkeys([*division, *told, *keys, *stamp])) or lead.key[:1]
        firsts = [chain.span.first for chain in chains]
        known = [first for first in firsts if first is not None]
        span = Span(
            first=min(known) if len(known) == len(firsts) else None,
            last=max(chain.span.last for chain in chains),
        )
        part = TablePart(
            table=lead.table, prefix=lead.prefix, key=lead.key, fields=fields, types=lead.types
        )
        return self.ask(part, self.reader.conditions(lead, span, told))

    def _leading(self, chain: ExportChain, rows: pa.Table) -> _Leading:
        if rows.num_rows:
            keep = [True] * rows.num_rows
            for name, wanted in self._tells(chain).items():
                values = keys_of(rows, (name,)).to_pylist()
                keep = [
                    so_far and wanted(value) for so_far, value in zip(keep, values, strict=True)
                ]
            rows = rows.filter(pa.array(keep))
        return _Leading(
            rows=rows.num_rows,
            keys={
                lookup.table: frozenset(distinct_keys(rows, lookup.by))
                for lookup in self.reader.lookups
            },
        )

    def _tells(self, chain: ExportChain) -> Mapping[str, Callable[[str], bool]]:
        """Field → whether a value of it belongs to the chain."""
        tells: dict[str, Callable[[str], bool]] = {}
        lead = self.reader.lead(chain.arguments.get("by"))
        for name, value in chain.arguments.items():
            column = "DIVI" if name == "division" else name
            if column in lead.types:
                tells[column] = value.__eq__
        first = "" if chain.span.first is None else day_text(chain.span.first)
        last = day_text(chain.span.last)
        if self.reader.modified:
            # A blank date is 0 and belongs to what is open to the past.
            tells[self.reader.modified] = lambda day: first <= day.strip().zfill(8) <= last
        return tells

    @staticmethod
    def _mate(
        chain: ExportChain, chains: Sequence[ExportChain], leading: Sequence[_Leading]
    ) -> _Leading | None:
        """The chain of the same days that the main table leads; None for that one itself."""
        if "by" not in chain.arguments:
            return None
        same = {name: value for name, value in chain.arguments.items() if name != "by"}
        return next(
            one for other, one in zip(chains, leading, strict=True) if other.arguments == same
        )

    def _chain(self, chain: ExportChain, lead: _Leading, mate: _Leading | None) -> tuple[int, int]:
        """Requests and rows of one chain."""
        by = chain.arguments.get("by")
        if by is None:
            sizes = self._pages(lead.rows)
            return sum(1 + self._further(size, lead) for size in sizes), lead.rows
        return self._chain_of_changes(by, lead, mate)

    def _chain_of_changes(self, by: str, lead: _Leading, mate: _Leading | None) -> tuple[int, int]:
        """A chain that a further table leads: its changed rows, the main table's rows below them, and what completes those."""
        keys = max(1, len(lead.keys.get(by, ())))
        # How many rows stand below one of the further table's: as in the changes of the main table, if there are some.
        below = mate.rows / max(1, len(mate.keys.get(by, ()))) if mate and mate.rows else 1.0
        same = mate is not None and mate.rows > 0 and mate.keys.get(by) == lead.keys.get(by)
        requests = 0
        for size in self._pages(lead.rows):
            requests += 1
            if size:
                rows = round(size * below)
                brought = _Leading(
                    rows=rows, keys={by: frozenset(list(lead.keys.get(by, ()))[:size])}
                )
                requests += self._matching(rows, unique=False)
                requests += self._further(rows, brought, led_by=by)
                # Where both tables changed together, both bring what the main table's own chain has brought: answers that
                # have been there are asked for again.
                requests += 2 * same
        return requests, round(keys * below) if lead.rows else 0

    def _pages(self, rows: int) -> tuple[int, ...]:
        caps = self.api.caps
        both = {*caps, *(cap - 1 for cap in caps)}  # the header counts as a row
        return page_sizes(rows, self.reader.page_rows, caps=both)

    def _further(self, rows: int, lead: _Leading, led_by: str | None = None) -> int:
        """What completes a page of ``rows``: further columns of the main table, and further tables.

        ``led_by``: the further table whose first columns are there already, because it leads.
        """
        if rows == 0:
            return 0
        more = (len(self.reader.parts) - 1) * self._matching(rows, unique=True)
        for lookup in self.reader.lookups:
            share = rows / lead.rows if lead.rows else 0
            keys = (
                max(1, round(len(lead.keys.get(lookup.table, ())) * share)) if lead.keys else rows
            )
            unique = tuple(lookup.by) == tuple(lookup.key)
            parts = len(self.reader.lookup_parts(lookup.table)) - (lookup.table == led_by)
            more += parts * self._matching(keys, unique=unique)
        return more

    def _matching(self, rows: int, *, unique: bool) -> int:
        """Selects for the rows of given keys; where a key has one row, reading stops when each has its own."""
        if unique:
            return max(1, portions(rows, self.reader.page_rows))
        return len(page_sizes(rows, self.reader.page_rows, caps=self.api.caps))
