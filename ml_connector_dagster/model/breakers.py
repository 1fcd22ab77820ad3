"""The state of a tenant's breaker as its processes share it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What is known about the failures of one tenant. A tenant nothing is known about has the defaults.

    Attributes:
        version: grows by one with every stored change; what ``BreakerStore.swap`` compares.
        failures: failures in a row, of all processes together.
        opened_at: when the breaker opened; None while it is closed.
        open_until: until when every call is refused.
        probe_until: until when somebody's probe is under way (half-open); None when nobody probes.
        reason: the last failure, in words that hold no secret.
    """

    version: int = 0
    failures: int = 0
    opened_at: datetime | None = None
    open_until: datetime | None = None
    probe_until: datetime | None = None
    reason: str = ""
