"""What is known of our records at an application: what it calls them, and which content of them it accepted last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RemoteState(StrEnum):
    """Whether a record is at the application."""

    LIVE = "live"
    ARCHIVED = "archived"  # it was there, and was taken away: the filter dropped it, or it is gone from the ERP
    ABSENT = "absent"  # never written: the filter drops it. Remembered, so that no older version slips through


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRecord:
    """One record at one destination.

    Attributes:
        remote_id: "" when it is not there.
        row_hash: the content (mapped fields) that was accepted last; "" when that is not known for sure.
        batch_id: the batch that brought the version; a batch that is delivered again knows its work by it.
        external_id: what our key is there.
        version: ``_row_hash`` of the row behind it.
        outcome: what ``batch_id`` did to the record (an ``Outcome``).
    """

    record_id: str
    remote_id: str
    row_hash: str
    batch_id: str
    external_id: str = ""
    version: str = ""
    modified_at: datetime | None = None
    extracted_at: datetime | None = None
    state: RemoteState = RemoteState.LIVE
    outcome: str = ""

    @property
    def stamps(self) -> Mapping[str, datetime | None]:
        """The version as ``model.versions`` compares it."""
        return {"_modified_at": self.modified_at, "_extracted_at": self.extracted_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewScope:
    """The records of one entity and company at one destination."""

    destination: str
    tenant: str
    entity: str
    company: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A write that is about to be sent: while it stands, nobody knows whether it landed.

    Attributes:
        ticket: the sending that it is part of.
        position: its place in that sending.
        accepted: what is remembered when the application accepts it; without a remote id when it is new.
    """

    ticket: str
    position: int
    accepted: RemoteRecord
