"""What a delivery would do, without doing it: what is compared is the ledger, what is read is the application."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.applications.changes import Pending
from ml_connector_dagster.destinations.applications.contract import Change, ChangeKind
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.diffs import Decision
from ml_connector_dagster.destinations.applications.drafts import plain_text
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.receipts import Outcome, RejectedRecord
from ml_connector_dagster.model.versions import is_older


#: Changed records whose old values are read: one or two calls.
SHOWN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of one record: as the application has it now, and as it would be."""

    record_id: str
    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is pending for one entity. ``calls`` without the polls of jobs; ``routes`` are the ways they would go.

    ``changes`` shows the first changed records only; ``present`` are records that would be there afterwards.
    """

    entity: str
    object: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    archived: int = 0
    refused: tuple[RejectedRecord, ...] = ()
    calls: int = 0
    routes: tuple[str, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    present: frozenset[str] = frozenset()


def preview(
    destination: ApplicationDestination,
    entity: Entity,
    batches: Iterable[StagedBatch],
    expected: Mapping[str, Collection[str]],
) -> Preview:
    """What delivering ``batches`` (oldest first) would do. ``expected``: parents that would be sent before, by entity."""
    mapped = destination.mapped(entity)
    decisions = _newest(destination, mapped, batches, expected)
    prepared = destination.prepared(mapped, list(decisions.values()))
    writes = [one for one in prepared if isinstance(one, Pending)]
    rest = [one for one in prepared if isinstance(one, Decision)]
    portions = destination.application.target.plan(mapped.placement, [one.change for one in writes])
    new = [one for one in writes if one.decision.outcome is Outcome.INSERTED]
    archived = [one for one in writes if one.change.kind is ChangeKind.ARCHIVE]
    updates = [one.change for one in writes if one.change.kind is ChangeKind.UPDATE]
    return Preview(
        entity=entity.name,
        object=mapped.placement.object,
        new=len(new),
        changed=len(writes) - len(new) - len(archived),
        unchanged=sum(one.outcome is not Outcome.REJECTED for one in rest),
        archived=len(archived),
        refused=tuple(
            RejectedRecord(record_id=one.draft.record_id, reason=one.reason)
            for one in rest
            if one.outcome is Outcome.REJECTED
        ),
        calls=sum(portion.calls for portion in portions),
        routes=tuple(dict.fromkeys(portion.route for portion in portions)),
        changes=tuple(_field_changes(destination, mapped, updates[:SHOWN])),
        present=frozenset(
            one.decision.draft.record_id
            for one in writes
            if one.change.kind is not ChangeKind.ARCHIVE
        ),
    )


def _newest(
    destination: ApplicationDestination,
    mapped: Mapped,
    batches: Iterable[StagedBatch],
    expected: Mapping[str, Collection[str]],
) -> dict[str, Decision]:
    """Record id → the decision on its newest version in any of the batches."""
    newest: dict[str, Decision] = {}
    for staged in batches:
        mode = WriteMode.RESTORE if staged.batch.restores else WriteMode.UPSERT
        for decisions in destination.decisions(mapped, staged, expected, mode=mode):
            for one in decisions:
                held = newest.get(one.draft.record_id)
                if held is None or not is_older(one.draft.stamps, held.draft.stamps):
                    newest[one.draft.record_id] = one
    return newest


def _field_changes(
    destination: ApplicationDestination, mapped: Mapped, updates: list[Change]
) -> Iterator[FieldChange]:
    if not updates:
        return
    found = {
        one.external_id: one.values
        for one in destination.application.target.find(
            mapped.placement, external_ids=[one.external_id for one in updates], prefix=""
        )
    }
    for change in updates:
        values = found.get(change.external_id, {})
        links = {name: link and link.external_id for name, link in change.links.items()}
        for name, value in {**change.fields, **links}.items():
            if name not in values:  # not every API tells a link's parent
                continue
            old = _shown(values[name])
            new = _shown(value)
            if old != new:
                yield FieldChange(
                    record_id=mapped.record_id(change.external_id), field=name, old=old, new=new
                )


def _shown(value: object) -> str | None:
    return None if value is None else plain_text(value)
