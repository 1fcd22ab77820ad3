"""Faults on a switch: what goes wrong, with which calls, from which one on, and how often."""

import re
import threading
from dataclasses import dataclass, field
from typing import Literal


FaultKind = Literal[
    "status",  # refused before anything is done, in Looker's shape, with any status
    "body",  # the same with any body: what a front end or a proxy says
    "refused",  # the connection closes before anything is done
    "expired",  # every token is forgotten before the call is looked at
    "slow",  # done after ``delay`` seconds
    "lost",  # done, then the connection closes without an answer
    "lost_500",  # done, then answered by HTTP 500
    "stale",  # a query is answered with what the same query answered before, whatever it asks of the cache
    "broken_plan",  # a plan is taken and cannot be delivered
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. ``call`` is searched for in "METHOD /path" without /api/4.0; None matches every call but login.

    Attributes:
        nth: the first matching call that it hits, counted from 1.
        times: how many calls it hits; None for all until it is cleared.
        fired: how often it has hit.
    """

    kind: FaultKind
    call: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int = 503
    message: str = "An error has occurred."
    body: str = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    content_type: str = "text/html"
    retry_after: int | None = None
    delay: float = 0.1
    headers: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0


class Faults:
    """The queue of faults. Of several that match, the oldest one hits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Arm a fault; its ``fired`` tells later what became of it."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def of_call(self, call: str) -> Fault | None:
        """The fault that a call runs into."""
        with self._lock:
            for fault in self._faults:
                if fault.times is not None and fault.fired >= fault.times:
                    continue
                matches = (
                    not call.endswith("/login")
                    if fault.call is None
                    else re.search(fault.call, call)
                )
                if not matches:
                    continue
                fault.seen += 1
                if fault.seen >= fault.nth:
                    fault.fired += 1
                    return fault
        return None
