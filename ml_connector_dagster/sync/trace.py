"""One record's whole story: when it was read, in which batch, where it went, what was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES, SYSTEM_COLUMNS
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import Delivery, DeliveryState, Outcome
from ml_connector_dagster.sync.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """One thing that happened to the record. ``changes`` are column → (old, new) against the version before."""

    at: datetime
    what: str  # read, delivered, failed, dead letter, resolved
    where: str  # a route of the ERP, or a destination
    outcome: str
    batch_id: str
    run_id: str
    detail: str = ""
    changes: Mapping[str, tuple[Any, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """All events of one record of one entity, oldest first, and its newest staged version."""

    entity: str
    record_id: str
    events: tuple[TraceEvent, ...]
    current: Mapping[str, Any]


def trace(workspace: Workspace, record_id: str, *, entity: str | None = None) -> tuple[Story, ...]:
    """The story of ``record_id`` (``tenant/company/key…``) in each entity that knows it.

    Raises ConfigError when ``record_id`` has not at least three parts or ``entity`` is unknown.
    """
    parts = record_id.split("/")
    if len(parts) < 3:
        raise ConfigError(
            f"a record id has the form tenant/company/key, e.g. acme/100/10001; got {record_id!r}"
        )
    if entity is not None and entity not in ENTITIES:
        raise ConfigError(f"unknown entity {entity!r}; known are {', '.join(ENTITIES)}")
    names = [entity] if entity else list(ENTITIES)
    stories = [_story(workspace, parts[0], parts[1], name, record_id) for name in names]
    return tuple(story for story in stories if story.events)


def _story(workspace: Workspace, tenant: str, company: str, entity: str, record_id: str) -> Story:
    events: list[TraceEvent] = []
    current: Mapping[str, Any] = {}
    carriers: list[Batch] = []
    batches = workspace.ledger.batches(tenant=tenant, entity=entity, company=company)
    for batch in batches:
        rows = workspace.staging.find(batch, [record_id]).to_pylist() if batch.rows else []
        for row in rows:
            carriers.append(batch)
            if batch.for_destination:
                continue
            events.append(_read_event(batch, row, current))
            current = row
    events += _delivery_events(workspace, carriers, record_id)
    events += _letter_events(workspace, tenant, entity, company, record_id)
    return Story(
        entity=entity,
        record_id=record_id,
        events=tuple(sorted(events, key=lambda event: event.at)),
        current=current,
    )


def _read_event(batch: Batch, row: Mapping[str, Any], before: Mapping[str, Any]) -> TraceEvent:
    changes = None
    if before:
        system = {column.name for column in SYSTEM_COLUMNS} - {"_extra", "_deleted_at"}
        changes = {
            name: (before.get(name), value)
            for name, value in row.items()
            if name not in system and before.get(name) != value
        }
    outcome = "first seen" if changes is None else "changed" if changes else "unchanged"
    return TraceEvent(
        at=row["_extracted_at"],
        what="read",
        where=batch.route,
        outcome=outcome,
        batch_id=batch.batch_id,
        run_id=batch.run_id,
        detail=str(row["_problems"] or ""),
        changes=changes,
    )


def _delivery_events(
    workspace: Workspace, carriers: Sequence[Batch], record_id: str
) -> list[TraceEvent]:
    by_id = {batch.batch_id: batch for batch in carriers}
    events = []
    for delivery in workspace.ledger.deliveries(batch_ids=list(by_id)) if by_id else ():
        batch = by_id[delivery.batch_id]
        receipts = [
            receipt
            for receipt in workspace.staging.receipts(batch, delivery.destination).to_pylist()
            if receipt["record_id"] == record_id
        ]
        events += [
            TraceEvent(
                at=receipt["delivered_at"],
                what="delivered",
                where=delivery.destination,
                outcome=receipt["outcome"],
                batch_id=batch.batch_id,
                run_id=receipt["run_id"],
                detail=receipt["reason"] or "",
            )
            for receipt in receipts
        ]
        if not receipts:
            events += _without_receipt(delivery)
    return events


def _without_receipt(delivery: Delivery) -> list[TraceEvent]:
    moment = delivery.finished_at or delivery.started_at
    if moment is None:
        return []
    done = delivery.state is DeliveryState.DONE
    return [
        TraceEvent(
            at=moment,
            what="delivered" if done else delivery.state.value,
            where=delivery.destination,
            outcome=Outcome.UNCHANGED.value if done else "",
            batch_id=delivery.batch_id,
            run_id=delivery.run_id or "",
            detail=delivery.error or "",
        )
    ]


def _letter_events(
    workspace: Workspace, tenant: str, entity: str, company: str, record_id: str
) -> list[TraceEvent]:
    events = []
    for letter in workspace.ledger.dead_letters(
        open_only=False, tenant=tenant, entity=entity, company=company, record_id=record_id
    ):
        events.append(
            TraceEvent(
                at=letter.created_at,
                what="dead letter",
                where=letter.destination,
                outcome=f"attempt {letter.attempts}",
                batch_id=letter.batch_id,
                run_id="",
                detail=letter.reason,
            )
        )
        if letter.resolved_at is not None:
            events.append(
                TraceEvent(
                    at=letter.resolved_at,
                    what="resolved",
                    where=letter.destination,
                    outcome="accepted",
                    batch_id=letter.batch_id,
                    run_id="",
                )
            )
    return events
