"""An entity by an OData set: pages by next link or ``$skip``, changes by a modified property where the set has one.

Reference cloudsuite-api §4.1. ``$skip`` counts rows, and rows come and go while a set is read: so each page begins with
the last row of the one before, and where that is not so the reader goes back until it finds its place again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.ln import LnCatalog, LnEntity, SetRoute
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.ln.answers import SetAnswer
from ml_connector_dagster.cloudsuite.product_lines.ln.places import TAIL, Key, Place, place_of
from ml_connector_dagster.cloudsuite.product_lines.ln.service import ODataService, SetCall
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import NotThereError, RefusedError
from ml_connector_dagster.cloudsuite.product_lines.tables import column, renamed, with_constants
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.windows import Window


class SetReader:
    """``RouteReader`` of one entity set."""

    def __init__(
        self,
        service: ODataService,
        learned: Learned,
        catalog: LnCatalog,
        name: str,
        route: SetRoute,
        *,
        page_rows: int,
    ) -> None:
        self._service = service
        self._learned = learned
        self._catalog = catalog
        self._entity: LnEntity = catalog.entities[name]
        self._name = name
        self._route = route
        # A page begins with the last row of the one before: a page of one row would never get on.
        self._page_rows = max(2, min(page_rows, route.page_rows or page_rows))

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """One row; a property that a key needs must be there."""
        known = self._known(company)
        if known is not None:
            entity = ENTITIES[self._name]
            for key in entity.key:
                source = self._entity.fields[key].source
                name = self._route.names.get(source, source)
                given = name in known or source in self._route.constants or key in entity.blank_key
                if not given:
                    raise NotThereError(
                        f"set {self._route.set} of {self._route.service} has no property {name}, which the key needs"
                    )
        self._service.rows(replace(self._call(company, ""), top=1), Meter())

    def reads_whole(self, company: str) -> bool:
        return self._stamp(company) is None

    def empty_columns(self, company: str) -> tuple[str, ...]:
        known = self._known(company)
        if known is None:
            return ()
        return tuple(
            column
            for column, spec in self._entity.all_fields.items()
            if spec.source not in self._route.constants
            and self._route.names.get(spec.source, spec.source) not in known
        )

    def chains(self, company: str, window: Window) -> Iterable[Mapping[str, str]]:
        """One chain."""
        return [{}]

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of the set in key order."""
        base = self._call(chain.company, self._changed(chain))
        place: Place | None = place_of(position)
        while place is not None:
            meter = Meter()
            rows, place = self._page(base, place, meter)
            yield page_of(
                self._records(rows, chain.company),
                meter,
                None if place is None else place.text(),
            )

    def _page(self, base: SetCall, place: Place, meter: Meter) -> tuple[pa.Table, Place | None]:
        """The rows from ``place`` on, and where to go on after them."""
        if place.link is not None:
            answer = self._ask(replace(base, link=place.link), meter)
            return self._rows_and_next(base, place, answer, answer.records, place.left)
        back = 1
        skip = place.skip
        while True:
            answer = self._ask(replace(base, skip=skip), meter)
            rows = answer.records
            met = self._meeting(rows, place.tail)
            if met is not None or skip == 0:
                break
            # Rows before this place have gone, or come: look for it further ahead of where it was.
            back *= 2
            skip = max(0, skip - back * base.top)
        fresh = rows.slice(0 if met is None else met + 1)
        return self._rows_and_next(base, replace(place, skip=skip), answer, fresh, base.top)

    def _rows_and_next(
        self, base: SetCall, place: Place, answer: SetAnswer, fresh: pa.Table, asked: int
    ) -> tuple[pa.Table, Place | None]:
        count = answer.records.num_rows
        reached = place.skip + count
        tail = (*place.tail, *self._keys(fresh))[-TAIL:]
        if answer.link is not None:
            if fresh.num_rows == 0:
                raise self._no_progress(base, reached)
            return fresh, Place(skip=reached, tail=tail, link=answer.link, left=asked - count)
        # A server may end a page early without a word; where it says how many rows there are, that decides.
        more = reached < answer.count if answer.count is not None else 0 < asked <= count
        if not more:
            return fresh, None
        if fresh.num_rows == 0:
            raise self._no_progress(base, reached)
        return fresh, Place(skip=reached - 1, tail=tail)

    def _ask(self, call: SetCall, meter: Meter) -> SetAnswer:
        try:
            return self._service.rows(call, meter)
        except (NotThereError, RefusedError):
            # Perhaps a property is gone since the metadata were read: they are read again next time.
            self._learned.take_back(self._question(call.company))
            raise

    def _meeting(self, rows: pa.Table, tail: Sequence[Key]) -> int | None:
        """The row of a page that was the last one known before; None when the page has no such row."""
        if not tail:
            return None
        places = {key: index for index, key in enumerate(self._keys(rows))}
        return next((places[key] for key in reversed(tail) if key in places), None)

    def _keys(self, rows: pa.Table) -> list[Key]:
        if rows.num_rows == 0:
            return []
        columns = [column(rows, name).to_pylist() for name in self._route.key]
        return [tuple(str(part) for part in key) for key in zip(*columns, strict=True)]

    def _call(self, company: str, changed: str) -> SetCall:
        conditions = [one for one in (self._route.filter, changed) if one]
        return SetCall(
            service=self._route.service,
            set=self._route.set,
            company=company,
            select=self._properties(company),
            filter=" and ".join(f"({one})" for one in conditions),
            order_by=self._route.key,
            top=self._page_rows,
            counted=self._catalog.counts,
        )

    def _properties(self, company: str) -> tuple[str, ...]:
        """What to ask for: one unknown property fails the whole query. None: all there are."""
        if self._route.fields == "*":
            return ()
        known = self._known(company)
        stamp = self._stamp(company)
        sources = [spec.source for spec in self._entity.all_fields.values()]
        wanted = [*self._route.key, *(self._route.names.get(name, name) for name in sources)]
        wanted += [*self._route.fields, *([] if stamp is None else [stamp])]
        return tuple(
            name
            for name in dict.fromkeys(wanted)
            if name not in self._route.constants and (known is None or name in known)
        )

    def _stamp(self, company: str) -> str | None:
        """The property with the time of the last change, when the set has one."""
        known = self._known(company)
        named = self._route.modified
        if named is not None or self._entity.modified is None or known is None:
            return named if known is None or named in known else None
        for pattern in self._catalog.modified_like:
            for name in known:
                if re.fullmatch(pattern, name, re.IGNORECASE):
                    return name
        return None

    def _changed(self, chain: Slice) -> str:
        """The window in whole seconds of UTC. A row that was never stamped belongs to what is open to the past."""
        stamp = self._stamp(chain.company)
        if stamp is None:
            return ""
        until = f"{stamp} lt {_literal(chain.window.end + timedelta(microseconds=999_999))}"
        if chain.window.start is None:
            return f"{until} or {stamp} eq null"
        return f"{stamp} ge {_literal(chain.window.start)} and {until}"

    def _known(self, company: str) -> tuple[str, ...] | None:
        """The set's properties; None when the service's metadata do not describe it."""
        sets = self._learned.recall(
            self._question(company),
            lambda: {
                name: list(found)
                for name, found in self._service.sets(self._route.service, company).items()
            },
        )
        found = sets.get(self._route.set)
        if found is None and sets:
            raise NotThereError(f"service {self._route.service} has no set {self._route.set}")
        return None if found is None else tuple(found)

    def _question(self, company: str) -> str:
        return f"metadata/{company}/{self._route.service}"

    def _records(self, rows: pa.Table, company: str) -> pa.Table:
        stamp = self._stamp(company)
        names = dict(self._route.names)
        if stamp is not None and self._entity.modified is not None:
            names[self._entity.modified] = stamp
        return with_constants(renamed(rows, names), self._route.constants)

    def _no_progress(self, base: SetCall, reached: int) -> ContractError:
        return ContractError(
            f"{base}: more rows exist after {reached:,}, but none of them comes, so they would be lost. The key in the "
            f"catalog ({', '.join(self._route.key)}) must tell rows apart"
        )


def _literal(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
