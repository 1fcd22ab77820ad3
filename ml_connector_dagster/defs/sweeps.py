"""Key sweeps in Dagster: a job of one op, its schedule, and a check that tells how old a table's last sweep is.

The op is not an asset: a sweep is of a whole company, whatever the days, and a named job over company by day assets
would skip partitions (``schedules``). What it marks reaches the assets' tables all the same, and an observation on each
asset says so.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.pauses import longest_pause
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.launchpads import op_with, with_defaults
from ml_connector_dagster.defs.metadata import minute, moment, table
from ml_connector_dagster.defs.names import COMPANY_TAG, FLOW_TAG, SWEEP_TAG, TENANT_TAG, WORKSPACE
from ml_connector_dagster.defs.schedules import UNFINISHED
from ml_connector_dagster.model.sweeps import Sweep, SweepState
from ml_connector_dagster.sync.sweep import SweepResult, sweep_flow
from ml_connector_dagster.sync.workspace import Workspace


RECENTLY_SWEPT = "recently_swept"


class SweepConfig(dg.Config):
    """What to sweep. Left as it is, everything, with the brake that the flow has."""

    entities: list[str] = Field(default=[], description="Only these entities, e.g. suppliers.")
    companies: list[str] = Field(default=[], description='Only these companies, e.g. "100".')
    dry_run: bool = Field(default=False, description="Only compare; nothing counts.")
    brake_percent: float = Field(
        default=5.0,
        ge=0,
        le=100,
        description="How many percent of an entity's records of a company may be missing this time; 100 believes "
        "everything.",
    )


def sweep_op(flow: Flow) -> str:
    """The name under which the launchpad's config stands."""
    return f"find_deleted_{flow.name}"


def sweep_job(flow: Flow, assets: Mapping[str, Sequence[dg.AssetKey]]) -> dg.JobDefinition:
    """The job that sweeps ``flow``. ``assets``: those of each entity, for what is observed."""

    def find_deleted(context: dg.OpExecutionContext, config: SweepConfig) -> None:
        workspace = context.resources.workspace.current
        try:
            results = sweep_flow(
                workspace,
                flow,
                run_id=context.run_id,
                entities=config.entities,
                companies=config.companies,
                dry_run=config.dry_run,
                brake_percent=config.brake_percent,
            )
        except Exception as error:
            problem = Problem(subject=f"flow {flow.name}", error=error)
            raise failure(f"{flow.name} was not swept", [problem]) from None
        for result in results:
            for key in assets[result.sweep.entity]:
                context.log_event(_observation(key, result))
        metadata = {"sweeps": sweeps_table([one.sweep for one in results])}
        if any(one.problems for one in results):
            raise _unfinished(flow, results, metadata)
        context.add_output_metadata(metadata)

    sweeping = op_with(
        find_deleted,
        with_defaults(SweepConfig, {"brake_percent": float(flow.sweep.brake_percent)}),
        name=sweep_op(flow),
        required_resource_keys={WORKSPACE},
        description="Lists the ERP's keys, marks what two sweeps in a row missed, and delivers the marks.",
    )

    @dg.job(
        name=f"sweep_{flow.name}",
        tags={SWEEP_TAG: flow.name, FLOW_TAG: flow.name, TENANT_TAG: flow.source},
        description=f"Find what was deleted in the ERP for flow {flow.name!r}: a record that two sweeps in a row do not "
        "find is marked in every destination. Nothing is erased.",
    )
    def sweep() -> None:
        sweeping()

    return sweep


def sweep_schedule(
    flow: Flow, clock: Schedule, timezone: str, job: dg.JobDefinition
) -> dg.ScheduleDefinition:
    """One run per company at each tick; a company whose last sweep is still going is skipped."""
    status = dg.DefaultScheduleStatus

    @dg.schedule(
        name=f"{flow.name}_sweep_schedule",
        cron_schedule=list(clock.cron_expressions),
        execution_timezone=timezone,
        job=job,
        default_status=status.RUNNING if clock.enabled else status.STOPPED,
        description=f"Looks for records of flow {flow.name!r} that the ERP has deleted, one run per company.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        at = context.scheduled_execution_time.isoformat()
        requests = [
            dg.RunRequest(
                run_key=f"sweep:{company}:{at}",
                run_config={"ops": {sweep_op(flow): {"config": {"companies": [company]}}}},
                tags={
                    SWEEP_TAG: flow.name,
                    FLOW_TAG: flow.name,
                    TENANT_TAG: flow.source,
                    COMPANY_TAG: company,
                },
            )
            for company in flow.companies
            if not _is_going(context.instance, flow, company)
        ]
        return requests or dg.SkipReason("The last sweep of every company is still going.")

    return tick


def _is_going(instance: dg.DagsterInstance, flow: Flow, company: str) -> bool:
    tags = {SWEEP_TAG: flow.name, COMPANY_TAG: company}
    return instance.get_runs_count(dg.RunsFilter(tags=tags, statuses=UNFINISHED)) > 0


def recently_swept(
    workspace: Workspace,
    flow: Flow,
    key: dg.AssetKey,
    *,
    entity: str,
    companies: Sequence[str],
    zone: ZoneInfo,
) -> dg.AssetCheckResult:
    """Whether each company's last complete sweep is younger than two of the schedule's pauses; its age as metadata."""
    now = workspace.now()
    last = {one.company: one for one in workspace.ledger.sweeps.last(flow.source, entity=entity)}
    complete = {
        one.company: one
        for one in workspace.ledger.sweeps.last(
            flow.source, entity=entity, state=SweepState.COMPLETE
        )
    }
    limit = sweep_limit(flow, zone, now)
    ages = {name: now - one.started_at for name, one in complete.items() if name in companies}
    oldest = max(ages.values(), default=timedelta())
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=RECENTLY_SWEPT,
        passed=len(ages) == len(companies) and (limit is None or oldest <= limit),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "oldest_hours": round(oldest.total_seconds() / 3600, 1),
            "never_swept": len(companies) - len(ages),
            "last_complete": table(
                ["company", "last complete sweep", "known", "missed", "marked"],
                [
                    [one.company, minute(one.started_at), one.known, one.missed, one.marked]
                    for one in complete.values()
                    if one.company in companies
                ],
            ),
            "last_try": sweeps_table([last[name] for name in companies if name in last]),
        },
    )


def sweep_limit(flow: Flow, zone: ZoneInfo, now: datetime) -> timedelta | None:
    """How old the last sweep may be: twice the longest pause of the flow's sweep schedule; None when it has none."""
    clock = flow.sweep.schedule
    if clock is None:
        return None
    zone = ZoneInfo(clock.timezone) if clock.timezone else zone
    return 2 * longest_pause(clock.cron_expressions, zone, now)


def sweeps_table(sweeps: Sequence[Sweep]) -> dg.MarkdownMetadataValue:
    """Sweeps as a person reads them."""
    return table(
        ["entity", "company", "began", "ended as", "known", "seen", "missed", "marked", "returned"],
        [
            [
                one.entity,
                one.company,
                minute(one.started_at),
                one.state.value,
                one.known,
                one.seen,
                one.missed,
                one.marked,
                one.returned,
            ]
            for one in sweeps
        ],
    )


def _observation(key: dg.AssetKey, result: SweepResult) -> dg.AssetObservation:
    sweep = result.sweep
    return dg.AssetObservation(
        asset_key=key,
        metadata={
            "company": sweep.company,
            "swept_at": moment(sweep.started_at),
            "sweep": sweep.state.value,
            "records_known": sweep.known,
            "records_missed": sweep.missed,
            "records_marked": sweep.marked,
            "records_returned": sweep.returned,
        },
    )


def _unfinished(
    flow: Flow, results: Sequence[SweepResult], metadata: dict[str, dg.MarkdownMetadataValue]
) -> dg.Failure:
    happened = [
        f"{one.sweep.entity} of company {one.sweep.company}: {redact(problem)}"
        for one in results
        for problem in one.problems
    ]
    return dg.Failure(
        description=f"{flow.name} was swept in part. {'; '.join(happened)}. What did not count marked nothing; "
        "correct the cause and launch this job again.",
        metadata=dict(metadata),
        allow_retries=False,
    )
