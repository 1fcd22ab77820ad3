"""What is wrong, as far as the ledger knows it. Runs and checks are Dagster's to know: it raises and resolves those."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ml_connector_dagster.config.alerts import Alerts
from ml_connector_dagster.config.pauses import longest_pause, stale_after
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.ledger import TenantStatus
from ml_connector_dagster.model.alerts import AlertKind, Condition
from ml_connector_dagster.sync.open_letters import open_work
from ml_connector_dagster.sync.workspace import Workspace


def look_around(workspace: Workspace) -> None:
    """Compare what holds now with what the ledger remembers: begin and end its alerts of these kinds."""
    found: list[Condition] = []
    statuses: dict[str, TenantStatus] = {}
    for flow in workspace.project.flows.values():
        if flow.source not in statuses:
            statuses[flow.source] = workspace.ledger.status(flow.source)
            found += failing_tenant(workspace, flow.source)
        found += rejected_rows(flow, statuses[flow.source], workspace.project.alerts)
        found += stale_tables(workspace, flow, statuses[flow.source])
    found += given_up(workspace)
    workspace.ledger.alerts.observe(found, KINDS)


#: The kinds that ``look_around`` decides about.
KINDS: Final = frozenset(
    {
        AlertKind.TENANT_FAILING,
        AlertKind.GIVEN_UP,
        AlertKind.REJECTED_ROWS,
        AlertKind.STALE_TABLE,
    }
)


def failing_tenant(workspace: Workspace, tenant: str) -> Iterator[Condition]:
    """A breaker that is open, or that opened and has not seen a call succeed since."""
    state = workspace.ledger.breaker_store(tenant).load()
    if state.open_until is not None:
        yield Condition(
            kind=AlertKind.TENANT_FAILING,
            subject=tenant,
            message=f"{tenant} failed {state.failures} times in a row and is left alone for a while: {state.reason}. "
            f"See what it says: ml-connector ping {tenant}",
        )


def given_up(workspace: Workspace) -> Iterator[Condition]:
    """Dead letters that are not tried by themselves any more, one condition per flow, table and place."""
    stuck: dict[str, int] = {}
    for group in open_work(workspace, workspace.project.flows.values()).groups:
        if group.given_up:
            place = group.destination or "reading"
            subject = f"{place}: {group.entity} of company {group.company} (flow {group.flow})"
            stuck[subject] = stuck.get(subject, 0) + group.given_up
    for subject, count in stuck.items():
        yield Condition(
            kind=AlertKind.GIVEN_UP,
            subject=subject,
            message=f"{count} records are not tried by themselves any more; they need a person. Their reasons are in the "
            "check no_dead_letters; correct the cause, then replay them",
        )


def rejected_rows(flow: Flow, status: TenantStatus, alerts: Alerts) -> Iterator[Condition]:
    """Tables whose newest delivery was refused in larger part than is borne."""
    places = {target.name for target in flow.destinations}
    for last in status.deliveries:
        counts = last.delivery.counts
        ours = last.delivery.destination in places and last.entity in flow.entities
        if not ours or last.company not in flow.companies or not counts.rejected:
            continue
        percent = 100 * counts.rejected / counts.total
        if percent > alerts.rejected_percent:
            yield Condition(
                kind=AlertKind.REJECTED_ROWS,
                subject=f"{last.delivery.destination}: {flow.source} {last.entity} of company {last.company}",
                message=f"{counts.rejected:,} of {counts.total:,} records of the last batch were refused "
                f"({percent:.1f} %). They are kept; the reasons are in the check no_dead_letters",
                run_id=last.delivery.run_id or "",
            )


def stale_tables(workspace: Workspace, flow: Flow, status: TenantStatus) -> Iterator[Condition]:
    """Tables of a flow with a schedule that were read or delivered too long ago; those never read are not stale."""
    clock = flow.schedule
    if clock is None:
        return
    now = workspace.now()
    zone = ZoneInfo(clock.timezone) if clock.timezone else workspace.cloudsuite(flow.source).zone
    limit = stale_after(longest_pause(clock.cron_expressions, zone, now))
    read_until = {(mark.entity, mark.company): mark.complete_until for mark in status.watermarks}
    for target in flow.destinations:
        for entity in flow.entities:
            waiting = _oldest_waiting(workspace, target.name, flow, entity)
            for company in flow.companies:
                complete = read_until.get((entity, company))
                if complete is None:
                    continue
                since = min(complete, waiting.get(company, complete))
                if now - since > limit:
                    yield Condition(
                        kind=AlertKind.STALE_TABLE,
                        subject=f"{target.name}: {flow.source} {entity} of company {company}",
                        message=f"is as of {since.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key}); by its schedule it should "
                        f"never be older than {_words(limit.total_seconds())}. See the flow's last runs",
                    )


def _oldest_waiting(
    workspace: Workspace, destination: str, flow: Flow, entity: str
) -> dict[str, datetime]:
    """Company → when its oldest batch was staged that the destination still lacks."""
    oldest: dict[str, datetime] = {}
    for batch in workspace.ledger.pending(
        destination=destination, tenant=flow.source, entity=entity, companies=flow.companies
    ):
        oldest.setdefault(batch.company, batch.finished_at)
    return oldest


def _words(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
