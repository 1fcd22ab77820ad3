"""A recount: why a table must hold another number of rows than deliveries have inserted, with who says so.

The rows that a table must hold are those that deliveries inserted: one sum. It is off by one when somebody removed a row
and a later change of the ERP inserted it again, and where a record came marked deleted before it ever came otherwise. Then
the records are counted one by one, from the receipts, and what that changes is written down: nothing is overwritten.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RecountKind(StrEnum):
    """Where a recount comes from."""

    RECEIPTS = "receipts"  # every record counted once, from what the destination answered
    ACCEPTED = "accepted"  # a person takes the table as it is
    HEALED = "healed"  # what a person had accepted is not so any more: every record is there


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScope:
    """One company's rows of one entity at one destination."""

    destination: str
    tenant: str
    entity: str
    company: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecount:
    """A recount before the ledger has given it a number.

    Attributes:
        inserted: what the ledger's deliveries had added up to when it was made.
        correction: rows more (or fewer) than ``inserted`` that the table must hold, as the receipts prove.
        returned: rows that somebody had removed and that a delivery inserted again; ``examples`` are the first of them.
        accepted: rows more (or fewer) than that, which a person has accepted.
        decided_by: who accepted it; "" when nobody had to decide. ``reason``: why.
    """

    scope: TableScope
    kind: RecountKind
    run_id: str
    inserted: int
    correction: int = 0
    returned: int = 0
    examples: tuple[str, ...] = ()
    accepted: int = 0
    decided_by: str = ""
    reason: str = ""

    @property
    def adjustment(self) -> int:
        """What is added to the sum of inserts, from then on."""
        return self.correction + self.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount(NewRecount):
    """A recount as the ledger remembers it: the newest of a table counts."""

    id: int
    counted_at: datetime
