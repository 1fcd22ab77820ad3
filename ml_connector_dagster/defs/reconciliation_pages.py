"""What the page of a reconciliation shows: verdict, tables, records, numbers to plot, and a check for each entity."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg

from ml_connector_dagster.config.pauses import longest_pause
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.model.reconciliations import Difference, Standing
from ml_connector_dagster.sync.reconcile.html import html
from ml_connector_dagster.sync.reconcile.markdown import differences_table, totals_table
from ml_connector_dagster.sync.reconcile.repairing import Repair
from ml_connector_dagster.sync.reconcile.report import STATES, Report
from ml_connector_dagster.sync.reconcile.results import Comparison
from ml_connector_dagster.sync.reconcile.standing import TableStanding
from ml_connector_dagster.sync.workspace import Workspace


RECENTLY_RECONCILED: Final = "recently_reconciled"

#: Records whose keys a check names in one line.
NAMED: Final = 10


def agrees(entity: str) -> str:
    """The name of an entity's check."""
    return f"{entity}_agree"


def report_of(
    workspace: Workspace, flow: Flow, found: tuple[Comparison, ...], zone: ZoneInfo
) -> Report:
    return Report(
        flow=flow.name,
        tenant=flow.source,
        made_at=workspace.now(),
        zone=zone,
        budget=workspace.cloudsuite(flow.source).requests_per_minute,
        comparisons=found,
    )


def write_page(workspace: Workspace, flow: Flow, target: FlowDestination, report: Report) -> Path:
    """The newest page of a flow and destination; one of everything is kept beside one of changes."""
    whole = all(one.done.is_whole for one in report.comparisons)
    folder = workspace.settings.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{flow.name}.{target.name}.{'all' if whole else 'changes'}.html"
    aside = path.with_suffix(".tmp")
    aside.write_text(html(report), encoding="utf-8")
    aside.replace(path)
    return path


def metadata(report: Report, now: Sequence[TableStanding], written: Path) -> dict[str, Any]:
    done = [one.done for one in report.comparisons]
    differing = [one for one in report.comparisons if any(group.differs for group in one.groups)]
    records = [record for one in report.comparisons for record in one.differences]
    return {
        "verdict": report.verdict,
        "compared": report.scope or "nothing",
        "tables": _tables(report, now),
        **({"records": dg.MetadataValue.md(_records(records))} if records else {}),
        **({"totals": dg.MetadataValue.md(_totals(differing))} if differing else {}),
        "report": dg.MetadataValue.path(str(written)),
        "tables_compared": len(done),
        "tables_wrong": len(report.wrong),
        "records_wrong": sum(one.wrong for one in done),
        "records_under_way": sum(one.in_flight for one in done),
        "records_refused": sum(one.waiting for one in done),
        "erp_records": sum(one.erp_rows for one in done),
        "destination_records": sum(one.found_rows for one in done),
        "erp_requests": report.requests,
        "erp_requests_allowed_per_minute": report.budget,
    }


def repair_metadata(repairs: Sequence[Repair], destination: str) -> dict[str, Any]:
    """What was put back at one destination; nothing when nobody asked for it, or nothing had to be."""
    own = [one for one in repairs if one.destination == destination]
    if not own:
        return {}
    rows = [
        [
            one.entity,
            one.company,
            one.sent + one.resumed,
            one.counts.written,
            one.counts.rejected,
            redact(one.error),
        ]
        for one in own
    ]
    return {
        "records_not_arrived": sum(one.waiting for one in own),
        "records_put_back": sum(one.counts.written for one in own),
        "repairs": table(["entity", "company", "sent", "put back", "refused", "problem"], rows),
    }


def _tables(report: Report, now: Sequence[TableStanding]) -> dg.MarkdownMetadataValue:
    """How every table stands, whichever run compared it; what is wrong comes first."""
    rows = []
    for one in sorted(now, key=lambda each: not each.is_wrong):
        last = one.worst
        numbers = (
            ["", "", "", ""]
            if last is None
            else [last.erp_rows, last.found_rows, last.wrong, last.in_flight + last.waiting]
        )
        state = "never compared" if last is None else STATES[last.state]
        rows.append([one.entity, one.company, state, *numbers, report.moment(one.agreed_at)])
    return table(
        ["entity", "company", "result", "ERP", "there", "wrong", "waiting", "all agreed"], rows
    )


def _records(differences: Sequence[Difference]) -> str:
    """Wrong ones first: they are what somebody has to look at."""
    order = [Standing.WRONG, Standing.WAITING, Standing.IN_FLIGHT]
    return redact(differences_table(sorted(differences, key=lambda one: order.index(one.standing))))


def _named(records: Sequence[Difference]) -> str:
    """The keys of some, readable without another click."""
    told = [f"{one.record_id} ({one.finding.value})" for one in records[:NAMED]]
    more = len(records) - NAMED
    return ", ".join(told) + (f" and {more:,} more" if more > 0 else "")


def _totals(differing: Sequence[Comparison]) -> str:
    return "\n\n".join(
        f"**{one.done.entity}, company {one.done.company}**\n\n{totals_table(one)}"
        for one in differing
    )


def check_results(
    key: dg.AssetKey,
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    now: Sequence[TableStanding],
    zone: ZoneInfo,
) -> Iterator[dg.AssetCheckResult]:
    for entity in flow.entities:
        own = [one for one in now if one.entity == entity]
        wrong = [one for one in own if one.is_wrong]
        worst = [one.worst for one in own if one.worst is not None]
        reasons = [redact(one.reason) for one in worst if one.reason]
        records = [
            record
            for one in wrong
            for record in workspace.ledger.differences(
                tenant=flow.source, destination=target.name, entity=entity, company=one.company
            )
            if record.standing is Standing.WRONG
        ]
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=agrees(entity),
            passed=not wrong,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "companies_wrong": ", ".join(one.company for one in wrong) or "none",
                "never_compared": ", ".join(one.company for one in own if one.whole is None)
                or "none",
                "records_wrong": sum(one.wrong for one in worst),
                "records_under_way": sum(one.in_flight for one in worst),
                **({"records_that_are_wrong": _named(records)} if records else {}),
                **({"records": dg.MetadataValue.md(_records(records))} if records else {}),
                **({"why": "; ".join(reasons)} if reasons else {}),
            },
        )
    clock = flow.reconcile.schedule
    if clock is not None:
        yield _recently(key, workspace, clock, now, zone)


def _recently(
    key: dg.AssetKey,
    workspace: Workspace,
    clock: Schedule,
    now: Sequence[TableStanding],
    zone: ZoneInfo,
) -> dg.AssetCheckResult:
    """Whether every table was compared within two of the schedule's pauses."""
    zone = ZoneInfo(clock.timezone) if clock.timezone else zone
    moment = workspace.now()
    limit = 2 * longest_pause(clock.cron_expressions, zone, moment)
    ages = [moment - one.whole.started_at for one in now if one.whole is not None]
    oldest = max(ages, default=timedelta())
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=RECENTLY_RECONCILED,
        passed=len(ages) == len(now) and oldest <= limit,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "oldest_hours": round(oldest.total_seconds() / 3600, 1),
            "never_compared": len(now) - len(ages),
        },
    )
