"""Faults on a switch: what goes wrong, with which calls, from which one on, and how often."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from ml_connector_dagster.sandbox.switches import FaultQueue, Switch


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
class Fault(Switch):
    """One fault. ``call`` is searched for in "METHOD /path" without /api/4.0; None matches every call but login."""

    KINDS = get_args(FaultKind)

    kind: FaultKind
    call: str | None = None
    status: int = 503
    message: str = "An error has occurred."
    body: str = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    content_type: str = "text/html"
    retry_after: int | None = None
    delay: float = 0.1
    headers: dict[str, str] = field(default_factory=dict)


class Faults(FaultQueue[Fault]):
    """The queue of faults."""

    def of_call(self, call: str) -> Fault | None:
        """The fault that a call runs into."""
        return self.first(
            lambda fault: (
                re.search(fault.call, call) is not None
                if fault.call
                else not call.endswith("/login")
            )
        )
