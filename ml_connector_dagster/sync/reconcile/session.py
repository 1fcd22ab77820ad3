"""One entity and company: the ERP is read once, then each destination is compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import pyarrow as pa

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.controls import Control
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.reconciliations import (
    Group,
    Reconciliation,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster.sync.pace import Pace
from ml_connector_dagster.sync.reconcile.applications import ApplicationPlace, wanted_rows
from ml_connector_dagster.sync.reconcile.books import Books, open_books
from ml_connector_dagster.sync.reconcile.comparing import NOTHING, compare
from ml_connector_dagster.sync.reconcile.evidence import gather
from ml_connector_dagster.sync.reconcile.judging import Judgement
from ml_connector_dagster.sync.reconcile.ledger_proof import (
    BALANCES_MART,
    LedgerProof,
    prove_ledger,
)
from ml_connector_dagster.sync.reconcile.places import Place
from ml_connector_dagster.sync.reconcile.reading import ErpSide, read_erp
from ml_connector_dagster.sync.reconcile.results import NOTHING_WRONG, Comparison, Request
from ml_connector_dagster.sync.reconcile.warehouses import WarehousePlace
from ml_connector_dagster.sync.workspace import Source, Workspace


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
            groups, judgement = compare(
                books,
                place,
                partial(
                    gather,
                    self.workspace,
                    self.source,
                    self.flow,
                    target,
                    self.entity,
                    self.company,
                    erp,
                ),
                changes_only=self.request.since is not None,
            )
            proof = None
            if self.entity == "gl_balances" and self.request.since is None:
                proof = self._proof(books, target)
        state, reason = _state(judgement), ""
        if proof is not None and proof.problems:
            state, reason = ReconciliationState.DIFFERENT, "; ".join(proof.problems)
        done = self._done(
            target, started_at, state, judgement, groups=groups, requests=requests, reason=reason
        )
        self.workspace.ledger.record_reconciliation(done, judgement.differences)
        return Comparison(
            done=done,
            amounts=place.shape.amounts,
            groups=groups,
            differences=judgement.differences,
            restorable=judgement.restorable,
            last_clean_at=self._last_clean(target),
            unreadable=erp.unreadable,
            proof=proof,
        )

    def _proof(self, books: Books, target: FlowDestination) -> LedgerProof | None:
        """Balances are added up where they can be asked for by account: in a warehouse."""
        if target.name in self.mapped:
            return None
        scope = Scope(tenant=self.source.tenant, company=self.company)
        with_mart = any(mart.name == BALANCES_MART for mart in self.flow.own_marts)
        with self.workspace.warehouse(target, self.flow.name) as warehouse:
            return prove_ledger(warehouse, books, scope, with_mart=with_mart)

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
        done = self._done(
            target,
            started_at,
            ReconciliationState.FAILED,
            NOTHING,
            requests=requests,
            reason=redact(reason),
        )
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
        reason: str,
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
            reason=reason,
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
