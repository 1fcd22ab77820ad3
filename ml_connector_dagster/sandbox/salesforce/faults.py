"""Faults on a switch: what goes wrong, for which calls, records or jobs, from which one on, and how often."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from ml_connector_dagster.sandbox.salesforce.refusals import RecordError


FaultKind = Literal[
    "expired",  # 401 INVALID_SESSION_ID: the call's token is dead from here on
    "refused",  # 401 whatever the token, which stays good: an IP range, a clock
    "status",  # any HTTP ``status``; ``retry_after`` in seconds, as an HTTP date, or absent
    "slow",  # answers when the fault is cleared, or after ``seconds``
    "cut",  # the connection closes before anything is done
    "lost",  # the call is carried out, then the connection closes without an answer
    "limit",  # 403 REQUEST_LIMIT_EXCEEDED
    "record",  # a record is refused with ``code`` and ``message``
    "chunk",  # a write of more than ``size`` records fails as a whole: too many batch retries
    "job_stuck",  # a bulk job stays InProgress until the fault is cleared
    "job_failed",  # a bulk job fails after ``size`` rows, the rest is unprocessed
]
_OF_CALLS: Final = ("expired", "refused", "status", "slow", "cut", "lost", "limit")
LOCKED: Final = RecordError(
    code="UNABLE_TO_LOCK_ROW",
    message="unable to obtain exclusive access to this record or 1 records",
)
TOO_MANY_RETRIES: Final = RecordError(
    code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    message="Too many batch retries in the presence of Apex triggers and partial failures.",
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. Patterns are regular expressions and are searched for; None matches everything.

    Attributes:
        path: of the URL, without the query. The token endpoint is hit only when it is named.
        sobject: of a record, a chunk or a job.
        key: the value of a record's external id.
        body: what the call answers instead of the API's own form of an error.
        nth: the first match that it hits, counted from 1.
        times: how many matches it hits; None for all until it is cleared.
        fired: how often it has hit.
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    sobject: str | None = None
    key: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int = 503
    code: str = LOCKED.code
    message: str = LOCKED.message
    body: str | None = None
    retry_after: int | str | None = None
    seconds: float = 30.0
    size: int = 0
    seen: int = 0
    fired: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ValueError(
                f"unknown fault {self.kind!r}; there are {', '.join(get_args(FaultKind))}"
            )
        if self.nth < 1:
            raise ValueError("nth counts from 1")

    @property
    def spent(self) -> bool:
        """Whether it will not hit again."""
        return self.times is not None and self.fired >= self.times


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
        """Disarm everything; slow calls and stuck jobs go on."""
        with self._lock:
            for fault in self._faults:
                fault.released.set()
            self._faults.clear()

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(tuple(self._faults))

    def of_call(self, method: str, path: str) -> Fault | None:
        """The fault that an HTTP call runs into."""
        with self._lock:
            for fault in self._faults:
                if fault.kind not in _OF_CALLS or not _matches(fault.method, method):
                    continue
                if fault.path is None and "/oauth2/" in path:
                    continue
                if _matches(fault.path, path) and self._hit(fault):
                    return fault
        return None

    def of_record(self, sobject: str, key: str) -> RecordError | None:
        """The error that a record runs into."""
        with self._lock:
            for fault in self._of("record", sobject):
                if _matches(fault.key, key) and self._hit(fault):
                    return RecordError(code=fault.code, message=fault.message)
        return None

    def of_chunk(self, sobject: str, records: int) -> RecordError | None:
        """The error that all records of one write run into."""
        with self._lock:
            for fault in self._of("chunk", sobject):
                if records > fault.size and self._hit(fault):
                    return TOO_MANY_RETRIES
        return None

    def of_job(self, sobject: str) -> Fault | None:
        """The fault that a bulk job runs into when its data is complete."""
        with self._lock:
            for kind in ("job_stuck", "job_failed"):
                for fault in self._of(kind, sobject):
                    if self._hit(fault):
                        return fault
        return None

    def _of(self, kind: str, sobject: str) -> list[Fault]:
        return [one for one in self._faults if one.kind == kind and _matches(one.sobject, sobject)]

    def _hit(self, fault: Fault) -> bool:
        if fault.spent:
            return False
        fault.seen += 1
        if fault.seen < fault.nth:
            return False
        fault.fired += 1
        return True


def _matches(pattern: str | None, value: str) -> bool:
    return pattern is None or re.search(pattern, value) is not None
