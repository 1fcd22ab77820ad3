"""Key sweeps: what is known of an entity compared with what the ERP still has."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SweepState(StrEnum):
    """How a sweep ended. Only a complete one says anything about a record."""

    COMPLETE = "complete"
    BRAKED = "braked"  # more was missing than may be: counts for nothing
    FAILED = "failed"  # the list did not come to its end: counts for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A record that a complete sweep did not find. ``times_missed`` counts sweeps in a row."""

    record_id: str
    first_missed_at: datetime
    times_missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One sweep of one entity and company.

    Attributes:
        started_at: before the first request; what was read later is not judged.
        known: records that were thought to be there.
        seen: keys that the ERP listed.
        missed: known records that were not listed, those that are marked by it included.
        marked: records that were missed for the second time in a row, and are marked deleted.
        returned: records that were marked and are there again.
        reason: why it does not count; "" when it is complete.
    """

    tenant: str
    entity: str
    company: str
    run_id: str
    state: SweepState
    started_at: datetime
    ended_at: datetime
    known: int = 0
    seen: int = 0
    missed: int = 0
    marked: int = 0
    returned: int = 0
    requests: int = 0
    reason: str = ""
