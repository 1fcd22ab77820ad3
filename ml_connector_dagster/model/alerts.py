"""What a person is told of: conditions that begin and end."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AlertKind(StrEnum):
    """What is wrong."""

    RUN_FAILED = "run_failed"
    CHECK_FAILED = (
        "check_failed"  # row counts, doubled keys, reconciliation: an asset check that is an error
    )
    REJECTED_ROWS = "rejected_rows"
    STALE_TABLE = "stale_table"
    TENANT_FAILING = "tenant_failing"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong now. ``kind`` and ``subject`` tell it from every other; the rest is for people."""

    kind: AlertKind
    subject: str
    message: str
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition as the ledger remembers it. ``resolved_at`` None: it still holds."""

    id: int
    condition: Condition
    raised_at: datetime
    resolved_at: datetime | None
