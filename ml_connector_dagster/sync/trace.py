"""One record's whole story: when it was read, in which batch, where it went, what was answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ml_connector_dagster.model.batches import REPAIR, Batch
from ml_connector_dagster.model.entities import ENTITIES, SYSTEM_COLUMNS
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import Attempt, DeliveryState, Outcome
from ml_connector_dagster.sync.keeping import KEPT
from ml_connector_dagster.sync.record_places import places_of
from ml_connector_dagster.sync.workspace import Workspace


#: What a trace says of a delivery that put back what somebody had changed at the destination.
REPAIRED: Final = "repair: the ERP's values, over what was changed there"

#: What it says of a row that had been there, and was inserted again.
RETURNED: Final = "it had been there, and somebody had removed it"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEvent:
    """One thing that happened to the record. ``changes`` are column → (old, new) against the version before."""

    at: datetime
    what: str  # read, delivered, failed, started, dead letter, resolved, edited, edit ended
    where: str  # a route of the ERP, or a destination
    outcome: str
    batch_id: str
    run_id: str
    detail: str = ""
    remote_id: str = ""
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
    places = places_of(workspace, record_id, batches)
    for batch in batches:
        if batch.route == KEPT and not batch.rows:
            carriers.append(
                batch
            )  # of what was refused and never staged again, only receipts are left
        if not places.may_hold(batch):
            continue
        for row in workspace.staging.find(batch, [record_id]).to_pylist():
            carriers.append(batch)
            if batch.for_destination:
                continue
            events.append(_read_event(batch, row, current))
            current = row
    events += _delivery_events(workspace, carriers, record_id)
    events += _letter_events(workspace, tenant, entity, company, record_id)
    events += _edit_events(workspace, entity, record_id)
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
    """What became of the record each time that a batch with it was handed to a destination.

    A batch that a clean-up has kept rows in holds the receipts of those that it replaced.
    """
    by_id = {batch.batch_id: batch for batch in carriers}
    receipts = [
        receipt
        for batch in by_id.values()
        for receipt in workspace.staging.receipts(batch, record_ids=[record_id]).to_pylist()
    ]
    answered = {(one["batch_id"], one["destination"]) for one in receipts}
    attempts = workspace.ledger.attempts(list(by_id))
    senders = {(one.batch_id, one.destination): one.run_id for one in attempts}
    repairs = {batch.batch_id for batch in by_id.values() if batch.restores}
    returns = _returns(receipts)
    return [
        _receipt_event(
            receipt,
            senders,
            is_repair=receipt["batch_id"] in repairs or receipt["reason"] == REPAIR,
            is_return=number in returns,
        )
        for number, receipt in enumerate(receipts)
    ] + [
        _without_receipt(one)
        for one in attempts
        if one.state is not DeliveryState.DONE or (one.batch_id, one.destination) not in answered
    ]


def _returns(receipts: Sequence[Mapping[str, Any]]) -> set[int]:
    """The numbers of receipts that inserted what a destination had accepted before."""
    found: set[int] = set()
    had: dict[str, str] = {}  # destination → the first batch that it accepted
    for number, one in sorted(enumerate(receipts), key=lambda pair: pair[1]["delivered_at"]):
        if one["outcome"] == Outcome.REJECTED:
            continue
        first = had.setdefault(one["destination"], one["batch_id"])
        if one["outcome"] == Outcome.INSERTED and one["batch_id"] != first:
            found.add(number)
    return found


def _receipt_event(
    receipt: Mapping[str, Any],
    senders: Mapping[tuple[str, str], str],
    *,
    is_repair: bool,
    is_return: bool,
) -> TraceEvent:
    """The receipt itself names the run that staged the batch; ``senders`` know who sent it."""
    told = REPAIRED if is_repair else RETURNED if is_return else receipt["reason"]
    delivery = (receipt["batch_id"], receipt["destination"])
    return TraceEvent(
        at=receipt["delivered_at"],
        what="delivered",
        where=receipt["destination"],
        outcome=receipt["outcome"],
        batch_id=receipt["batch_id"],
        run_id=senders.get(delivery, receipt["run_id"]),
        detail=told or "",
        remote_id=receipt["remote_id"] or "",
    )


def _without_receipt(attempt: Attempt) -> TraceEvent:
    """An attempt that left the record as it was, did not end, or failed as a whole."""
    done = attempt.state is DeliveryState.DONE
    unended = "no end is known: the process died, or is still at it"
    return TraceEvent(
        at=attempt.ended_at or attempt.started_at,
        what="delivered" if done else attempt.state.value,
        where=attempt.destination,
        outcome=Outcome.UNCHANGED.value if done else f"attempt {attempt.number}",
        batch_id=attempt.batch_id,
        run_id=attempt.run_id,
        detail=attempt.error or ("" if done or attempt.ended_at else unended),
    )


def _edit_events(workspace: Workspace, entity: str, record_id: str) -> list[TraceEvent]:
    events = []
    for edit in workspace.ledger.edits(in_force_only=False, entity=entity, record_id=record_id):
        events.append(
            TraceEvent(
                at=edit.edited_at,
                what="edited",
                where=edit.destination,
                outcome=f"by {edit.edited_by}",
                batch_id="",
                run_id="",
                detail=f"{edit.reason} (edit {edit.id}, dead letter {edit.letter_id})",
                changes={edit.column: (edit.erp_value, edit.new_value)},
            )
        )
        if edit.ended_at is not None:
            events.append(
                TraceEvent(
                    at=edit.ended_at,
                    what="edit ended",
                    where=edit.destination,
                    outcome=edit.column,
                    batch_id="",
                    run_id="",
                    detail=f"{edit.end_reason} (edit {edit.id})",
                )
            )
    return events


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
