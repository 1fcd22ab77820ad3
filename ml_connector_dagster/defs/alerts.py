"""Alerts in Dagster: what it knows of runs and checks goes into the ledger, and channels are told.

They are on as soon as a channel is configured: who names one wants to be told.
"""

from collections.abc import Callable, Iterator
from typing import Final

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.names import (
    COMPANY_TAG,
    DOCUMENTS_TAG,
    FLOW_TAG,
    MODE_TAG,
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    REPLAY_TAG,
    SWEEP_TAG,
)
from ml_connector_dagster.model.alerts import AlertKind, Condition
from ml_connector_dagster.sync.alerts.looking import look_around
from ml_connector_dagster.sync.alerts.telling import tell_all
from ml_connector_dagster.sync.workspace import Workspace


LOOK_EVERY: Final = 120

#: Characters of a step's error in a message; the whole of it is behind the link.
_LONGEST_REASON: Final = 600

#: States of an asset check that say something.
_JUDGED: Final = {
    AssetCheckExecutionRecordStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED,
}

#: What a run was for, where its tags say so.
_PURPOSES: Final = {
    MODE_TAG: "read and deliver",
    REPLAY_TAG: "replay",
    SWEEP_TAG: "sweep",
    DOCUMENTS_TAG: "documents",
}


def alert_sensors(open_workspace: Callable[[], Workspace]) -> tuple[dg.SensorDefinition, ...]:
    """The three sensors of an installation that has channels."""
    return (
        _failed(open_workspace),
        _succeeded(open_workspace),
        _around(open_workspace),
    )


def run_subject(run: dg.DagsterRun) -> str:
    """What a run was about, the same for the next one of its kind: a success there ends the alert of this one."""
    tags = run.tags
    if FLOW_TAG in tags:
        purpose = next((words for tag, words in _PURPOSES.items() if tag in tags), "run")
        company = f", company {tags[COMPANY_TAG]}" if COMPANY_TAG in tags else ""
        return f"flow {tags[FLOW_TAG]}{company} ({purpose})"
    partitions = tags.get(PARTITION_TAG) or " to ".join(
        tags[tag] for tag in (RANGE_START_TAG, RANGE_END_TAG) if tag in tags
    )
    if run.asset_selection:
        keys = sorted(key.to_user_string() for key in run.asset_selection)
        what = keys[0] + (f" and {len(keys) - 1} more" if keys[1:] else "")
    else:
        what = run.job_name
    return f"{what} [{partitions}]" if partitions else what


def _failed(open_workspace: Callable[[], Workspace]) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_failed_runs",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the alert channels of a run that failed, once until one like it succeeds.",
    )
    def alert_failed_runs(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        reasons = [_reason(event) for event in context.get_step_failure_events()]
        reasons = reasons or [context.failure_event.message or "no reason given"]
        more = f" (and {len(reasons) - 1} more)" if reasons[1:] else ""
        with open_workspace() as workspace:
            workspace.ledger.alerts.raise_one(
                Condition(
                    kind=AlertKind.RUN_FAILED,
                    subject=run_subject(run),
                    message=redact(reasons[0])[:_LONGEST_REASON].rstrip(".") + more,
                    run_id=run.run_id,
                )
            )
            _tell(workspace, context.log.warning)

    return alert_failed_runs


def _reason(event: dg.DagsterEvent) -> str:
    """Why a step failed: our own words where it was we who failed it, else the first line of the error."""
    said = event.step_failure_data.user_failure_data
    if said is not None and said.description:
        return said.description
    return event.step_failure_data.error_display_string.strip().splitlines()[0]


def _succeeded(open_workspace: Callable[[], Workspace]) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name="alert_recovered_runs",
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the alert channels that a run succeeded whose like had failed.",
    )
    def alert_recovered_runs(context: dg.RunStatusSensorContext) -> None:
        with open_workspace() as workspace:
            workspace.ledger.alerts.resolve_one(
                AlertKind.RUN_FAILED, run_subject(context.dagster_run)
            )
            _tell(workspace, context.log.warning)

    return alert_recovered_runs


def _around(open_workspace: Callable[[], Workspace]) -> dg.SensorDefinition:
    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=LOOK_EVERY,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks for stale tables, refused and given-up records, failing tenants and failed checks, and tells "
        "the alert channels what has changed.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with open_workspace() as workspace:
            look_around(workspace)
            workspace.ledger.alerts.observe(
                tuple(failed_checks(context)), (AlertKind.CHECK_FAILED,)
            )
            told = _tell(workspace, context.log.warning)
        return dg.SkipReason(f"{told} notices sent; nothing to launch.")

    return alerts


def failed_checks(context: dg.SensorEvaluationContext) -> Iterator[Condition]:
    """Checks whose newest evaluation is an error: row counts, doubled keys, marts that do not add up, reconciliation."""
    repository = context.repository_def
    if repository is None:
        return
    storage = context.instance.event_log_storage
    keys = list(repository.asset_graph.asset_check_keys)
    for key, newest in storage.get_latest_asset_check_execution_by_key(keys).items():
        record: AssetCheckExecutionRecord | None = newest
        if newest.status not in _JUDGED:
            # A run that has not come to it yet, or never will: what was found before still counts.
            judged = storage.get_asset_check_execution_history(key, limit=1, status=_JUDGED)
            record = judged[0] if judged else None
        evaluation = None if record is None else record.evaluation
        if record is None or not isinstance(evaluation, dg.AssetCheckEvaluation):
            continue
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            yield Condition(
                kind=AlertKind.CHECK_FAILED,
                subject=f"{key.name} of {key.asset_key.to_user_string()}",
                message=redact(evaluation.description or "see the check's page for the figures"),
                run_id=record.run_id,
            )


def _tell(workspace: Workspace, warn: Callable[[str], None]) -> int:
    """Tell everybody; who could not be told is said in the sensor's log, and told at the next tick."""
    results = tell_all(workspace)
    for one in results:
        if one.error:
            warn(f"channel {one.channel}: {one.error}")
    return sum(one.notices for one in results)
