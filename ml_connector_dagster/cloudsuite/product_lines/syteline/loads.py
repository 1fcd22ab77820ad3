"""An entity by ``load`` of its IDOs: pages by bookmark, changes by RecordDate (reference cloudsuite-api §3.3, §3.5)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.syteline import IdoPart, LoadRoute, SyteLineEntity
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.clocks import wall_clock
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import NotThereError
from ml_connector_dagster.cloudsuite.product_lines.syteline.answers import IdoAnswer
from ml_connector_dagster.cloudsuite.product_lines.syteline.service import IdoService, LoadCall
from ml_connector_dagster.cloudsuite.product_lines.tables import renamed, with_constants
from ml_connector_dagster.cloudsuite.reckonings import COUNTED_ROWS, Basis, Reckoned, page_sizes
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.windows import Window


class LoadReader:
    """``RouteReader`` of one load route of one entity."""

    def __init__(
        self,
        service: IdoService,
        learned: Learned,
        name: str,
        entity: SyteLineEntity,
        route: LoadRoute,
        *,
        zone: ZoneInfo,
        page_rows: int,
    ) -> None:
        self._service = service
        self._learned = learned
        self._keys = tuple(entity.fields[key].source for key in ENTITIES[name].key)
        self._blank_keys = {entity.fields[key].source for key in ENTITIES[name].blank_key}
        self._entity = entity
        self._route = route
        self._zone = zone
        self._page_rows = min(page_rows, route.page_rows or page_rows)

    @property
    def label(self) -> str:
        return self._route.label

    def check(self, company: str) -> None:
        """One row of each IDO; a property that a key needs must be there."""
        for part in self._route.idos:
            known = self._known(part.ido, company)
            for source in self._keys:
                name = part.names.get(source, source)
                if (
                    known
                    and name not in known
                    and source not in {*part.constants, *self._blank_keys}
                ):
                    raise NotThereError(
                        f"IDO {part.ido} of this tenant has no property {name}, which the key needs"
                    )
            self._service.load(self._call(part, company, "", None, rows=1), Meter())

    def reads_whole(self, company: str) -> bool:
        return any(self._stamp(part, company) is None for part in self._route.idos)

    def empty_columns(self, company: str) -> tuple[str, ...]:
        empty = [
            column
            for part in self._route.idos
            if (known := self._known(part.ido, company))
            for column, spec in self._entity.all_fields.items()
            if spec.source not in part.constants
            and part.names.get(spec.source, spec.source) not in known
        ]
        return tuple(dict.fromkeys(empty))

    def chains(self, company: str, window: Window) -> Iterable[Mapping[str, str]]:
        """One chain per IDO."""
        self._service.begin()
        return [{"ido": part.ido} for part in self._route.idos]

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of one IDO; a position is the bookmark after which it goes on."""
        part = self._part(chain)
        condition = self._changed(part, chain)
        seen = {position}
        while True:
            meter = Meter()
            call = self._call(part, chain.company, condition, position)
            answer = self._page(call, meter, seen, part)
            position = answer.bookmark if answer.more else None
            seen.add(position)
            yield page_of(self._records(answer, part), meter, position)
            if position is None:
                return

    @property
    def setup_requests(self) -> int:
        """None."""
        return 0

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """By one property of the rows of each IDO; ``MoreRowsExist`` tells where pages end."""
        counts, more = [], False
        for chain in chains:
            part = self._part(chain)
            call = self._call(
                part, chain.company, self._changed(part, chain), None, rows=COUNTED_ROWS
            )
            answer = self._service.load(replace(call, properties=call.order_by[-1:]), Meter())
            counts.append(answer.records.num_rows)
            more = more or answer.more
        elsewhere = other() if more and len(chains) == 1 else None
        if elsewhere is not None:
            counts, more = [max(elsewhere, *counts)], False
        return Reckoned(
            rows=sum(counts),
            requests=tuple(
                len(page_sizes(rows, self._page_rows, tells_end=True)) for rows in counts
            ),
            basis=Basis.AT_LEAST if more else Basis.COUNTED,
            how="one property of each row" if elsewhere is None else "COUNT(*) in the data lake",
        )

    def _part(self, chain: Slice) -> IdoPart:
        wanted = dict(chain.arguments)["ido"]
        part = next((one for one in self._route.idos if one.ido == wanted), None)
        if part is None:
            raise NotThereError(f"{self.label}: the catalog names no IDO {wanted!r} any more")
        return part

    def _page(
        self, call: LoadCall, meter: Meter, seen: set[str | None], part: IdoPart
    ) -> IdoAnswer:
        try:
            answer = self._service.load(call, meter)
            if answer.more and answer.bookmark in seen:
                # Perhaps a cache on the way gave an old answer: once more, then it is the IDO that does not move on.
                answer = self._service.load(call, meter)
        except NotThereError:
            self._learned.take_back(_question(part.ido, call.company))
            raise
        if answer.more and (answer.bookmark in {*seen, None} or answer.records.num_rows == 0):
            raise ContractError(
                f"{call}: more rows exist, but the bookmark does not move on, so they would be lost. The properties of "
                f"order_by in the catalog ({', '.join(call.order_by)}) must tell rows apart"
            )
        return answer

    def _call(
        self, part: IdoPart, company: str, condition: str, bookmark: str | None, *, rows: int = 0
    ) -> LoadCall:
        conditions = [one for one in (self._route.filter, part.filter, condition) if one]
        known = self._known(part.ido, company)
        return LoadCall(
            ido=part.ido,
            company=company,
            properties=self._properties(part, known),
            filter=" and ".join(f"({one})" for one in conditions),
            order_by=tuple(name for name in self._route.order_by if not known or name in known),
            rows=rows or self._page_rows,
            bookmark=bookmark,
        )

    def _properties(self, part: IdoPart, known: frozenset[str]) -> tuple[str, ...]:
        """What to ask for: one unknown property fails the whole load. None: all there are."""
        if self._route.fields == "*":
            return ()
        sources = [spec.source for spec in self._entity.all_fields.values()]
        wanted = [part.names.get(source, source) for source in sources]
        wanted += [self._entity.modified] if self._entity.modified else []
        wanted += self._route.fields
        constant = set(part.constants)
        return tuple(
            name
            for name in dict.fromkeys(wanted)
            if name not in constant and (not known or name in known)
        )

    def _changed(self, part: IdoPart, chain: Slice) -> str:
        """The window in the site's own time. A row that was never stamped belongs to what is open to the past."""
        stamp = self._stamp(part, chain.company)
        if stamp is None:
            return ""
        clock = wall_clock(chain.window, self._zone)
        until = f"{stamp} < '{_literal(clock.until + timedelta(microseconds=999))}'"
        if clock.first is None:
            return f"{until} or {stamp} is null"
        return f"{stamp} >= '{_literal(clock.first)}' and {until}"

    def _stamp(self, part: IdoPart, company: str) -> str | None:
        known = self._known(part.ido, company)
        stamp = self._entity.modified
        return stamp if stamp is not None and (not known or stamp in known) else None

    def _known(self, ido: str, company: str) -> frozenset[str]:
        """The IDO's properties; empty when the tenant does not tell."""
        found = self._learned.recall(
            _question(ido, company),
            lambda: sorted(self._service.properties(ido, company) or ()),
        )
        return frozenset(found)

    def _records(self, answer: IdoAnswer, part: IdoPart) -> pa.Table:
        rows = renamed(answer.records, part.names)
        for source in self._keys:
            missing = source not in {*rows.column_names, *part.constants, *self._blank_keys}
            if rows.num_rows and missing:
                raise ContractError(
                    f"load {part.ido}: the rows have no property {part.names.get(source, source)}, which was asked for"
                )
        return with_constants(rows, part.constants)


def _question(ido: str, company: str) -> str:
    return f"properties/{company}/{ido}"


def _literal(moment: datetime) -> str:
    return f"{moment:%Y%m%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
