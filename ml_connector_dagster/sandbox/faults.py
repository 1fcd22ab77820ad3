"""Faults on a switch: what goes wrong, for which calls, from which one on, and how often."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ml_connector_dagster.sandbox.switches import FaultQueue, Switch


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
class Fault(Switch):
    """One fault. Patterns are whole-match regular expressions; None matches everything.

    Attributes:
        path: None matches API calls only, not the token endpoint; a pattern is searched in the path.
    """

    KINDS = get_args(FaultKind)

    kind: FaultKind
    tenant: str | None = None
    path: str | None = None
    program: str | None = None
    transaction: str | None = None
    company: str | None = None
    status: int = 503
    retry_after: int | str | None = None
    seconds: float = 30.0
    after: int = 1
    message: str = "Internal error in the program"

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


class Faults(FaultQueue[Fault]):
    """The queue of faults."""

    def wants_previous_answers(self) -> bool:
        """Whether an armed fault will repeat an earlier answer."""
        return any(fault.kind == "duplicate_page" and not fault.spent for fault in self)

    def hit(self, target: Target, *, has_previous: bool) -> Fault | None:
        """The fault that this call runs into."""
        return self.first(
            lambda fault: _matches(fault, target),
            able=lambda fault: fault.kind != "duplicate_page" or has_previous,
        )


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
