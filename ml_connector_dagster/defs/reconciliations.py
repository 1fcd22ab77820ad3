"""Reconciliation in Dagster: per flow one step, which reads the ERP once, and an asset for each destination.

An asset's page is what a controller opens: the verdict, every table side by side, the records that differ, a check for
each entity, and the course of the numbers over time. It has no partitions, like marts. At the end of a run over company
by day it compares what the ERP has changed in these days; by its own job and schedule, everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.pauses import longest_pause
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import RETRIES, Problem, failure
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.defs.names import (
    FLOW_TAG,
    PARTITION_TAG,
    RANGE_START_TAG,
    RECONCILE_TAG,
    TENANT_TAG,
    WORKSPACE,
)
from ml_connector_dagster.defs.partitions import companies_of_run
from ml_connector_dagster.defs.schedules import UNFINISHED
from ml_connector_dagster.model.controls import read_period
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.reconciliations import Difference, Standing
from ml_connector_dagster.sync.reconcile.html import html
from ml_connector_dagster.sync.reconcile.markdown import differences_table, totals_table
from ml_connector_dagster.sync.reconcile.report import STATES, Report, compared
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster.sync.reconcile.standing import TableStanding, standings
from ml_connector_dagster.sync.workspace import Workspace


RECENTLY_RECONCILED: Final = "recently_reconciled"

#: Records whose keys a check names in one line.
NAMED: Final = 10


class ReconcileConfig(dg.Config):
    """What to compare. Left as it is, everything; a run over days compares what the ERP has changed in them."""

    entities: list[str] = Field(default=[], description="Only these entities, e.g. payments.")
    companies: list[str] = Field(default=[], description='Only these companies, e.g. "100".')
    since: str = Field(
        default="", description="Only what the ERP changed from this day on, like 2026-10-01."
    )
    period: str = Field(default="", description="Only this month or fiscal period, like 2026-10.")


def reconcile_op(flow: Flow) -> str:
    """The name under which the launchpad's config stands."""
    return f"reconcile_{flow.name}_tables"


def agrees(entity: str) -> str:
    """The name of an entity's check."""
    return f"{entity}_agree"


def reconciliation_assets(
    flow: Flow,
    keys: Mapping[str, dg.AssetKey],
    tables: Mapping[str, Sequence[dg.AssetKey]],
    zone: ZoneInfo,
) -> dg.AssetsDefinition:
    """An asset for each destination. ``keys``: theirs, by destination; ``tables``: what each compares."""
    targets = {keys[target.name]: target for target in flow.destinations}

    @dg.multi_asset(
        name=reconcile_op(flow),
        specs=[_spec(flow, target, key, tables[target.name]) for key, target in targets.items()],
        check_specs=[spec for key in targets for spec in _checks(flow, key)],
        can_subset=True,
        retry_policy=RETRIES,
        required_resource_keys={WORKSPACE},
    )
    def reconcile(context: dg.AssetExecutionContext, config: ReconcileConfig) -> Any:
        workspace = context.resources.workspace.current
        chosen = {
            key: target for key, target in targets.items() if key in context.selected_asset_keys
        }
        try:
            request = _request(context, flow, tuple(chosen.values()), config, zone)
            found = reconcile_flow(workspace, flow, request)
        except Exception as error:
            problem = Problem(subject=f"flow {flow.name}", error=error)
            raise failure(f"{flow.name} was not compared with the ERP", [problem]) from None
        wanted = context.selected_asset_check_keys
        for key, target in chosen.items():
            own = tuple(one for one in found if one.done.destination == target.name)
            report = _report(workspace, flow, own, zone)
            now = standings(workspace, flow, target)
            results = [*_check_results(key, workspace, flow, target, now, zone)]
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=_metadata(report, now, _write(workspace, flow, target, report)),
                check_results=[
                    one for one in results if dg.AssetCheckKey(key, str(one.check_name)) in wanted
                ],
            )

    return reconcile


def _spec(
    flow: Flow, target: FlowDestination, key: dg.AssetKey, tables: Sequence[dg.AssetKey]
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=list(tables),
        skippable=True,
        description=f"Does {target.name} hold what the ERP has? Counts and exact sums by company, period and currency, "
        "asked of both sides; records that differ, with the reason. Red only where nothing that is under way will heal "
        f"it. Compare everything now with the job reconcile_{flow.name}.",
        group_name="_".join(key.path[:-2]),
        kinds={"reconciliation"},
        owners=list(flow.owners),
        tags={"tenant": flow.source, "stage": "proved"},
    )


def _checks(flow: Flow, key: dg.AssetKey) -> Iterator[dg.AssetCheckSpec]:
    for entity in flow.entities:
        yield dg.AssetCheckSpec(
            agrees(entity),
            asset=key,
            description=f"No record of {entity} differs from the ERP without being under way, in any company.",
        )
    if flow.reconcile.schedule is not None:
        yield dg.AssetCheckSpec(
            RECENTLY_RECONCILED,
            asset=key,
            description="Everything was compared lately enough, in every company.",
        )


def _request(
    context: dg.AssetExecutionContext,
    flow: Flow,
    targets: Sequence[FlowDestination],
    config: ReconcileConfig,
    zone: ZoneInfo,
) -> Request:
    tags = context.run.tags
    start = tags.get(RANGE_START_TAG, tags.get(PARTITION_TAG, ""))
    return Request(
        run_id=context.run.run_id,
        destinations=[target.name for target in targets],
        entities=config.entities,
        companies=config.companies or companies_of_run(tags, flow.companies),
        since=_midnight(config.since or start.rpartition("|")[2], zone),
        period=_period(config.period),
    )


def _midnight(day: str, zone: ZoneInfo) -> datetime | None:
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), time(), zone).astimezone(UTC)
    except ValueError:
        raise ConfigError(f"since: {day!r} is no day; write it like 2026-10-01") from None


def _period(text: str) -> int:
    try:
        return read_period(text) if text else 0
    except ValueError:
        raise ConfigError(f"period: {text!r} is no period; write it like 2026-10") from None


def _report(
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


def _write(workspace: Workspace, flow: Flow, target: FlowDestination, report: Report) -> Path:
    """The newest page of a flow and destination; one of everything is kept beside one of changes."""
    whole = all(one.done.is_whole for one in report.comparisons)
    folder = workspace.settings.home / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{flow.name}.{target.name}.{'all' if whole else 'changes'}.html"
    aside = path.with_suffix(".tmp")
    aside.write_text(html(report), encoding="utf-8")
    aside.replace(path)
    return path


def _metadata(report: Report, now: Sequence[TableStanding], written: Path) -> dict[str, Any]:
    done = [one.done for one in report.comparisons]
    differing = [one for one in report.comparisons if any(group.differs for group in one.groups)]
    records = [record for one in report.comparisons for record in one.differences]
    return {
        "verdict": report.verdict,
        "compared": ", ".join(dict.fromkeys(map(compared, report.comparisons))) or "nothing",
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


def _check_results(
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


def reconcile_job(
    flow: Flow, keys: Sequence[dg.AssetKey]
) -> "dg.UnresolvedAssetJobDefinition | Any":
    """The job that compares everything. Its assets have no partitions, so a named job is safe."""
    return dg.define_asset_job(
        f"reconcile_{flow.name}",
        selection=dg.AssetSelection.assets(*keys),
        tags={RECONCILE_TAG: flow.name, FLOW_TAG: flow.name, TENANT_TAG: flow.source},
        description=f"Compare every destination of flow {flow.name!r} with the ERP. Narrow it in the launchpad.",
    )


def reconcile_schedule(flow: Flow, clock: Schedule, timezone: str, job: Any) -> Any:
    """Everything, at each tick; one that is still going is not joined by another."""
    status = dg.DefaultScheduleStatus

    @dg.schedule(
        name=f"{flow.name}_reconcile_schedule",
        cron_schedule=list(clock.cron_expressions),
        execution_timezone=timezone,
        job=job,
        default_status=status.RUNNING if clock.enabled else status.STOPPED,
        description=f"Compares every destination of flow {flow.name!r} with the ERP.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        going = dg.RunsFilter(tags={RECONCILE_TAG: flow.name}, statuses=UNFINISHED)
        if context.instance.get_runs_count(going):
            return dg.SkipReason("The last reconciliation is still going.")
        return dg.RunRequest(
            run_key=f"reconcile:{context.scheduled_execution_time.isoformat()}",
            tags={RECONCILE_TAG: flow.name, FLOW_TAG: flow.name, TENANT_TAG: flow.source},
        )

    return tick
