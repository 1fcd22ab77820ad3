"""Deliveries that did not end: the run died, or the destination was away. They are simply done again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.ledger.dead_letters import pause_after
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import DeliveryState, OutcomeCounts
from ml_connector_dagster.sync.flows import deliver_entity
from ml_connector_dagster.sync.workspace import Workspace


#: A delivery that nobody has touched for so long is not in the middle of a run.
OVERDUE_AFTER: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """Batches of one entity and company that a destination should have by now.

    Attributes:
        repairs: how many of them put back what somebody changed at the destination (``reconcile --repair``).
        error: of the last attempt, and ``attempts`` how many there were for the batch that was tried most.
        due_at: when it may be tried again by itself: the pauses grow like those of dead letters.
    """

    target: FlowDestination
    entity: str
    company: str
    batches: int
    repairs: int
    error: str
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueResult:
    """What came of delivering them. ``error`` is "" when all went well."""

    overdue: Overdue
    counts: OutcomeCounts
    error: str = ""


def overdue_deliveries(
    workspace: Workspace, flow: Flow, *, older_than: timedelta
) -> tuple[Overdue, ...]:
    """What ``flow`` has staged and not delivered, and has not touched for ``older_than``: nobody is at it."""
    limit = workspace.now() - older_than
    found = []
    for target in flow.destinations:
        for entity in flow.entities:
            for company in flow.companies:
                batches = workspace.ledger.pending(
                    destination=target.name, tenant=flow.source, entity=entity, companies=[company]
                )
                if not batches:
                    continue
                deliveries = workspace.ledger.deliveries(
                    batch_ids=[batch.batch_id for batch in batches], destination=target.name
                )
                touched = [batch.finished_at for batch in batches]
                for one in deliveries:
                    touched += [at for at in (one.started_at, one.finished_at) if at is not None]
                if max(touched) > limit:
                    continue
                attempts = max((one.attempts for one in deliveries), default=0)
                errors = [
                    one.error
                    for one in deliveries
                    if one.state is DeliveryState.FAILED and one.error is not None
                ]
                found.append(
                    Overdue(
                        target=target,
                        entity=entity,
                        company=company,
                        batches=len(batches),
                        repairs=sum(batch.restores for batch in batches),
                        error=errors[-1] if errors else "",
                        attempts=attempts,
                        due_at=max(touched) + pause_after(max(attempts, 1)),
                    )
                )
    return tuple(found)


def due_deliveries(workspace: Workspace, flow: Flow) -> tuple[Overdue, ...]:
    """Those that may be tried again by themselves now: their pause is over, and they are not given up."""
    return tuple(
        one
        for one in overdue_deliveries(workspace, flow, older_than=OVERDUE_AFTER)
        if one.due_at <= workspace.now() and not flow.replay.gives_up_after(one.attempts)
    )


def choose_overdue(
    workspace: Workspace,
    flow: Flow,
    *,
    only_due: bool = False,
    entity: str | None = None,
    company: str | None = None,
    destination: str | None = None,
    reason: str = "",
) -> tuple[Overdue, ...]:
    """Every delivery of ``flow`` that did not end, and meets every condition given. A failed repair is one, too."""
    found = (
        due_deliveries(workspace, flow)
        if only_due
        else overdue_deliveries(workspace, flow, older_than=timedelta())
    )
    return tuple(
        one
        for one in found
        if entity in (None, one.entity)
        and company in (None, one.company)
        and destination in (None, one.target.name)
        and reason.casefold() in one.error.casefold()
    )


def answers(workspace: Workspace, flow: Flow, target: FlowDestination) -> str:
    """ "" when ``target`` answers a question, else why not."""
    entity = ENTITIES[flow.entities[0]]
    try:
        with workspace.destination(target, flow.name) as destination:
            destination.inspect(entity, Scope(tenant=flow.source, company=flow.companies[0]))
    except ConnectorError as error:
        return str(error)
    return ""


def deliver_overdue(
    workspace: Workspace, flow: Flow, overdue: Sequence[Overdue], *, run_id: str
) -> tuple[OverdueResult, ...]:
    """Deliver ``overdue``. A destination that is still away fails its own part only."""
    results = []
    for one in overdue:
        try:
            summary = deliver_entity(
                workspace,
                flow,
                one.target,
                entity=one.entity,
                companies=[one.company],
                run_id=run_id,
            )
        except ConnectorError as error:
            results.append(OverdueResult(overdue=one, counts=OutcomeCounts(), error=str(error)))
        else:
            results.append(OverdueResult(overdue=one, counts=summary.counts))
    return tuple(results)
