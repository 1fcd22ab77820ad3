"""Faults on a switch: what goes wrong, with which calls, from which one on, and how often."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ml_connector_dagster.sandbox.switches import FaultQueue, Switch


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
class Fault(Switch):
    """One fault. Patterns are searched for; None matches everything.

    Attributes:
        field: among the root fields of the query, like ``create_item``; of an upload ``upload``, of a report ``report``.
        alias: among the aliases of a mutation ("field" only).
    """

    KINDS = get_args(FaultKind)

    kind: FaultKind
    field: str | None = None
    alias: str | None = None
    status: int = 503
    code: str = "INTERNAL_SERVER_ERROR"
    message: str = "Internal server error"
    retry_after: int | None = None
    retry_in_seconds: int | None = None
    delay: float = 0.1
    rows: int = 0


class Faults(FaultQueue[Fault]):
    """The queue of faults."""

    def of_call(self, fields: tuple[str, ...]) -> Fault | None:
        """The fault that a call runs into."""
        return self.first(
            lambda fault: (
                fault.field is None or any(re.search(fault.field, name) for name in fields)
            )
        )
