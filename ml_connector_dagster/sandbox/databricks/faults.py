"""Faults on a switch: what goes wrong, for which calls or statements, from which one on, and how often."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ml_connector_dagster.sandbox.switches import FaultQueue, Switch


FaultKind = Literal[
    "status",  # any HTTP status; ``retry_after`` in seconds, or absent
    "refused",  # the connection closes before anything is done
    "lost",  # the call is carried out to its end, then the connection closes without an answer
    "statement_fails",  # the statement ends as FAILED with ``message``; nothing is done
    "statement_lost",  # the statement is carried out, and its handle is unknown afterwards
    "statement_closed",  # the statement is carried out, and its result is gone: state CLOSED
    "pending",  # the statement stays PENDING for so many polls (a warehouse that starts)
]
_OF_STATEMENTS = ("statement_fails", "statement_lost", "statement_closed", "pending")


@dataclass(slots=True, kw_only=True)
class Fault(Switch):
    """One fault. Patterns are searched for; None matches everything.

    Attributes:
        path: of the URL, without the query.
        statement: in the text of a submitted statement.
    """

    KINDS = get_args(FaultKind)

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    statement: str | None = None
    status: int = 503
    code: str = "TEMPORARILY_UNAVAILABLE"
    message: str = "The service is temporarily unavailable"
    retry_after: int | None = None
    polls: int = 3


class Faults(FaultQueue[Fault]):
    """The queue of faults."""

    def of_call(self, method: str, path: str, statement: str | None) -> Fault | None:
        """The fault that an HTTP call runs into."""
        return self._hit(False, method, path, statement)

    def of_statement(self, statement: str) -> Fault | None:
        """The fault that a submitted statement runs into."""
        return self._hit(True, None, None, statement)

    def _hit(
        self, is_statement: bool, method: str | None, path: str | None, statement: str | None
    ) -> Fault | None:
        return self.first(
            lambda fault: (
                (fault.kind in _OF_STATEMENTS) is is_statement
                and _matches(fault.method, method)
                and _matches(fault.path, path)
                and _matches(fault.statement, statement)
            )
        )


def _matches(pattern: str | None, value: str | None) -> bool:
    return pattern is None or (value is not None and re.search(pattern, value) is not None)
