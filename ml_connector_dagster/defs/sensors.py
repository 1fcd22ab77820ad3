"""Sensors: the ERP changed, something can be tried again, a run failed. All are off until somebody turns them on."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import next_step
from ml_connector_dagster.defs.names import (
    BY_HAND,
    COMPANY_TAG,
    FLOW_TAG,
    REPLAY_JOB,
    REPLAY_OP,
    REPLAY_TAG,
    TENANT_TAG,
    WORKSPACE,
)
from ml_connector_dagster.defs.schedules import UNFINISHED, incremental_run, unfinished_run
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import Stage
from ml_connector_dagster.sync.flows import days_due
from ml_connector_dagster.sync.pending import answers, due_deliveries
from ml_connector_dagster.sync.probe import changed_entities
from ml_connector_dagster.sync.replay import UNREADABLE, choose_letters
from ml_connector_dagster.sync.workspace import Workspace


#: A look costs requests of the tenant's budget, so it is not taken more often than this.
LOOK_EVERY: Final = 300


def change_sensor(
    flow: Flow, entities: Mapping[str, Sequence[dg.AssetKey]], selection: dg.AssetSelection
) -> dg.SensorDefinition:
    """Runs what has changed in the ERP. ``entities`` are the assets of each entity of the flow."""

    @dg.sensor(
        name=f"{flow.name}_changes",
        target=selection,
        minimum_interval_seconds=LOOK_EVERY,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={WORKSPACE},
        description=f"Looks at the ERP every few minutes and runs, per company, the entities of flow {flow.name!r} "
        "that have changed. An alternative to a frequent schedule.",
    )
    def look(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        workspace = context.resources.workspace.current
        requests, notes = [], []
        try:
            with workspace.source(flow.source) as source:
                for company in flow.companies:
                    if unfinished_run(context.instance, flow, company) is not None:
                        notes.append(f"company {company}: a run is still going")
                        continue
                    changed = changed_entities(workspace, source, flow, company)
                    if not changed:
                        notes.append(f"company {company}: nothing has changed")
                        continue
                    days = days_due(workspace, flow, company)
                    assets = dict.fromkeys(key for entity in changed for key in entities[entity])
                    requests.append(
                        incremental_run(flow, company, days, run_key=None, assets=list(assets))
                    )
        except ConnectorError as error:
            return dg.SkipReason(f"{redact(str(error))} {next_step(error)}")
        return requests or dg.SkipReason("; ".join(notes))

    return look


def replay_sensor(flow: Flow, job: dg.JobDefinition) -> dg.SensorDefinition:
    """Tries again what is due, when the destination that failed answers."""

    @dg.sensor(
        name=f"{flow.name}_replay",
        target=job,
        minimum_interval_seconds=LOOK_EVERY,
        default_status=dg.DefaultSensorStatus.STOPPED,
        required_resource_keys={WORKSPACE},
        description=f"Starts the job {REPLAY_JOB} for flow {flow.name!r} when dead letters are due, or deliveries did "
        f"not end, and the destination answers again. Gives a dead letter up after {flow.replay.tries} tries.",
    )
    def look(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        going = context.instance.get_runs(
            dg.RunsFilter(job_name=REPLAY_JOB, statuses=UNFINISHED), limit=100
        )
        if any(run.tags.get(REPLAY_TAG) in (flow.name, BY_HAND) for run in going):
            return dg.SkipReason("A replay is still going.")
        work, away = due_work(context.resources.workspace.current, flow)
        if not work:
            return dg.SkipReason("; ".join(away) or "Nothing is due.")
        context.log.info(f"{flow.name}: {'; '.join([*work.values(), *away])}")
        # A destination that is away is left alone: its tries would be in vain, and the run red.
        chosen = [{"destination": place} for place in work] if away else [{}]
        return [_replay_run(flow, choice) for choice in chosen]

    return look


def _replay_run(flow: Flow, choice: Mapping[str, str]) -> dg.RunRequest:
    config = {"flow": flow.name, "only_due": True, **choice}
    return dg.RunRequest(
        run_config={"ops": {REPLAY_OP: {"config": config}}},
        tags={REPLAY_TAG: flow.name, FLOW_TAG: flow.name, TENANT_TAG: flow.source},
    )


def due_work(workspace: Workspace, flow: Flow) -> tuple[dict[str, str], list[str]]:
    """What can be tried again now, by the place where it failed, and what has to wait because a destination is away."""
    letters = choose_letters(workspace, flow, due_before=workspace.now())
    overdue = due_deliveries(workspace, flow)
    work: dict[str, str] = {}
    away: list[str] = []
    unread = sum(letter.stage is Stage.EXTRACT for letter in letters)
    if unread:
        work[UNREADABLE] = f"{unread} records to read again"
    for target in flow.destinations:
        refused = sum(letter.destination == target.name for letter in letters)
        stuck = sum(one.batches for one in overdue if one.target == target)
        if not refused and not stuck:
            continue
        what = f"{target.name}: {refused} refused records and {stuck} batches to deliver"
        why = redact(answers(workspace, flow, target))
        if why:
            away.append(f"{what}, but it does not answer: {why}")
        else:
            work[target.name] = what
    return work, away


@dg.run_failure_sensor(
    name="failed_runs",
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Writes one line per failed run to the daemon's log: flow, company, step and what to do. "
    "What was not delivered stays with the ledger and is taken up by the replay sensor.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """One line that log collectors can alert on."""
    tags = context.dagster_run.tags
    steps = [
        f"{event.step_key}: {event.step_failure_data.error_display_string.splitlines()[0]}"
        for event in context.get_step_failure_events()
    ]
    context.log.error(
        f"run {context.dagster_run.run_id} failed; flow {tags.get(FLOW_TAG, '-')}, "
        f"company {tags.get(COMPANY_TAG, '-')}: {redact('; '.join(steps) or context.failure_event.message or '')}"
    )
