"""Faults on a switch: what goes wrong, with which calls, from which one on, and how often."""

import re
import threading
from dataclasses import dataclass
from typing import Literal


FaultKind = Literal[
    "status",  # refused before it is executed, with any HTTP status and code
    "field",  # HTTP 200, and the mutations whose alias matches ``alias`` answer an error; they are not executed
    "html",  # a page of some proxy, with any status; nothing is executed
    "refused",  # the connection closes before anything is executed
    "slow",  # executed after ``delay`` seconds
    "lost",  # executed, then the connection closes without an answer
    "lost_500",  # executed, then answered by HTTP 500
    "cut",  # executed, then half of the answer
    "broken_job",  # an import breaks down after ``rows`` rows
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. Patterns are searched for; None matches everything.

    Attributes:
        field: among the root fields of the query, like ``create_item``; of an upload ``upload``, of a report ``report``.
        alias: among the aliases of a mutation ("field" only).
        nth: the first matching call that it hits, counted from 1.
        times: how many calls it hits; None for all until it is cleared.
        fired: how often it has hit.
    """

    kind: FaultKind
    field: str | None = None
    alias: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int = 503
    code: str = "INTERNAL_SERVER_ERROR"
    message: str = "Internal server error"
    retry_after: int | None = None
    retry_in_seconds: int | None = None
    delay: float = 0.1
    rows: int = 0
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

    def of_call(self, fields: tuple[str, ...]) -> Fault | None:
        """The fault that a call runs into."""
        with self._lock:
            for fault in self._faults:
                if fault.times is not None and fault.fired >= fault.times:
                    continue
                if fault.field is not None and not any(
                    re.search(fault.field, name) for name in fields
                ):
                    continue
                fault.seen += 1
                if fault.seen >= fault.nth:
                    fault.fired += 1
                    return fault
        return None
