"""Faults on a switch: what goes wrong, for which calls, from which one on, and how often."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from ml_connector_dagster.sandbox.switches import FaultQueue, Switch


FaultKind = Literal[
    "slow_down",  # 503 SlowDown: the prefix gets more requests than it takes
    "internal",  # 500 InternalError
    "conflict",  # 409 ConditionalRequestConflict: something else happened to the key during a conditional write
    "timeout",  # 400 RequestTimeout: the body did not come in time
    "cut",  # the connection closes before anything is done
    "lost",  # the call is carried out, then the connection closes without an answer
    "torn",  # half of the answer's body is sent, then the connection closes
    "html",  # 502 with a page of a proxy instead of S3's XML
]


@dataclass(slots=True, kw_only=True)
class Fault(Switch):
    """One fault. Patterns are searched for; None matches everything.

    Attributes:
        operation: the name of the API's operation, e.g. "PutObject".
        key: of the object.
    """

    KINDS = get_args(FaultKind)

    kind: FaultKind
    operation: str | None = None
    key: str | None = None


class Faults(FaultQueue[Fault]):
    """The queue of faults."""

    def of_call(self, operation: str, key: str) -> Fault | None:
        """The fault that a call runs into."""
        return self.first(
            lambda fault: _matches(fault.operation, operation) and _matches(fault.key, key)
        )


def _matches(pattern: str | None, value: str) -> bool:
    return pattern is None or re.search(pattern, value) is not None
