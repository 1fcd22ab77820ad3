"""Jobs that a person starts: replay. Jobs of ops only; assets are run from their own pages (see ``schedules``)."""

from datetime import timedelta

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.checks import letters_table
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.defs.names import FLOW_TAG, REPLAY_TAG, TENANT_TAG, WORKSPACE
from ml_connector_dagster.model.receipts import DeadLetter
from ml_connector_dagster.sync.pending import OverdueResult, deliver_overdue, overdue_deliveries
from ml_connector_dagster.sync.replay import ReplaySummary, choose_letters, replay
from ml_connector_dagster.sync.workspace import Workspace


class ReplayConfig(dg.Config):
    """What to try again. Left as it is, everything that is open is tried."""

    entity: str = Field(default="", description="Only this entity, e.g. suppliers.")
    company: str = Field(default="", description='Only this company, e.g. "100".')
    destination: str = Field(
        default="",
        description="Only what this destination refused: connection.schema, e.g. warehouse.erp.",
    )
    reason_contains: str = Field(default="", description="Only reasons that contain this text.")
    record_ids: list[str] = Field(default=[], description="Only these records: tenant/company/key.")
    dead_letter_ids: list[int] = Field(
        default=[],
        description="Only these dead letters, by the number shown in the check.",
    )
    limit: int = Field(
        default=10_000, ge=1, description="At most so many dead letters, oldest first."
    )
    only_due: bool = Field(
        default=False, description="Only dead letters whose next try is due; the sensor sets it."
    )
    unfinished_deliveries: bool = Field(
        default=True,
        description="Also deliver batches whose delivery failed or never ended. Ignored when single records or "
        "dead letters are named.",
    )


def replay_op(flow: Flow) -> str:
    """The name under which the launchpad's config stands."""
    return f"try_again_{flow.name}"


def replay_job(flow: Flow) -> dg.JobDefinition:
    """The job that replays ``flow``, with a launchpad whose defaults mean "everything open"."""

    @dg.op(
        name=replay_op(flow),
        out=dg.Out(dg.Nothing),
        required_resource_keys={WORKSPACE},
        description="Reads again what could not be read, sends again what was refused, and delivers what was left.",
    )
    def try_again(context: dg.OpExecutionContext, config: ReplayConfig) -> None:
        workspace = context.resources.workspace.current
        try:
            letters = _chosen(workspace, flow, config)
            summary = replay(workspace, flow, letters, run_id=context.run_id)
            delivered = _deliver(workspace, flow, config, context.run_id)
            still_open = _still_open(workspace, flow, letters)
        except Exception as error:
            problem = Problem(subject=f"flow {flow.name}", error=error)
            raise failure(f"{flow.name} was not replayed", [problem]) from None
        metadata = _metadata(summary, delivered, still_open)
        errors = [*summary.errors, *(one.error for one in delivered if one.error)]
        if errors or summary.still_open:
            raise _unfinished(flow, summary, errors, metadata)
        context.add_output_metadata(metadata)

    @dg.job(
        name=f"replay_{flow.name}",
        tags={REPLAY_TAG: flow.name, FLOW_TAG: flow.name, TENANT_TAG: flow.source},
        description=f"Try again exactly what failed in flow {flow.name!r}: records that could not be read or were "
        "refused, and deliveries that did not end. Launch it as it is for everything, or narrow it in the launchpad.",
    )
    def again() -> None:
        try_again()

    return again


def _chosen(workspace: Workspace, flow: Flow, config: ReplayConfig) -> tuple[DeadLetter, ...]:
    return choose_letters(
        workspace,
        flow,
        entity=config.entity or None,
        company=config.company or None,
        destination=config.destination or None,
        reason=config.reason_contains,
        record_ids=config.record_ids,
        ids=config.dead_letter_ids,
        due_before=workspace.now() if config.only_due else None,
        limit=config.limit,
    )


def _deliver(
    workspace: Workspace, flow: Flow, config: ReplayConfig, run_id: str
) -> tuple[OverdueResult, ...]:
    if not config.unfinished_deliveries or config.record_ids or config.dead_letter_ids:
        return ()
    chosen = [
        one
        for one in overdue_deliveries(workspace, flow, older_than=timedelta(0))
        if config.entity in ("", one.entity)
        and config.company in ("", one.company)
        and config.destination in ("", one.target.name)
        and config.reason_contains.casefold() in one.error.casefold()
    ]
    return deliver_overdue(workspace, flow, chosen, run_id=run_id)


def _still_open(
    workspace: Workspace, flow: Flow, letters: tuple[DeadLetter, ...]
) -> tuple[DeadLetter, ...]:
    if not letters:
        return ()
    return choose_letters(workspace, flow, ids=[letter.id for letter in letters])


def _metadata(
    summary: ReplaySummary,
    delivered: tuple[OverdueResult, ...],
    still_open: tuple[DeadLetter, ...],
) -> dict[str, dg.MetadataValue]:
    return {
        "tried": dg.MetadataValue.int(summary.attempted),
        "resolved": dg.MetadataValue.int(summary.resolved),
        "still_open": dg.MetadataValue.int(summary.still_open),
        "rows_changed": dg.MetadataValue.int(
            summary.counts.written + sum(one.counts.written for one in delivered)
        ),
        "deliveries": table(
            ["destination", "entity", "company", "batches", "changed", "error"],
            [
                [
                    one.overdue.target.name,
                    one.overdue.entity,
                    one.overdue.company,
                    one.overdue.batches,
                    one.counts.written,
                    redact(one.error),
                ]
                for one in delivered
            ],
        ),
        "open_letters": letters_table(still_open[:50]),
    }


def _unfinished(
    flow: Flow,
    summary: ReplaySummary,
    errors: list[str],
    metadata: dict[str, dg.MetadataValue],
) -> dg.Failure:
    happened = (
        [f"{summary.still_open} of {summary.attempted} records failed again"]
        if summary.still_open
        else []
    )
    happened += [redact(error) for error in errors]
    return dg.Failure(
        description=f"{flow.name} was replayed in part: {'; '.join(happened)}. What is open stays open and is listed "
        "below with its reasons; correct the cause and launch this job again.",
        metadata=metadata,
        allow_retries=False,
    )
