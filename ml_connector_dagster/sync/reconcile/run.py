"""Compare a flow's destinations with the ERP: one reading of the ERP for all of them, one verdict for each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Final

import pyarrow as pa

from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.registry import mapping_of
from ml_connector_dagster.model.controls import CONTROLS, Control
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Group,
    Reconciliation,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster.model.sweeps import SweepState
from ml_connector_dagster.sync.flows import chosen, parents_first
from ml_connector_dagster.sync.pace import Pace
from ml_connector_dagster.sync.reconcile.applications import (
    ApplicationPlace,
    filter_columns,
    wanted_rows,
)
from ml_connector_dagster.sync.reconcile.books import Books, open_books, side_by_side
from ml_connector_dagster.sync.reconcile.judging import Evidence, Judgement, judge
from ml_connector_dagster.sync.reconcile.ledger_proof import (
    BALANCES_MART,
    LedgerProof,
    prove_ledger,
)
from ml_connector_dagster.sync.reconcile.places import Place
from ml_connector_dagster.sync.reconcile.reading import ErpSide, next_read_from, read_erp
from ml_connector_dagster.sync.reconcile.warehouses import WarehousePlace
from ml_connector_dagster.sync.workspace import Source, Workspace


#: Everything that differs is explained.
NOTHING_WRONG: Final = (ReconciliationState.CLEAN, ReconciliationState.IN_FLIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One entity and company at one destination, as it was found.

    Attributes:
        amounts: the columns that ``groups`` add up.
        differences: those that are listed; how many there are stands in ``done``.
        last_clean_at: when everything was last compared and nothing was wrong, this time included.
        unreadable: records of the ERP without a readable key; they are at no destination.
        proof: of the general ledger's balances.
    """

    done: Reconciliation
    amounts: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    differences: tuple[Difference, ...] = ()
    last_clean_at: datetime | None = None
    unreadable: int = 0
    proof: LedgerProof | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.done.state in (ReconciliationState.DIFFERENT, ReconciliationState.FAILED) or (
            self.proof is not None and bool(self.proof.problems)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to compare; empty means all of the flow."""

    run_id: str
    destinations: Sequence[str] = ()
    entities: Sequence[str] = ()
    companies: Sequence[str] = ()
    since: datetime | None = None
    period: int = 0


def reconcile_flow(
    workspace: Workspace,
    flow: Flow,
    request: Request,
    *,
    on_page: Callable[[str, str, int], None] = lambda entity, company, rows: None,
) -> tuple[Comparison, ...]:
    """Compare and write down how it ended. One entity, company or destination that fails does not hold the others.

    With ``since``, entities are left out whose route knows no change filter. Raises ConfigError for what the flow
    does not have.
    """
    names = [target.name for target in flow.destinations]
    wanted = chosen("destination", request.destinations, names, flow.name)
    targets = [target for target in flow.destinations if target.name in wanted]
    companies = chosen("company", request.companies, flow.companies, flow.name)
    entities = parents_first(chosen("entity", request.entities, flow.entities, flow.name))
    mapped = {
        (target.name, entity): mapping_of(connection, target)(entity)
        for target in targets
        if is_application(connection := workspace.project.connections[target.connection])
        for entity in entities
    }
    columns = {entity: _columns(entity, mapped) for entity in entities}
    found: list[Comparison] = []
    with workspace.source(flow.source, columns=columns) as source:
        for entity in entities:
            for company in companies:
                session = Session(
                    workspace=workspace,
                    source=source,
                    flow=flow,
                    targets=targets,
                    request=request,
                    control=CONTROLS[entity],
                    company=company,
                    columns=tuple(columns[entity]),
                    mapped={
                        target: one for (target, name), one in mapped.items() if name == entity
                    },
                )
                found += session.run(partial(on_page, entity, company))
    return tuple(found)


def _columns(entity: str, mapped: Mapping[tuple[str, str], Mapped]) -> Sequence[str]:
    """What has to be read of ``entity``: what filters of applications look at, too."""
    filters = [
        name
        for (_, other), one in mapped.items()
        if other == entity
        for name in filter_columns(one)
    ]
    return tuple(dict.fromkeys((*CONTROLS[entity].columns, *filters)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One entity and company: the ERP is read once, then each destination is compared."""

    workspace: Workspace
    source: Source
    flow: Flow
    targets: Sequence[FlowDestination]
    request: Request
    control: Control
    company: str
    columns: tuple[str, ...]
    mapped: Mapping[str, Mapped]
    flags: dict[str, str] = field(default_factory=dict)

    @property
    def entity(self) -> str:
        return self.control.entity.name

    def run(self, on_page: Callable[[int], None]) -> Iterator[Comparison]:
        """A comparison for each destination; none when only changes are wanted, and the ERP cannot tell them."""
        started_at = self.workspace.now()
        self.flags.update({name: f"wanted_{n}" for n, name in enumerate(self.mapped)})
        with open_books(self.workspace.settings.home, self.control, self.columns) as books:
            try:
                erp = self._read(books, started_at, on_page)
            except ConnectorError as error:
                for target in self.targets:
                    yield self._failed(target, started_at, f"the ERP was not read: {error}")
                return
            if erp.skipped:
                return
            for number, target in enumerate(self.targets):
                requests = 0 if number else erp.requests
                try:
                    yield self._compare(books, erp, target, started_at, requests)
                except ConnectorError as error:
                    yield self._failed(target, started_at, str(error), requests)

    def _read(self, books: Books, started_at: datetime, on_page: Callable[[int], None]) -> ErpSide:
        books.begin(tuple(self.flags.values()))
        share = self.flow.reconcile.budget_percent / 100
        erp = read_erp(
            self.source,
            books,
            entity=self.entity,
            company=self.company,
            since=self.request.since,
            flags=self._wanted,
            pace=Pace(
                pause=self.workspace.make_pause(),
                per_minute=self.source.connection.requests_per_minute * share,
                now=self.workspace.now,
                started_at=started_at,
            ),
            on_page=on_page,
        )
        books.close(self.request.period)
        return erp

    def _wanted(self, rows: pa.Table) -> Mapping[str, pa.Array]:
        return {self.flags[name]: wanted_rows(mapped, rows) for name, mapped in self.mapped.items()}

    def _compare(
        self,
        books: Books,
        erp: ErpSide,
        target: FlowDestination,
        started_at: datetime,
        requests: int,
    ) -> Comparison:
        with self._place(target) as place:
            groups, judgement = self._differences(books, erp, target, place)
            proof = None
            if self.entity == "gl_balances" and self.request.since is None:
                proof = self._proof(books, target)
        done = self._done(
            target, started_at, _state(judgement), judgement, groups=groups, requests=requests
        )
        self.workspace.ledger.record_reconciliation(done, judgement.differences)
        return Comparison(
            done=done,
            amounts=place.shape.amounts,
            groups=groups,
            differences=judgement.differences,
            last_clean_at=self._last_clean(target),
            unreadable=erp.unreadable,
            proof=proof,
        )

    def _differences(
        self, books: Books, erp: ErpSide, target: FlowDestination, place: Place
    ) -> tuple[tuple[Group, ...], Judgement]:
        shape = place.shape
        books.forget_found(shape)
        changes_only = self.request.since is not None
        if changes_only:
            for rows in place.records_of(books.record_ids(shape)):
                books.find(shape, rows)
            found = books.found_groups(shape)
        else:
            found = place.groups()
        groups = side_by_side(books.erp_groups(shape), found, len(shape.amounts))
        differing = [group for group in groups if group.differs]
        doubled = not changes_only and place.has_doubles()
        if not changes_only and (differing or doubled):
            for rows in place.records([] if doubled else differing):
                books.find(shape, rows)
        everything = changes_only or doubled or not shape.grouped
        books.open_groups(() if everything else differing)
        if not (differing or doubled or changes_only):
            return groups, Judgement(counts=dict.fromkeys(Standing, 0), differences=())
        evidence = self._evidence(target, erp)
        return groups, judge(books, shape, evidence, everything=everything)

    def _proof(self, books: Books, target: FlowDestination) -> LedgerProof | None:
        """Balances are added up where they can be asked for by account: in a warehouse."""
        if target.name in self.mapped:
            return None
        scope = Scope(tenant=self.source.tenant, company=self.company)
        with_mart = any(mart.name == BALANCES_MART for mart in self.flow.own_marts)
        with self.workspace.warehouse(target, self.flow.name) as warehouse:
            return prove_ledger(warehouse, books, scope, with_mart=with_mart)

    def _evidence(self, target: FlowDestination, erp: ErpSide) -> Evidence:
        ledger, tenant = self.workspace.ledger, self.source.tenant
        entity, company = self.entity, self.company
        mark = ledger.watermark(tenant, self.entity, self.company)
        until = None if mark is None else mark.complete_until
        pending = ledger.pending(
            destination=target.name, tenant=tenant, entity=self.entity, companies=[self.company]
        )
        sweeps = [
            one.started_at
            for one in ledger.last_sweeps(tenant, entity=self.entity, state=SweepState.COMPLETE)
            if one.company == self.company
        ]
        return Evidence(
            staged=[
                file
                for batch in ledger.batches(tenant=tenant, entity=entity, company=company)
                if batch.rows and batch.for_destination in ("", target.name)
                for file in self.workspace.staging.open(batch).files
            ],
            pending=[batch.batch_id for batch in pending],
            refused={
                letter.record_id: letter.reason
                for letter in ledger.dead_letters(
                    tenant=tenant, entity=entity, company=company, destination=target.name
                )
            },
            sighted=ledger.sightings(tenant, self.entity, self.company),
            earlier=ledger.differences(
                tenant=tenant, destination=target.name, entity=entity, company=company
            ),
            as_of=erp.as_of,
            watermark=until,
            next_read=next_read_from(self.source, entity, company, until, self.workspace.now()),
            last_sweep=max(sweeps, default=None),
            sweeps=self.flow.sweep.schedule is not None,
        )

    @contextmanager
    def _place(self, target: FlowDestination) -> Iterator[Place]:
        scope = Scope(tenant=self.source.tenant, company=self.company)
        if target.name not in self.mapped:
            with self.workspace.warehouse(target, self.flow.name) as warehouse:
                yield WarehousePlace(warehouse, self.control, scope, self.request.period)
            return
        with self.workspace.destination(target, self.flow.name) as destination:
            if not isinstance(destination, ApplicationDestination):
                raise TypeError(f"{target.name} has a mapping and is no application")
            yield ApplicationPlace(destination, self.control, scope, self.flags[target.name])

    def _failed(
        self, target: FlowDestination, started_at: datetime, reason: str, requests: int = 0
    ) -> Comparison:
        nothing = Judgement(counts=dict.fromkeys(Standing, 0), differences=())
        done = self._done(
            target, started_at, ReconciliationState.FAILED, nothing, requests=requests
        )
        done = replace(done, reason=reason)
        self.workspace.ledger.record_reconciliation(done)
        return Comparison(done=done, last_clean_at=self._last_clean(target))

    def _done(
        self,
        target: FlowDestination,
        started_at: datetime,
        state: ReconciliationState,
        judgement: Judgement,
        *,
        groups: Sequence[Group] = (),
        requests: int,
    ) -> Reconciliation:
        return Reconciliation(
            tenant=self.source.tenant,
            destination=target.name,
            entity=self.entity,
            company=self.company,
            run_id=self.request.run_id,
            state=state,
            started_at=started_at,
            ended_at=self.workspace.now(),
            since=self.request.since,
            period=self.request.period if self.control.has_period else 0,
            erp_rows=sum(group.erp.rows for group in groups),
            found_rows=sum(group.found.rows for group in groups),
            in_flight=judgement.counts[Standing.IN_FLIGHT],
            waiting=judgement.counts[Standing.WAITING],
            wrong=judgement.counts[Standing.WRONG],
            requests=requests,
        )

    def _last_clean(self, target: FlowDestination) -> datetime | None:
        found = self.workspace.ledger.last_reconciliations(
            self.source.tenant, target.name, states=NOTHING_WRONG, whole=True
        )
        scopes = {(one.entity, one.company): one.started_at for one in found}
        return scopes.get((self.entity, self.company))


def _state(judgement: Judgement) -> ReconciliationState:
    counts = judgement.counts
    if counts[Standing.WRONG]:
        return ReconciliationState.DIFFERENT
    explained = counts[Standing.IN_FLIGHT] + counts[Standing.WAITING]
    return ReconciliationState.IN_FLIGHT if explained else ReconciliationState.CLEAN
