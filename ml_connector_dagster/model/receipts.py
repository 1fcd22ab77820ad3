"""What a destination answered: per record, and counted per delivery."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """What became of one record at one destination."""

    INSERTED = "inserted"
    UPDATED = "updated"
    UNCHANGED = (
        "unchanged"  # same content, or an older version than the one stored: nothing written
    )
    DELETED = "deleted"  # the row was marked, never erased
    REJECTED = "rejected"  # refused with a reason; becomes a dead letter
    UNKNOWN = "unknown"  # sent, and the answer was lost


class DeliveryState(StrEnum):
    """How far one batch is at one destination."""

    PENDING = "pending"  # staged, not yet sent
    STARTED = "started"  # a process is (or died) sending it: may be simply done again
    DONE = "done"  # every record has an outcome (rejected ones are dead letters)
    FAILED = "failed"  # the delivery as a whole failed; the replay sensor takes it up again


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounts:
    """Records of a delivery by outcome. ``total`` equals the distinct records of the batch."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        return (
            self.inserted
            + self.updated
            + self.unchanged
            + self.deleted
            + self.rejected
            + self.unknown
        )

    @property
    def written(self) -> int:
        """Records that the destination changed."""
        return self.inserted + self.updated + self.deleted

    def as_restored(self) -> "OutcomeCounts":
        """Of a batch that put back what was there before: a row that had been removed was counted when it first came.

        The rows that a table must hold are the sum of what was inserted (``sync/verify.py``).
        """
        return replace(self, inserted=0, updated=self.updated + self.inserted)

    def __add__(self, other: "OutcomeCounts") -> "OutcomeCounts":
        return OutcomeCounts(
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            deleted=self.deleted + other.deleted,
            rejected=self.rejected + other.rejected,
            unknown=self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """One record that a destination refused, with the destination's own words."""

    record_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What ``Destination.deliver`` answers for one batch.

    ``requests`` tells what it took, not what was answered: it makes no difference between reports.
    ``receipts`` is the path (relative to the batch's folder) of the per-record receipts, see
    ``RECEIPT_COLUMNS``; None when every record was unchanged. Unchanged records get no receipt of their
    own: a record of a delivered batch without a receipt was unchanged.
    """

    counts: OutcomeCounts
    rejected: tuple[RejectedRecord, ...] = ()
    receipts: str | None = None
    requests: int = field(default=0, compare=False)


#: Columns of a receipts file and of a warehouse's ``_audit`` table.
RECEIPT_COLUMNS = (
    "record_id",
    "entity",
    "outcome",
    "reason",
    "remote_id",
    "batch_id",
    "run_id",
    "delivered_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One batch at one destination, as the ledger remembers it."""

    batch_id: str
    destination: str
    state: DeliveryState
    attempts: int
    counts: OutcomeCounts
    run_id: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    receipts: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time that a batch was handed to a destination. ``ended_at`` None: under way, or its process died."""

    batch_id: str
    destination: str
    number: int
    state: DeliveryState
    run_id: str
    started_at: datetime
    ended_at: datetime | None
    error: str | None


#: Characters of a dead letter's raw text.
RAW_LIMIT: Final = 64 * 1024


class Stage(StrEnum):
    """Where a record got stuck."""

    EXTRACT = "extract"
    DELIVER = "deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not go on, with its reason and what is needed to replay it.

    Attributes:
        id: the ledger's number.
        destination: the destination that refused it; "" for a record that could not be staged.
        record_id: "" when the record has no key.
        fingerprint: tells the same bad record again from another one (hash of raw text, or record id).
        raw: the record's text as it was read (extract stage only), cut at ``RAW_LIMIT``.
        window: what to read again (extract stage only).
        attempts: how often it was tried, the first time included.
        waits: pauses that it has waited for, each twice as long as the one before: those that were over in vain, and
            the one that it is in.
        due_at: when the replay sensor may try it next.
        resolved_at: None while it is open.
    """

    id: int
    stage: Stage
    tenant: str
    entity: str
    company: str
    destination: str
    record_id: str
    fingerprint: str
    batch_id: str
    reason: str
    raw: str
    window_start: datetime | None
    window_end: datetime | None
    attempts: int
    created_at: datetime
    due_at: datetime
    resolved_at: datetime | None
    waits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeadLetter:
    """A dead letter before the ledger has given it a number (fields as in ``DeadLetter``)."""

    stage: Stage
    tenant: str
    entity: str
    company: str
    destination: str
    record_id: str
    fingerprint: str
    batch_id: str
    reason: str
    raw: str
    window_start: datetime | None
    window_end: datetime | None
