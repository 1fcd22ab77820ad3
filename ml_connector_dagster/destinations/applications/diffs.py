"""What is to be done with each record: nothing, a write, or a refusal. Decided from the ledger, without a call."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ml_connector_dagster.destinations.applications.contract import ChangeKind, Link
from ml_connector_dagster.destinations.applications.drafts import Draft
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.applications.state import RemoteRecords
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.receipts import Outcome
from ml_connector_dagster.model.remote_records import RemoteRecord, RemoteState
from ml_connector_dagster.model.versions import is_older


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One record of a batch.

    Attributes:
        outcome: what it is, or will be once the application accepts it.
        write: None: nothing is sent.
        links: of a write.
        remember: what the ledger keeps: at once when nothing is sent, else when it is accepted. None: nothing.
        reason: of a refusal.
        remote_id: what the application calls the record; "" when it has none.
    """

    draft: Draft
    outcome: Outcome
    write: ChangeKind | None = None
    links: Mapping[str, Link | None]
    remember: RemoteRecord | None = None
    reason: str = ""
    remote_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parents:
    """What the ledger knows of the parents of a slice: entity → record id → record.

    ``expected``, of the same form, counts as there (a dry run, before the parents are sent).
    """

    known: Mapping[str, Mapping[str, RemoteRecord]]
    expected: Mapping[str, Collection[str]] = field(default_factory=dict)


def find_parents(
    records: RemoteRecords,
    destination: str,
    mapped: Mapped,
    drafts: Sequence[Draft],
    expected: Mapping[str, Collection[str]] | None = None,
) -> Parents:
    """Every parent that ``drafts`` name, with one question per entity."""
    wanted: dict[str, set[str]] = {}
    for one in drafts:
        for name, record_id in one.parents.items():
            if record_id is not None:
                wanted.setdefault(mapped.parents[name].reference.entity, set()).add(record_id)
    return Parents(
        known={
            entity: records.remote_records(destination, entity, sorted(ids))
            for entity, ids in wanted.items()
        },
        expected=expected or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Decides for the records of one batch.

    Attributes:
        archives: the application can take a record away.
        mode: ``RESTORE`` sends what was accepted before, too: somebody may have changed or removed it there.
        brought_back: external id → remote id of what is there although we have taken it away, or never wrote it.
    """

    mapped: Mapped
    destination: str
    batch_id: str
    archives: bool
    mode: WriteMode
    parents: Parents
    brought_back: Mapping[str, str] = field(default_factory=dict)

    def decide(self, one: Draft, known: RemoteRecord | None) -> Decision:
        """What is to be done with ``one``, of which the ledger knows ``known``."""
        if known is not None:
            if known.batch_id == self.batch_id and self._stands(one, known):
                return self._nothing(one, known, Outcome(known.outcome))
            if known.version != one.version and is_older(one.stamps, known.stamps):
                return self._nothing(one, known, Outcome.UNCHANGED)
        live = known is not None and known.state is RemoteState.LIVE
        if self._is_dropped(one) and (self.archives or not live):
            if live or one.external_id in self.brought_back:
                return self._take_away(one, known)
            return self._stay_away(one, known)
        missing = self._missing_parents(one)
        if missing:
            return Decision(draft=one, outcome=Outcome.REJECTED, reason=missing, links={})
        same = known is not None and known.row_hash == one.content
        if live and known is not None and same and self.mode is not WriteMode.RESTORE:
            return self._same_content(one, known)
        return self._send(one, known)

    def _stands(self, one: Draft, known: RemoteRecord) -> bool:
        """The batch has done this record already, in an attempt that died."""
        return (
            known.version == one.version and known.row_hash == one.content and known.outcome != ""
        )

    def _is_dropped(self, one: Draft) -> bool:
        owners = [
            self._parent(name, record_id)
            for name, record_id in one.parents.items()
            if record_id is not None and self.mapped.parents[name].owner
        ]
        without_owner = any(
            owner is not None and owner.state is not RemoteState.LIVE for owner in owners
        )
        return one.deleted or not one.wanted or without_owner

    def _take_away(self, one: Draft, known: RemoteRecord | None) -> Decision:
        return Decision(
            draft=one,
            outcome=Outcome.DELETED,
            write=ChangeKind.ARCHIVE,
            links={},
            remember=self._record(one, "", RemoteState.ARCHIVED, Outcome.DELETED),
            remote_id=self.brought_back.get(one.external_id) or (known.remote_id if known else ""),
        )

    def _stay_away(self, one: Draft, known: RemoteRecord | None) -> Decision:
        if known is not None and known.version == one.version:
            return self._nothing(one, known, Outcome.UNCHANGED)
        state = RemoteState.ABSENT if known is None else known.state
        return Decision(
            draft=one,
            outcome=Outcome.UNCHANGED,
            links={},
            remember=self._record(one, "", state, Outcome.UNCHANGED),
        )

    def _same_content(self, one: Draft, known: RemoteRecord) -> Decision:
        """Nothing that is mapped has changed; the newer version is remembered, so that no older one slips in."""
        remember = None
        if known.version != one.version:
            remember = self._record(one, known.remote_id, RemoteState.LIVE, Outcome.UNCHANGED)
        return self._nothing(one, known, Outcome.UNCHANGED, remember)

    def _send(self, one: Draft, known: RemoteRecord | None) -> Decision:
        remote_id = known.remote_id if known is not None else ""
        if one.deleted:
            outcome = Outcome.DELETED
        elif known is None or known.state is RemoteState.ABSENT:
            outcome = Outcome.INSERTED
        else:
            outcome = Outcome.UPDATED
        if known is not None and known.batch_id == self.batch_id and known.outcome:
            outcome = Outcome(known.outcome)  # begun by an attempt of this batch that died
        return Decision(
            draft=one,
            outcome=outcome,
            write=ChangeKind.UPDATE if remote_id else ChangeKind.CREATE,
            links=self._links(one),
            remember=self._record(one, remote_id, RemoteState.LIVE, outcome),
            remote_id=remote_id,
        )

    def _nothing(
        self,
        one: Draft,
        known: RemoteRecord,
        outcome: Outcome,
        remember: RemoteRecord | None = None,
    ) -> Decision:
        return Decision(
            draft=one, outcome=outcome, links={}, remember=remember, remote_id=known.remote_id
        )

    def _record(
        self, one: Draft, remote_id: str, state: RemoteState, outcome: Outcome
    ) -> RemoteRecord:
        return RemoteRecord(
            record_id=one.record_id,
            remote_id=remote_id,
            row_hash=one.content,
            batch_id=self.batch_id,
            external_id=one.external_id,
            version=one.version,
            modified_at=one.modified_at,
            extracted_at=one.extracted_at,
            state=state,
            outcome=outcome.value,
        )

    def _parent(self, name: str, record_id: str) -> RemoteRecord | None:
        entity = self.mapped.parents[name].reference.entity
        return self.parents.known.get(entity, {}).get(record_id)

    def _is_expected(self, name: str, record_id: str) -> bool:
        entity = self.mapped.parents[name].reference.entity
        return record_id in self.parents.expected.get(entity, ())

    def _missing_parents(self, one: Draft) -> str:
        """Why the record has to wait for its parents; "" when it has not."""
        reasons = [
            f"{name}: {self.mapped.parents[name].reference.entity} {record_id} is not at {self.destination} yet; "
            "a replay sends this record again"
            for name, record_id in one.parents.items()
            if record_id is not None
            and self._parent(name, record_id) is None
            and not self._is_expected(name, record_id)
        ]
        return "; ".join(reasons)

    def _links(self, one: Draft) -> dict[str, Link | None]:
        """A parent that the filter keeps away is no link."""
        links: dict[str, Link | None] = {}
        for name, record_id in one.parents.items():
            known = None if record_id is None else self._parent(name, record_id)
            parent = self.mapped.parents[name]
            links[name] = (
                Link(
                    object=parent.placement_object,
                    key_field=parent.key_field,
                    external_id=known.external_id,
                    remote_id=known.remote_id,
                )
                if known is not None and known.state is RemoteState.LIVE
                else None
            )
        return links
