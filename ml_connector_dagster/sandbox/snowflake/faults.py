"""Faults on a switch, each for the next so many requests or statements."""

import threading
from collections import Counter
from enum import StrEnum


class Fault(StrEnum):
    """What can go wrong."""

    EXPIRED = "the session or token has expired"  # 390112, or HTTP 401
    TOO_MANY = "HTTP 429"
    UNAVAILABLE = "HTTP 503"
    FAILS = "the statement fails without having done anything"
    LOST = "the statement is executed and its answer lost"
    PAGE = "the statement is executed, and answered by a page of some proxy with HTTP 200"  # the SQL API only
    DEAF = "a driver's cancellation is answered, and nothing is cancelled"
    STARTING = "the warehouse starts first: the statement is answered by a handle"


class Faults:
    """Switched on by a test, used up by requests."""

    def __init__(self) -> None:
        self._left: Counter[Fault] = Counter()
        self._spared: Counter[Fault] = Counter()
        self._lock = threading.Lock()

    def add(self, fault: Fault, times: int = 1, *, after: int = 0) -> None:
        """It happens ``times`` times; ``after`` so many requests or statements that it leaves alone."""
        with self._lock:
            self._left[fault] += times
            self._spared[fault] = after

    def take(self, fault: Fault) -> bool:
        """Whether it happens now."""
        with self._lock:
            if self._left[fault] <= 0:
                return False
            if self._spared[fault] > 0:
                self._spared[fault] -= 1
                return False
            self._left[fault] -= 1
            return True

    def clear(self) -> None:
        with self._lock:
            self._left.clear()
            self._spared.clear()
