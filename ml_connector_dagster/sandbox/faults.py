"""Faults on a switch: what goes wrong, for which calls, from which one on, and how often."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args


FaultKind = Literal[
    "unauthorized",  # 401, the token is fine afterwards
    "unknown_consumer",  # 401 of LN's own OAuth layer (U14), the token is fine
    "too_many_requests",  # 429; retry_after: seconds, "date" (in so many ``seconds``) or absent
    "status",  # any ``status`` with an unhelpful body
    "slow",  # answers after ``seconds``, or as soon as the fault is released
    "cut",  # the connection closes in the middle of the body
    "lost",  # the connection closes before any answer; the call was carried out
    "truncated",  # a complete HTTP answer whose body was cut off
    "html",  # 200 with an HTML page
    "empty",  # 200 with an empty body
    "error_in_200",  # the API's own error form inside a 200
    "duplicate_page",  # the previous answer of the same program and transaction once more
    "bulk_terminated",  # a bulk POST ends after ``after`` transactions; the rest is notProcessed
    "invalid_grant",  # token endpoint: the credentials are refused
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. Patterns are whole-match regular expressions; None matches everything.

    Attributes:
        path: None matches API calls only, not the token endpoint; a pattern is searched in the path.
        nth: the first matching call that it hits, counted from 1.
        times: how many calls it hits; None for all until it is cleared.
        fired: how often it has hit.
    """

    kind: FaultKind
    tenant: str | None = None
    path: str | None = None
    program: str | None = None
    transaction: str | None = None
    company: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int = 503
    retry_after: int | str | None = None
    seconds: float = 30.0
    after: int = 1
    message: str = "Internal error in the program"
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

    def describe(self) -> dict[str, str | int | float | None]:
        """For the admin route and the status page."""
        return {
            "kind": self.kind,
            "tenant": self.tenant,
            "path": self.path,
            "program": self.program,
            "transaction": self.transaction,
            "company": self.company,
            "nth": self.nth,
            "times": self.times,
            "seen": self.seen,
            "fired": self.fired,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A call, as faults see it."""

    tenant: str
    path: str
    program: str
    transaction: str
    company: str
    is_login: bool


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
        """Disarm everything, and let slow calls go on."""
        with self._lock:
            for fault in self._faults:
                fault.released.set()
            self._faults.clear()

    def __iter__(self) -> Iterator[Fault]:
        with self._lock:
            return iter(tuple(self._faults))

    def wants_previous_answers(self) -> bool:
        """Whether an armed fault will repeat an earlier answer."""
        with self._lock:
            return any(f.kind == "duplicate_page" and not f.spent for f in self._faults)

    def hit(self, target: Target, *, has_previous: bool) -> Fault | None:
        """The fault that this call runs into."""
        with self._lock:
            for fault in self._faults:
                if fault.spent or not _matches(fault, target):
                    continue
                fault.seen += 1
                if fault.seen < fault.nth or (fault.kind == "duplicate_page" and not has_previous):
                    continue
                fault.fired += 1
                return fault
        return None


def _matches(fault: Fault, target: Target) -> bool:
    if fault.path is None:
        if target.is_login != (fault.kind == "invalid_grant"):
            return False
    elif re.search(fault.path, target.path) is None:
        return False
    return all(
        pattern is None or re.fullmatch(pattern, value) is not None
        for pattern, value in (
            (fault.tenant, target.tenant),
            (fault.program, target.program),
            (fault.transaction, target.transaction),
            (fault.company, target.company),
        )
    )
