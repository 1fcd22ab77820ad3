"""Reconciliation in Dagster: per flow one step, which reads the ERP once, and an asset for each destination.

An asset's page is what a controller opens: the verdict, every table side by side, the records that differ, a check for
each entity, and the course of the numbers over time. It has no partitions, like marts. At the end of a run over company
by day it compares what the ERP has changed in these days; by its own job and schedule, everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.defs.failures import RETRIES, Problem, failure
from ml_connector_dagster.defs.names import (
    FLOW_TAG,
    PARTITION_TAG,
    RANGE_START_TAG,
    RECONCILE_TAG,
    REPLAY_JOB,
    TENANT_TAG,
    WORKSPACE,
    destination_group,
)
from ml_connector_dagster.defs.partitions import companies_of_run
from ml_connector_dagster.defs.reconciliation_pages import (
    RECENTLY_RECONCILED,
    agrees,
    check_results,
    metadata,
    repair_metadata,
    report_of,
    write_page,
)
from ml_connector_dagster.defs.schedules import UNFINISHED
from ml_connector_dagster.model.controls import read_period
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.reconcile.repairing import Repair, mend
from ml_connector_dagster.sync.reconcile.results import Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster.sync.reconcile.standing import standings


class ReconcileConfig(dg.Config):
    """What to compare. Left as it is, everything; a run over days compares what the ERP has changed in them."""

    entities: list[str] = Field(default=[], description="Only these entities, e.g. payments.")
    companies: list[str] = Field(default=[], description='Only these companies, e.g. "100".')
    since: str = Field(
        default="", description="Only what the ERP changed from this day on, like 2026-10-01."
    )
    period: str = Field(default="", description="Only this month or fiscal period, like 2026-10.")
    repair: bool = Field(
        default=False,
        description="Put the ERP's values back where they were changed, removed or marked; then compare again.",
    )


def reconcile_op(flow: Flow) -> str:
    """The name under which the launchpad's config stands."""
    return f"reconcile_{flow.name}_tables"


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
        made, wanted = context.selected_asset_keys, context.selected_asset_check_keys
        asked = {*made, *(check.asset_key for check in wanted)}  # a check may be run by itself
        chosen = {key: target for key, target in targets.items() if key in asked}
        try:
            request = _request(context, flow, tuple(chosen.values()), config, zone)
            found = reconcile_flow(workspace, flow, request)
            repairs: tuple[Repair, ...] = ()
            if config.repair:
                mended = mend(workspace, flow, request, found)
                found, repairs = mended.comparisons, mended.repairs
        except Exception as error:
            problem = Problem(subject=f"flow {flow.name}", error=error)
            raise failure(f"{flow.name} was not compared with the ERP", [problem]) from None
        for key, target in chosen.items():
            own = tuple(one for one in found if one.done.destination == target.name)
            now = standings(workspace, flow, target)
            results = [
                one
                for one in check_results(key, workspace, flow, target, now, zone)
                if dg.AssetCheckKey(key, str(one.check_name)) in wanted
            ]
            if key not in made:
                yield from results
                continue
            report = report_of(workspace, flow, own, zone)
            page = write_page(workspace, flow, target, report)
            yield dg.MaterializeResult(
                asset_key=key,
                metadata=metadata(report, now, page) | repair_metadata(repairs, target.name),
                check_results=results,
            )
        problems = [
            Problem(subject=f"{one.destination} {one.entity} {one.company}", error=one.problem)
            for one in repairs
            if one.problem is not None
        ]
        if problems:
            raise failure(_not_repaired(flow, repairs), problems)

    return reconcile


def _not_repaired(flow: Flow, repairs: Sequence[Repair]) -> str:
    waiting = sum(one.waiting for one in repairs)
    if not waiting:
        return f"{flow.name} was not repaired everywhere"
    return (
        f"{flow.name} was not repaired everywhere: {waiting:,} records are staged and did not arrive; the job "
        f"{REPLAY_JOB} sends them, and so does the next delivery or repair"
    )


def _spec(
    flow: Flow, target: FlowDestination, key: dg.AssetKey, tables: Sequence[dg.AssetKey]
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=list(tables),
        skippable=True,
        description=f"Does {target.name} hold what the ERP has? Counts and exact sums by company, period and currency, "
        "asked of both sides; records that differ, with the reason. Red only where nothing that is under way will heal "
        f"it. Compare everything now with the job `reconcile_{flow.name}`.",
        group_name=destination_group(key),
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
