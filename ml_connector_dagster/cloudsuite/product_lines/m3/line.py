"""The M3 product line: which route serves an entity, into which chains a read is cut, and their pages."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, product
from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.m3 import (
    M3Catalog,
    M3Entity,
    load_m3_catalog,
)
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.pages import Page, RouteReport, Slice
from ml_connector_dagster.cloudsuite.product_lines.asking import Calls
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.layouts import layouts_of
from ml_connector_dagster.cloudsuite.product_lines.learned import KNOWN_FOR
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import Span, cut, span_of
from ml_connector_dagster.cloudsuite.product_lines.m3.exports import ExportReader
from ml_connector_dagster.cloudsuite.product_lines.m3.lists import ChainInputs, ListReader
from ml_connector_dagster.cloudsuite.product_lines.m3.probes import Probe
from ml_connector_dagster.cloudsuite.product_lines.m3.repository import Repository
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import Selects
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
)
from ml_connector_dagster.columns.layouts import Layout, StampFormat
from ml_connector_dagster.config.project import CloudSuiteConnection
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, CredentialError
from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """The route that serves an entity of a company, and how."""

    name: str
    route: ListRoute | ExportRoute
    reader: ListReader | ExportReader
    filters_changes: bool

    @property
    def label(self) -> str:
        """As it stands in batches: a route that knows no change filter says so."""
        return self.route.label if self.filters_changes else f"{self.route.label} (read whole)"


class M3:
    """``ProductLine`` for M3. Thread-safe."""

    def __init__(
        self,
        calls: Calls,
        knowledge: KnowledgeStore,
        catalog: M3Catalog,
        *,
        timezone: str,
        page_rows: int,
    ) -> None:
        self._knowledge = knowledge
        self._catalog = catalog
        self._zone = ZoneInfo(timezone)
        self._page_rows = page_rows
        self._api = M3Api(calls, catalog.row_caps)
        self._selects = Selects(self._api, catalog.separators, catalog.reply_length)
        self._meter = Meter()
        self._repository = Repository(self._api, knowledge, self._meter)
        self._lock = threading.RLock()
        self._reasons: dict[tuple[str, str, str], str] = {}
        self._fresh = False
        self._choices: dict[tuple[str, str], _Choice] = {}
        self._layouts = layouts_of(
            catalog, stamp=StampFormat.DATE, timezone=timezone, source_system=self.name
        )

    @property
    def name(self) -> str:
        return "m3"

    def layout(self, entity: str) -> Layout:
        """One layout per entity: every route hands out the entity's own field names."""
        return self._layouts[self._known(entity)]

    def slices(self, entity: str, company: str, window: Window) -> tuple[Slice, ...]:
        """The chains of a read. Raises CredentialError or ConfigError when no route can serve."""
        choice = self._choice(self._known(entity), company)
        local = self._local(window)
        variants = (
            self._list_chains(entity, choice, choice.route, company, local)
            if isinstance(choice.route, ListRoute)
            else self._export_chains(choice.route, company, local)
        )
        return tuple(
            Slice(
                id="&".join([choice.name, *(f"{key}={value}" for key, value in variant.items())]),
                entity=entity,
                company=company,
                window=window,
                route=choice.label,
                arguments=(("route", choice.name), *variant.items()),
            )
            for variant in variants
        )

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of ``chain`` after ``position``."""
        choice = self._choice(self._known(chain.entity), chain.company)
        arguments = dict(chain.arguments)
        if arguments.get("route") != choice.name:
            raise ConfigError(
                f"{chain.entity}, company {chain.company}: a chain of route {arguments.get('route')!r} cannot be read by "
                f"{choice.name!r}; begin the read anew (--full)"
            )
        window = self._local(chain.window)
        span = _span(arguments, window)
        try:
            if isinstance(choice.reader, ExportReader):
                yield from choice.reader.pages(arguments, span, position)
            elif isinstance(choice.route, ListRoute):
                inputs = self._inputs(choice.route, chain.company, arguments, window, span)
                yield from choice.reader.pages(inputs, position)
        except (AuthorityError, NotThereError):
            # The tenant has changed since its routes were tried: the next read tries them again.
            self._knowledge.save(self._key(chain.entity, chain.company, choice.name), "null")
            raise

    def routes(self, company: str) -> tuple[RouteReport, ...]:
        """Every route of every entity, tried now: nothing remembered counts."""
        with self._lock:
            self._fresh = True
            self._reasons.clear()
            self._choices.clear()
            self._repository.forget()
        reports: list[RouteReport] = []
        for entity, catalog in self._catalog.entities.items():
            chosen = False
            for name, route in catalog.ordered_routes:
                reason = self._why_not(entity, company, name, route)
                reports.append(
                    RouteReport(
                        entity=entity,
                        route=route.label,
                        usable=not reason,
                        chosen=not reason and not chosen,
                        reason=reason,
                    )
                )
                chosen = chosen or not reason
        return tuple(reports)

    def _known(self, entity: str) -> str:
        if entity not in self._catalog.entities:
            raise ConfigError(
                f"the M3 catalog has no entity {entity!r}; it has {', '.join(self._catalog.entities)}"
            )
        return entity

    def _local(self, window: Window) -> Window:
        """LMDT is the company's own date: both ends in the tenant's zone."""
        start = None if window.start is None else window.start.astimezone(self._zone)
        return Window(start=start, end=window.end.astimezone(self._zone))

    def _why_not(self, entity: str, company: str, name: str, route: ListRoute | ExportRoute) -> str:
        with self._lock:
            question = (entity, company, name)
            if question not in self._reasons:
                key = self._key(*question)
                kept = None if self._fresh else self._knowledge.load(key, younger_than=KNOWN_FOR)
                known: str | None = json.loads(kept or "null")
                if known is None:
                    known = self._probe(company).why_not(entity, route)
                    self._knowledge.save(key, json.dumps(known))
                self._reasons[question] = known
            return self._reasons[question]

    def _key(self, entity: str, company: str, name: str) -> str:
        """What was learned holds for this catalog only."""
        catalog = self._catalog.entities[entity].model_dump_json()
        digest = hashlib.sha256(catalog.encode()).hexdigest()[:12]
        return f"m3/route/{company}/{entity}/{name}/{digest}"

    def _probe(self, company: str) -> Probe:
        return Probe(self._api, self._repository, self._catalog, company, self._meter)

    def _choice(self, entity: str, company: str) -> _Choice:
        with self._lock:
            choice = self._choices.get((entity, company))
            if choice is None:
                choice = self._choose(entity, company)
                self._choices[entity, company] = choice
            return choice

    def _choose(self, entity: str, company: str) -> _Choice:
        catalog = self._catalog.entities[entity]
        reasons: list[str] = []
        for name, route in catalog.ordered_routes:
            reason = self._why_not(entity, company, name, route)
            if not reason:
                return self._opened(entity, name, route, company)
            reasons.append(f"{route.label}: {reason}")
        text = f"no route of {entity} can serve company {company}:\n  " + "\n  ".join(reasons)
        if any("authority" in reason for reason in reasons):
            raise CredentialError(text)
        raise ConfigError(f"{text}\nName the tenant's own transactions in its catalog file")

    def _opened(
        self, entity: str, name: str, route: ListRoute | ExportRoute, company: str
    ) -> _Choice:
        catalog = self._catalog.entities[entity]
        if isinstance(route, ExportRoute):
            tables = [
                (route.table, route.prefix),
                *((one.table, one.prefix) for one in route.lookups),
            ]
            reader: ExportReader | ListReader = ExportReader(
                self._api,
                self._selects,
                route,
                catalog.all_fields,
                modified=catalog.modified,
                columns={
                    table: self._repository.columns(table, prefix, company)
                    for table, prefix in tables
                },
                company=company,
                company_condition=self._catalog.company_condition,
                reply_length=self._catalog.reply_length,
                page_rows=self._page_rows,
            )
            columns = self._repository.columns(route.table, route.prefix, company)
            filters = catalog.modified is not None and columns.has(catalog.modified)
        else:
            filters = self._probe(company).filters_changes(route)
            reader = ListReader(
                self._api,
                route,
                company=company,
                page_rows=self._page_rows,
                bulk_chunk=self._catalog.bulk_chunk,
                fields=self._columns(catalog, route, company),
                filters_changes=filters,
                positions_identify=_positions_identify(catalog, entity, route),
            )
        return _Choice(name=name, route=route, reader=reader, filters_changes=filters)

    def _columns(self, catalog: M3Entity, route: ListRoute, company: str) -> tuple[str, ...]:
        """What to ask a list for; nothing means all. Fields the transaction does not have are left out."""
        if route.fields == "*":
            return ()
        wanted = list(route.fields)
        if not route.children:
            wanted += [
                route.names.get(spec.source, spec.source) for spec in catalog.all_fields.values()
            ]
            wanted += [catalog.modified] if catalog.modified else []
        wanted += route.position.values()
        known = self._repository.fields(route.program, route.transaction, "O", company)
        if known is None:
            return ()
        return tuple(field for field in dict.fromkeys(wanted) if field in known)

    def _list_chains(
        self, entity: str, choice: _Choice, route: ListRoute, company: str, window: Window
    ) -> Iterator[dict[str, str]]:
        loops = {
            name: values
            for name, values in {**route.inputs, **route.constants}.items()
            if len(values) > 1
        }
        cuts = route.split_at
        if not (cuts or loops or route.per_division):
            cuts = self._cuts(entity, choice, route, company, window)
        ranges = list(pairwise([None, *cuts, None]))
        for division in self._division_arguments(route, company):
            for values in product(*loops.values()):
                for first, until in ranges:
                    yield {
                        **division,
                        **dict(zip(loops, values, strict=True)),
                        **({} if first is None else {"first": first}),
                        **({} if until is None else {"until": until}),
                    }

    def _cuts(
        self, entity: str, choice: _Choice, route: ListRoute, company: str, window: Window
    ) -> tuple[str, ...]:
        """Where to cut a list that is read whole. Kept, so that a read that is taken up again has the same chains."""
        changes_only = window.start is not None and choice.filters_changes
        if changes_only or len(route.position) != 1 or not isinstance(choice.reader, ListReader):
            return ()
        key = f"{self._key(entity, company, choice.name)}/cuts"
        with self._lock:
            kept = self._knowledge.load(key, younger_than=KNOWN_FOR)
            if kept is None:
                inputs = self._inputs(route, company, {}, window, span_of(window))
                kept = json.dumps(choice.reader.cuts(inputs))
                self._knowledge.save(key, kept)
            return tuple(json.loads(kept))

    def _division_arguments(
        self, route: ListRoute | ExportRoute, company: str
    ) -> Iterator[dict[str, str]]:
        if not route.per_division:
            yield {}
            return
        divisions = self._repository.divisions(company)
        for division in divisions:
            yield {"division": division}
            if isinstance(route, ListRoute) and route.blank_parents:
                yield {"division": division, "parents": ""}
        if route.blank_division or not divisions:
            yield {"division": ""}

    def _export_chains(
        self, route: ExportRoute, company: str, window: Window
    ) -> Iterator[dict[str, str]]:
        loops = {name: values for name, values in route.where.items() if len(values) > 1}
        also = [one.table for one in route.lookups if one.also_changed] if window.start else []
        spans = cut(span_of(window), route.slices)
        for division in self._division_arguments(route, company):
            for values in product(*loops.values()):
                for span in spans:
                    ends = {} if span.first is None else {"from": span.first.isoformat()}
                    for by in [None, *also]:
                        yield {
                            **division,
                            **dict(zip(loops, values, strict=True)),
                            **ends,
                            "to": span.last.isoformat(),
                            **({} if by is None else {"by": by}),
                        }

    def _inputs(
        self,
        route: ListRoute,
        company: str,
        arguments: Mapping[str, str],
        window: Window,
        span: Span,
    ) -> ChainInputs:
        fixed = {name: arguments.get(name, values[0]) for name, values in route.inputs.items()}
        constants = {
            name: arguments.get(name, values[0]) for name, values in route.constants.items()
        }
        division = arguments.get("division")
        asked = arguments.get("parents", division)
        if division is not None:
            known = self._repository.fields(route.program, route.transaction, "I", company)
            if asked and (known is None or route.division_input in known):
                fixed[route.division_input] = asked
            if route.children:
                constants["DIVI"] = division
        return ChainInputs(
            fixed=fixed,
            constants=constants,
            division=asked,
            first=arguments.get("first"),
            until=arguments.get("until"),
            window=window,
            span=span,
        )


def _positions_identify(catalog: M3Entity, entity: str, route: ListRoute) -> bool:
    """Whether a row's position names its whole key; what is fixed for a chain needs no naming."""
    if route.children:
        return False
    given = {*route.position.values(), *route.inputs, *route.constants}
    if route.per_division:
        given.add(route.division_input)
    sources = (catalog.fields[key].source for key in ENTITIES[entity].key)
    return all(route.names.get(source, source) in given for source in sources)


def _span(arguments: Mapping[str, str], window: Window) -> Span:

    whole = span_of(window)
    if "to" not in arguments:
        return whole
    first = arguments.get("from")
    return Span(
        first=None if first is None else date.fromisoformat(first),
        last=date.fromisoformat(arguments["to"]),
    )


def open_m3(connection: CloudSuiteConnection, calls: Calls, knowledge: KnowledgeStore) -> M3:
    """M3 with the built-in catalog and, laid over it, the tenant's own."""
    return M3(
        calls,
        knowledge,
        load_m3_catalog(connection.catalog),
        timezone=connection.timezone,
        page_rows=connection.page_rows,
    )
