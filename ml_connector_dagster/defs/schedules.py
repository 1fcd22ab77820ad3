"""Schedules: at each tick one run per company, over the days that are due.

The run is aimed at assets (``target=``), never at a named job: a backfill from the page of a named job over
company by day skips partitions and reports success (Dagster 1.13).
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

import dagster as dg

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.defs.names import (
    COMPANY_TAG,
    FLOW_TAG,
    MODE_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    TENANT_TAG,
    WORKSPACE,
)
from ml_connector_dagster.defs.partitions import partition_key
from ml_connector_dagster.sync.flows import ReadMode, days_due


#: A run in one of these states is not over.
UNFINISHED: Final = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def flow_schedule(
    flow: Flow, cron: Sequence[str], timezone: str, *, enabled: bool, selection: dg.AssetSelection
) -> dg.ScheduleDefinition:
    """The clock of one flow."""
    status = dg.DefaultScheduleStatus.RUNNING if enabled else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=f"{flow.name}_schedule",
        cron_schedule=list(cron),
        execution_timezone=timezone,
        target=selection,
        default_status=status,
        required_resource_keys={WORKSPACE},
        description=f"Reads what changed for flow {flow.name!r}, one run per company, and delivers it. A company "
        "whose last run is still going is skipped.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        workspace = context.resources.workspace.current
        requests = []
        for company in flow.companies:
            if unfinished_run(context.instance, flow, company) is None:
                days = days_due(workspace, flow, company)
                at = context.scheduled_execution_time.isoformat()
                requests.append(incremental_run(flow, company, days, run_key=f"{company}:{at}"))
            else:
                context.log.info(f"company {company}: the last run is still going, skipped")
        if not requests:
            return dg.SkipReason(
                f"The last run of every company of {flow.name} is still going; nothing was started."
            )
        return requests

    return tick


def incremental_run(
    flow: Flow,
    company: str,
    days: tuple[date, date],
    *,
    run_key: str | None,
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.RunRequest:
    """A run that reads what changed of one company; ``days`` are the partitions it touches."""
    first, last = days
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=assets,
        # Tags of the schedule itself do not reach the run; these do.
        tags={
            MODE_TAG: ReadMode.INCREMENTAL.value,
            TENANT_TAG: flow.source,
            COMPANY_TAG: company,
            FLOW_TAG: flow.name,
            RANGE_START_TAG: partition_key(company, first),
            RANGE_END_TAG: partition_key(company, last),
        },
    )


def unfinished_run(instance: dg.DagsterInstance, flow: Flow, company: str) -> str | None:
    """The id of an incremental run of ``company`` that is queued or going."""
    found = instance.get_run_records(
        dg.RunsFilter(
            tags={
                MODE_TAG: ReadMode.INCREMENTAL.value,
                FLOW_TAG: flow.name,
                COMPANY_TAG: company,
            },
            statuses=UNFINISHED,
        ),
        limit=1,
    )
    return found[0].dagster_run.run_id if found else None
