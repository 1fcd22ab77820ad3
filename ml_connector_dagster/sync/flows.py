"""Flows: which window to read, and a whole flow from the ERP to its destinations (what ``run`` and the demo do).

Dagster does the same steps asset by asset through ``extract_company`` and ``deliver_entity``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.registry import mapping_of
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, ConnectorError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.deliver import DeliverySummary, deliver
from ml_connector_dagster.sync.extract import Extraction, extract, incremental_window
from ml_connector_dagster.sync.reviews import find_review, stage_review, with_derived
from ml_connector_dagster.sync.watching import watched_extraction
from ml_connector_dagster.sync.workspace import Source, Workspace
from ml_connector_dagster.telemetry import boundary


class ReadMode(StrEnum):
    """How much of the ERP an extraction reads."""

    INCREMENTAL = "incremental"  # from the watermark on; everything when there is none yet
    DAYS = "days"  # exactly the given days, whatever is known already (materialise, backfill)
    FULL = "full"  # everything


def window_to_read(
    workspace: Workspace,
    source: Source,
    flow: Flow,
    *,
    entity: str,
    company: str,
    mode: ReadMode,
    days: tuple[date, date] | None = None,
) -> Window:
    """The window of one extraction. ``days`` is inclusive and needed by ``ReadMode.DAYS`` only.

    The flow's first day stands for everything before it too: records older than the first partition, or
    without a modified date, belong to the first partition.
    """
    now = workspace.now()
    if mode is ReadMode.INCREMENTAL:
        return incremental_window(
            workspace.ledger,
            tenant=source.tenant,
            entity=entity,
            company=company,
            now=now,
            timezone=source.timezone,
            overlap=source.overlap,
        )
    today = now.astimezone(source.timezone).date()
    if mode is ReadMode.FULL:
        return Window.of_days(None, today, source.timezone)
    if days is None:
        raise ValueError("ReadMode.DAYS needs days")
    first, last = days
    return Window.of_days(None if first <= flow.start_date else first, last, source.timezone)


def extract_company(
    workspace: Workspace,
    source: Source,
    flow: Flow,
    *,
    entity: str,
    company: str,
    mode: ReadMode,
    run_id: str,
    days: tuple[date, date] | None = None,
    on_page: Callable[[int], None] = lambda rows: None,
) -> Extraction:
    """Read one entity of one company into staging."""

    def read() -> Extraction:
        return extract(
            source.line,
            workspace.ledger,
            workspace.staging,
            tenant=source.tenant,
            entity=entity,
            company=company,
            window=window_to_read(
                workspace, source, flow, entity=entity, company=company, mode=mode, days=days
            ),
            run_id=run_id,
            timezone=source.timezone,
            now=workspace.now,
            concurrency=source.concurrency,
            on_page=on_page,
        )

    return watched_extraction(
        workspace.ledger,
        tenant=source.tenant,
        entity=entity,
        company=company,
        run_id=run_id,
        now=workspace.now,
        read=read,
    )


def deliver_entity(
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    *,
    entity: str,
    companies: Sequence[str],
    run_id: str,
    on_batch: Callable[[Batch, DeliveryReport], None] = lambda batch, report: None,
) -> DeliverySummary:
    """Deliver all that ``target`` lacks of one entity.

    In an application records are linked to their parents, so what is pending of those goes first: were it to fail,
    the children would all be refused.
    """
    with workspace.destination(target, flow.name) as destination:
        if not isinstance(destination, ApplicationDestination):
            return deliver(
                destination,
                workspace.ledger,
                workspace.staging,
                tenant=flow.source,
                entity=entity,
                companies=companies,
                run_id=run_id,
                mode=target.write_mode,
                on_batch=on_batch,
            )
        for parent in destination.parents(ENTITIES[entity]):
            if parent in flow.entities:
                _deliver_mapped(workspace, flow, target, destination, parent, companies, run_id)
        summary = _deliver_mapped(
            workspace, flow, target, destination, entity, companies, run_id, on_batch
        )
        return replace(
            summary,
            address=destination.address(ENTITIES[entity]),
            limits=tuple(map(str, destination.application.target.usage().budgets)),
        )


def _deliver_mapped(
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    destination: ApplicationDestination,
    entity: str,
    companies: Sequence[str],
    run_id: str,
    on_batch: Callable[[Batch, DeliveryReport], None] = lambda batch, report: None,
) -> DeliverySummary:
    """Deliver to an application what is pending, and what has to be looked at again there."""
    all_mapped = destination.all_mapped(ENTITIES[entity])
    for company in companies:
        review = find_review(
            workspace, all_mapped, destination.name, tenant=flow.source, company=company
        )
        stage_review(workspace, review, run_id=run_id)
    with with_derived(workspace, all_mapped[0], tenant=flow.source, companies=companies) as derive:
        return deliver(
            destination,
            workspace.ledger,
            workspace.staging,
            tenant=flow.source,
            entity=entity,
            companies=companies,
            run_id=run_id,
            mode=target.write_mode,
            on_batch=on_batch,
            derive=derive,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingResult:
    """What became of one entity at one destination. ``error`` is "" when all went well."""

    destination: str
    entity: str
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    requests: int = 0
    error: str = ""


def deliver_pending(
    workspace: Workspace,
    flow: Flow,
    targets: Sequence[FlowDestination],
    *,
    entities: Sequence[str] = (),
    run_id: str,
) -> tuple[PendingResult, ...]:
    """Deliver all that ``targets`` lack, without reading the ERP. One that fails does not hold the others."""
    results = []
    for target in targets:
        for entity in parents_first(entities or flow.entities):
            try:
                done = deliver_entity(
                    workspace,
                    flow,
                    target,
                    entity=entity,
                    companies=flow.companies,
                    run_id=run_id,
                )
            except ConnectorError as error:
                results.append(
                    PendingResult(destination=target.name, entity=entity, error=str(error))
                )
            else:
                results.append(
                    PendingResult(
                        destination=target.name,
                        entity=entity,
                        counts=done.counts,
                        requests=done.requests,
                    )
                )
    return tuple(results)


def parents_first(entities: Sequence[str]) -> tuple[str, ...]:
    """``entities`` in the canonical order, in which what is pointed at comes before what points at it."""
    return tuple(name for name in ENTITIES if name in entities)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityResult:
    """One line of a run's summary. ``error`` is "" when all went well.

    ``rows`` were staged. Outcomes are added up over all destinations, and so is ``repeated``: rows that were further
    versions of a record that the same batch had brought already (pages that overlap, a head that brings its lines).
    """

    entity: str
    company: str
    rows: int = 0
    repeated: int = 0
    requests: int = 0
    dead_letters: int = 0
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    error: str = ""


def run_flow(
    workspace: Workspace,
    flow: Flow,
    *,
    run_id: str,
    mode: ReadMode = ReadMode.INCREMENTAL,
    days: tuple[date, date] | None = None,
    companies: Sequence[str] = (),
    entities: Sequence[str] = (),
    on_page: Callable[[str, str, int], None] = lambda entity, company, rows: None,
) -> tuple[EntityResult, ...]:
    """Run ``flow`` without Dagster. One entity or company that fails does not hold the others.

    Raises ConfigError for a company or entity that the flow does not have.
    """
    chosen_companies = chosen("company", companies, flow.companies, flow.name)
    chosen_entities = chosen("entity", entities, flow.entities, flow.name)
    facts = {"flow": flow.name, "tenant": flow.source, "run_id": run_id}
    with boundary("run", facts), workspace.source(flow.source) as source:
        return tuple(
            _run_one(workspace, source, flow, entity, company, run_id, mode, days, on_page)
            for entity in parents_first(chosen_entities)
            for company in chosen_companies
        )


def _run_one(
    workspace: Workspace,
    source: Source,
    flow: Flow,
    entity: str,
    company: str,
    run_id: str,
    mode: ReadMode,
    days: tuple[date, date] | None,
    on_page: Callable[[str, str, int], None],
) -> EntityResult:
    counts, repeated, error = OutcomeCounts(), 0, ""
    read: Extraction | None = None
    try:
        for name in _read_before(workspace, flow, entity):
            extract_company(
                workspace,
                source,
                flow,
                entity=name,
                company=company,
                mode=ReadMode.INCREMENTAL,
                run_id=run_id,
            )
        read = extract_company(
            workspace,
            source,
            flow,
            entity=entity,
            company=company,
            mode=mode,
            run_id=run_id,
            days=days,
            on_page=lambda rows: on_page(entity, company, rows),
        )
        for target in flow.destinations:
            delivered = deliver_entity(
                workspace, flow, target, entity=entity, companies=[company], run_id=run_id
            )
            counts += delivered.counts
            repeated += delivered.repeated
    except ConnectorError as failed:
        error = str(failed)
    return EntityResult(
        entity=entity,
        company=company,
        rows=0 if read is None else read.rows,
        requests=0 if read is None else read.requests,
        dead_letters=0 if read is None else read.dead_letters,
        repeated=repeated,
        counts=counts,
        error=error,
    )


def _read_before(workspace: Workspace, flow: Flow, entity: str) -> tuple[str, ...]:
    """The entities that derived columns of ``entity`` follow from: what is paid is known before invoices are sent."""
    connections = workspace.project.connections
    return tuple(
        dict.fromkeys(
            derived.source
            for target in flow.destinations
            if is_application(connections[target.connection])
            for derived in mapping_of(connections[target.connection], target)(entity).derived
        )
    )


def chosen(what: str, wanted: Sequence[str], known: Sequence[str], flow: str) -> tuple[str, ...]:
    """The ``wanted`` ones of ``known``, all when none is named. Raises ConfigError for one that ``flow`` does not have."""
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ConfigError(
            f"flow {flow!r} has no {what} {', '.join(map(repr, unknown))}; it has {', '.join(known)}"
        )
    return tuple(name for name in known if name in wanted) if wanted else tuple(known)


def days_due(workspace: Workspace, flow: Flow, company: str) -> tuple[date, date]:
    """The partitions (days) that an incremental run of ``company`` touches: from the oldest watermark's day to today.

    A daemon that was away for days makes up for all of them; never before the flow's first day.
    """
    connection = workspace.cloudsuite(flow.source)
    timezone = connection.zone
    now = workspace.now()
    today = now.astimezone(timezone).date()
    marks = [workspace.ledger.watermark(flow.source, entity, company) for entity in flow.entities]
    overlap = timedelta(minutes=connection.overlap_minutes)
    known = [mark.complete_until - overlap for mark in marks if mark is not None]
    first = min((moment.astimezone(timezone).date() for moment in known), default=today)
    return max(min(first, today), min(flow.start_date, today)), today
