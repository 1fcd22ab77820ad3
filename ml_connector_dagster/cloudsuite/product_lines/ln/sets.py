"""An entity by an OData set: what to ask for, and changes by a modified property where the set has one.

Reference cloudsuite-api §4.1.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.ln import LnCatalog, LnEntity, SetRoute
from ml_connector_dagster.cloudsuite.pages import Page, Slice
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import OtherCount
from ml_connector_dagster.cloudsuite.product_lines.ln.answers import SetAnswer
from ml_connector_dagster.cloudsuite.product_lines.ln.places import Place, place_of
from ml_connector_dagster.cloudsuite.product_lines.ln.service import ODataService, SetCall
from ml_connector_dagster.cloudsuite.product_lines.ln.walks import SetWalk
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter, page_of
from ml_connector_dagster.cloudsuite.product_lines.refusals import NotThereError, RefusedError
from ml_connector_dagster.cloudsuite.product_lines.tables import renamed, with_constants
from ml_connector_dagster.cloudsuite.reckonings import Basis, Reckoned, page_sizes
from ml_connector_dagster.model.entities import ENTITIES
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
        self._service.begin()
        return [{}]

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of the set in key order."""
        meter = Meter()

        def ask(call: SetCall) -> SetAnswer:
            return self._ask(call, meter)

        base = self._call(chain.company, self._changed(chain))
        walk = SetWalk(ask=ask, base=base)
        place: Place | None = place_of(position)
        while place is not None:
            rows, place = walk.page(place)
            after = None if place is None else place.text()
            yield page_of(self._records(rows, chain.company), meter, after)
            meter = Meter()

    @property
    def setup_requests(self) -> int:
        """None."""
        return 0

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """By the ``$count`` of the read, with one row."""
        (chain,) = chains
        call = self._call(chain.company, self._changed(chain))
        counted = self._ask(replace(call, top=1, counted=True), Meter()).count
        rows = other() if counted is None else counted
        return Reckoned(
            rows=rows,
            requests=(
                len(page_sizes(rows or 0, self._page_rows, tells_end=call.counted, joined=True)),
            ),
            basis=Basis.UNKNOWN if rows is None else Basis.COUNTED,
            how="$count" if rows == counted else "COUNT(*) in the data lake",
        )

    def _ask(self, call: SetCall, meter: Meter) -> SetAnswer:
        try:
            return self._service.rows(call, meter)
        except (NotThereError, RefusedError):
            # Perhaps a property is gone since the metadata were read: they are read again next time.
            self._learned.take_back(self._question(call.company))
            raise

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


def _literal(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
