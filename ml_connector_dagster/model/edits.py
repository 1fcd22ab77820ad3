"""A value that a person gave in place of the ERP's, for one destination.

The ERP stays the truth: nothing is written there, and other destinations get what it says. An edit is laid over the
version of the record that it corrects, whenever that version is delivered; a newer version from the ERP ends it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EditEnd(StrEnum):
    """Why an edit is not in force any more."""

    NEWER_VERSION = "a newer version came from the ERP"
    EDITED_AGAIN = "the column was edited again"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEdit:
    """An edit before the ledger has given it a number.

    Attributes:
        letter_id: the dead letter that it answers.
        erp_value: what the ERP says, as text; None for null. Never changed.
        new_value: what the destination gets instead.
        base_hash: content of the version that is corrected, without a mark of deletion; the two stamps are its own.
        edited_by: who; reason: why.
    """

    letter_id: int
    tenant: str
    entity: str
    company: str
    destination: str
    record_id: str
    column: str
    erp_value: str | None
    new_value: str | None
    base_hash: str
    base_modified_at: datetime | None
    base_extracted_at: datetime
    edited_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit(NewEdit):
    """An edit as the ledger remembers it. ``ended_at`` None: it is in force."""

    id: int
    edited_at: datetime
    ended_at: datetime | None
    end_reason: str
