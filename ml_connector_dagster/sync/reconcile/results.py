"""What a comparison is asked for, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ml_connector_dagster.model.reconciliations import (
    Difference,
    Group,
    Reconciliation,
    ReconciliationState,
)
from ml_connector_dagster.sync.reconcile.ledger_proof import LedgerProof


#: Everything that differs is explained.
NOTHING_WRONG: Final = (ReconciliationState.CLEAN, ReconciliationState.IN_FLIGHT)

#: Somebody has to look at it.
WRONG: Final = (ReconciliationState.DIFFERENT, ReconciliationState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One entity and company at one destination, as it was found.

    Attributes:
        amounts: the columns that ``groups`` add up.
        differences: those that are listed; how many there are stands in ``done``.
        restorable: the wrong records that ``repairing`` can put right, all of them.
        last_clean_at: when everything was last compared and nothing was wrong, this time included.
        unreadable: records of the ERP without a readable key; they are at no destination.
        proof: of the general ledger's balances.
    """

    done: Reconciliation
    amounts: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    differences: tuple[Difference, ...] = ()
    restorable: tuple[str, ...] = ()
    last_clean_at: datetime | None = None
    unreadable: int = 0
    proof: LedgerProof | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether somebody has to look at it."""
        return self.done.state in WRONG


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to compare; empty means all of the flow."""

    run_id: str
    destinations: Sequence[str] = ()
    entities: Sequence[str] = ()
    companies: Sequence[str] = ()
    since: datetime | None = None
    period: int = 0
