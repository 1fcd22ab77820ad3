"""Faults on a switch: what goes wrong, for which calls, from which one on, and how often."""

import re
import threading
from dataclasses import dataclass
from typing import Literal, get_args


FaultKind = Literal[
    "slow_down",  # 503 SlowDown: the prefix gets more requests than it takes
    "internal",  # 500 InternalError
    "timeout",  # 400 RequestTimeout: the body did not come in time
    "cut",  # the connection closes before anything is done
    "lost",  # the call is carried out, then the connection closes without an answer
    "torn",  # half of the answer's body is sent, then the connection closes
    "html",  # 502 with a page of a proxy instead of S3's XML
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. Patterns are regular expressions and are searched for; None matches everything.

    Attributes:
        operation: the name of the API's operation, e.g. "PutObject".
        key: of the object.
        nth: the first match that it hits, counted from 1.
        times: how many matches it hits; None for all until it is cleared.
        fired: how often it has hit.
    """

    kind: FaultKind
    operation: str | None = None
    key: str | None = None
    nth: int = 1
    times: int | None = 1
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"unknown fault {self.kind!r}; there are {', '.join(get_args(FaultKind))}"
            )
        if self.nth < 1:
            raise ValueError("nth counts from 1")


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
        """Disarm everything."""
        with self._lock:
            self._faults.clear()

    def of_call(self, operation: str, key: str) -> Fault | None:
        """The fault that a call runs into."""
        with self._lock:
            for fault in self._faults:
                if _matches(fault.operation, operation) and _matches(fault.key, key) and _hit(fault):
                    return fault
        return None


def _hit(fault: Fault) -> bool:
    if fault.times is not None and fault.fired >= fault.times:
        return False
    fault.seen += 1
    if fault.seen < fault.nth:
        return False
    fault.fired += 1
    return True


def _matches(pattern: str | None, value: str) -> bool:
    return pattern is None or re.search(pattern, value) is not None
