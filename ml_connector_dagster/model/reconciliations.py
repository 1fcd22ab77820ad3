"""Reconciliation: what the ERP has, what a destination holds, and what a difference between them means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Finding(StrEnum):
    """How a record differs."""

    MISSING = "missing"  # the ERP has it, the destination has not
    UNKNOWN = "unknown"  # the destination has it, the ERP has not (or it should not be there)
    DIFFERENT = "different"  # both have it, with other amounts, period or currency
    DOUBLED = "doubled"  # the destination has it more than once


class Standing(StrEnum):
    """What a difference means. Only ``WRONG`` is red: nothing that is under way will heal it."""

    IN_FLIGHT = "in_flight"  # the next read, delivery or sweep brings it
    WAITING = "waiting"  # known: refused with a reason until that is mended, or edited on purpose
    WRONG = "wrong"


class ReconciliationState(StrEnum):
    """How one comparison ended; from best to worst."""

    CLEAN = "clean"
    IN_FLIGHT = "in_flight"  # every difference is explained
    DIFFERENT = "different"
    FAILED = "failed"  # one side could not be read: nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a group: how many records, and their exact sums in the order of the control's totals.

    ``mark``: a sum in which each record weighs something else (``Control.mark_sql``); for comparing, not for reading.
    """

    rows: int = 0
    sums: tuple[Decimal, ...] = ()
    mark: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One period and currency, side by side. ``period``: see ``model.controls``."""

    period: int
    currency: str
    erp: Side
    found: Side

    @property
    def differs(self) -> bool:
        """Whether a person sees it in the totals."""
        return (self.erp.rows, self.erp.sums) != (self.found.rows, self.found.sums)

    @property
    def is_suspect(self) -> bool:
        """Whether records differ, also where the totals agree: differences that cancel each other out."""
        return self.differs or self.erp.mark != self.found.mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One record that differs.

    Attributes:
        why: the explanation of ``standing``, with the next step where there is one.
        erp: column → value as text, as the ERP has it; empty when it has none.
        found: the same of the destination.
        first_seen_at: by which reconciliation it was first found; None: by this one.
    """

    record_id: str
    finding: Finding
    standing: Standing
    why: str
    erp: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    first_seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """One comparison of one entity and company at one destination, as the ledger keeps it.

    Attributes:
        since: only what the ERP changed from then on was compared; None: everything.
        period: only this one was compared; 0: all.
        requests: calls to the ERP's gateway. They are counted at the first destination: all share one read.
        reason: why it failed; "" when it did not.
    """

    tenant: str
    destination: str
    entity: str
    company: str
    run_id: str
    state: ReconciliationState
    started_at: datetime
    ended_at: datetime
    since: datetime | None = None
    period: int = 0
    erp_rows: int = 0
    found_rows: int = 0
    in_flight: int = 0
    waiting: int = 0
    wrong: int = 0
    requests: int = 0
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether every record was compared, on both sides."""
        return self.since is None and self.period == 0
