"""A product line whose entities each have routes: chooses the first that the tenant has, and hands the reading to it.

What a route is (an IDO, an OData set, a table of the lake) is the reader's own; this module knows none of them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog
from ml_connector_dagster.cloudsuite.pages import Page, RouteReport, Slice
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    ROUTE_REFUSALS,
    AuthorityError,
    NotThereError,
)
from ml_connector_dagster.cloudsuite.reckonings import Reckoned, Reckoning
from ml_connector_dagster.columns.layouts import Layout
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, CredentialError, TransientError
from ml_connector_dagster.model.windows import Window


#: Rows of a window by another count (the lake's), asked only when it is called; None when there is none.
OtherCount = Callable[[], int | None]


class RouteReader(Protocol):
    """One route of one entity. Thread-safe."""

    @property
    def label(self) -> str:
        """For people: ``load SLVendors``."""
        ...

    def check(self, company: str) -> None:
        """Try it, with a row at most. Raises one of ``ROUTE_REFUSALS`` when it cannot serve this company.

        Any other error is not about the route: ConfigError for a company that does not exist.
        """
        ...

    def reads_whole(self, company: str) -> bool:
        """Whether it knows no change filter there, so that every read is of everything."""
        ...

    def empty_columns(self, company: str) -> tuple[str, ...]:
        """Columns that it cannot fill there, because the tenant lacks the field that the catalog names."""
        ...

    def chains(self, company: str, window: Window) -> Iterable[Mapping[str, str]]:
        """The arguments of each chain of pages that together cover ``window``."""
        ...

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """As ``ProductLine.pages``."""
        ...

    @property
    def setup_requests(self) -> int:
        """Requests that each process makes once for a company before ``chains`` are known."""
        ...

    def reckon(self, chains: Sequence[Slice], other: OtherCount) -> Reckoned:
        """What ``chains``, all those of one window, will take. ``other`` is asked where the route cannot count."""
        ...


class LakeRoute(RouteReader, Protocol):
    """A route for a lot at once, from a copy of the ERP that may be a little behind."""

    @property
    def lag(self) -> timedelta:
        """How far what it reads may be behind the ERP."""
        ...

    @property
    def use(self) -> str:
        """For what it is taken although others stand above it: ``first loads of 50,000 rows and more``; "" for nothing."""
        ...

    def leads(self, company: str, window: Window) -> bool:
        """Whether it is to be taken for ``window`` before the routes that stand above it."""
        ...

    def count(self, company: str, window: Window) -> int:
        """Rows of ``window``. Raises one of ``ROUTE_REFUSALS`` when the lake cannot say."""
        ...


def digest_of(catalog: EntityCatalog[Any, Any]) -> str:
    """Short, and another for every change of an entity's catalog: what was learned holds for this one only."""
    return hashlib.sha256(catalog.model_dump_json().encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The routes of one entity, in order of preference; ``lakes`` are among them. ``digest`` changes with its catalog."""

    readers: Mapping[str, RouteReader]
    digest: str
    lakes: Mapping[str, LakeRoute] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        catalog: EntityCatalog[Any, Any],
        readers: Mapping[str, RouteReader],
        lakes: Mapping[str, LakeRoute],
    ) -> "Routes":
        """The readers of all routes by name, in any order: ``lakes`` of those that go through the data lake."""
        every = {**readers, **lakes}
        return cls(
            readers={name: every[name] for name, _ in catalog.ordered_routes},
            digest=digest_of(catalog),
            lakes=lakes,
        )


class RoutedLine:
    """``ProductLine`` over the routes of a catalog. Thread-safe."""

    def __init__(
        self,
        name: str,
        routes: Mapping[str, Routes],
        layouts: Mapping[str, Layout],
        learned: Learned,
    ) -> None:
        self._name = name
        self._routes = routes
        self._layouts = layouts
        self._learned = learned

    @property
    def name(self) -> str:
        return self._name

    def layout(self, entity: str) -> Layout:
        """One layout per entity, whatever the route."""
        self._known(entity)
        return self._layouts[entity]

    def slices(self, entity: str, company: str, window: Window) -> tuple[Slice, ...]:
        """The chains of a read. Raises CredentialError or ConfigError when no route can serve."""
        name, reader = self._choice(entity, company, window)
        lake = self._routes[entity].lakes.get(name)
        whole = reader.reads_whole(company)
        return tuple(
            Slice(
                id="&".join([name, *(f"{key}={value}" for key, value in arguments.items())]),
                entity=entity,
                company=company,
                window=window,
                route=f"{reader.label} (read whole)" if whole else reader.label,
                arguments=(("route", name), *arguments.items()),
                lag=timedelta() if lake is None else lake.lag,
                whole=whole,
                setup=reader.setup_requests,
            )
            for arguments in reader.chains(company, window)
        )

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of ``chain`` after ``position``."""
        name = dict(chain.arguments).get("route", "")
        reader = self._known(chain.entity).readers.get(name)
        if reader is None:
            raise ConfigError(
                f"{chain.entity}, company {chain.company}: the catalog has no route {name!r} any more; "
                "begin the read anew (--full)"
            )
        try:
            yield from reader.pages(chain, position)
        except (AuthorityError, NotThereError):
            # The tenant has changed since its routes were tried: the next read tries them again.
            self._learned.take_back(self._question(chain.entity, chain.company, name))
            raise

    def reckon(self, entity: str, company: str, window: Window) -> Reckoning:
        """What reading ``window`` will take; raises as ``slices`` does."""
        chains = self.slices(entity, company, window)
        name = dict(chains[0].arguments)["route"]
        reader = self._known(entity).readers[name]
        reckoned = reader.reckon(chains, lambda: self._lake_count(entity, company, window, name))
        return Reckoning(
            route=chains[0].route,
            rows=reckoned.rows,
            requests=sum(reckoned.requests),
            longest=max(reckoned.requests),
            basis=reckoned.basis,
            how=reckoned.how,
        )

    def _lake_count(self, entity: str, company: str, window: Window, taken: str) -> int | None:
        """Rows by the first other route of the entity that goes through the lake; None when none can tell."""
        for name, lake in self._routes[entity].lakes.items():
            if name == taken or self._obstacle(entity, company, name, lake)[0]:
                continue
            try:
                return lake.count(company, window)
            except (*ROUTE_REFUSALS, TransientError):
                continue
        return None

    def routes(self, company: str) -> tuple[RouteReport, ...]:
        """Every route of every entity, tried now: nothing remembered counts."""
        self._learned.forget()
        reports: list[RouteReport] = []
        for entity, routes in self._routes.items():
            chosen = False
            for name, reader in routes.readers.items():
                reason, _ = self._obstacle(entity, company, name, reader)
                lake = routes.lakes.get(name)
                reports.append(
                    RouteReport(
                        entity=entity,
                        route=reader.label,
                        usable=not reason,
                        chosen=not reason and not chosen,
                        reason=reason,
                        use="" if reason or lake is None else lake.use,
                        empty=() if reason else reader.empty_columns(company),
                    )
                )
                chosen = chosen or not reason
        reports += [
            RouteReport(
                entity=entity, route="none", usable=False, chosen=False, reason=self._nowhere()
            )
            for entity in ENTITIES
            if entity not in self._routes
        ]
        return tuple(reports)

    def _nowhere(self) -> str:
        return (
            f"the {self._name} catalog knows no way to it; name one in the tenant's own catalog file, or leave the "
            "entity out of the flow"
        )

    def _known(self, entity: str) -> Routes:
        routes = self._routes.get(entity)
        if routes is None:
            raise ConfigError(f"{entity}: {self._nowhere()}. It has {', '.join(self._routes)}")
        return routes

    def _choice(self, entity: str, company: str, window: Window) -> tuple[str, RouteReader]:
        routes = self._known(entity)
        leading = [name for name, lake in routes.lakes.items() if lake.leads(company, window)]
        order = {name: routes.readers[name] for name in (*leading, *routes.readers)}
        obstacles: list[str] = []
        forbidden = False
        for name, reader in order.items():
            reason, by_right = self._obstacle(entity, company, name, reader)
            if not reason:
                return name, reader
            obstacles.append(f"{reader.label}: {reason}")
            forbidden = forbidden or by_right
        for name in order:
            # Whoever mends it starts the run again at once: then all of them are tried anew.
            self._learned.take_back(self._question(entity, company, name))
        text = f"no route of {entity} can serve company {company}:\n  " + "\n  ".join(obstacles)
        if forbidden:
            raise CredentialError(text)
        raise ConfigError(f"{text}\nName the tenant's own in its catalog file")

    def _obstacle(
        self, entity: str, company: str, name: str, reader: RouteReader
    ) -> tuple[str, bool]:
        """Why the route cannot serve ("" when it can), and whether a missing right is the reason."""

        def ask() -> list[str | bool]:
            try:
                reader.check(company)
            except ROUTE_REFUSALS as error:
                # The ledger keeps it for a day, and an ERP may quote the request.
                return [redact(str(error)), isinstance(error, AuthorityError)]
            return ["", False]

        reason, forbidden = self._learned.recall(self._question(entity, company, name), ask)
        return str(reason), bool(forbidden)

    def _question(self, entity: str, company: str, name: str) -> str:
        return f"routes/{company}/{entity}/{name}/{self._routes[entity].digest}"
