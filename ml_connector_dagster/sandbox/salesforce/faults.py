"""Faults on a switch: what goes wrong, for which calls, records or jobs, from which one on, and how often."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from ml_connector_dagster.sandbox.salesforce.refusals import RecordError
from ml_connector_dagster.sandbox.switches import FaultQueue, Switch


FaultKind = Literal[
    "expired",  # 401 INVALID_SESSION_ID: the call's token is dead from here on
    "refused",  # 401 whatever the token, which stays good: an IP range, a clock
    "status",  # any HTTP ``status``; ``retry_after`` in seconds, as an HTTP date, or absent
    "slow",  # answers when the fault is cleared, or after ``seconds``
    "cut",  # the connection closes before anything is done
    "lost",  # the call is carried out, then the connection closes without an answer
    "half",  # the call is carried out, and half of the answer comes as if it were all
    "page",  # the call is carried out, and a proxy's page comes in place of the answer
    "limit",  # 403 REQUEST_LIMIT_EXCEEDED
    "record",  # a record is refused with ``code`` and ``message``
    "chunk",  # a write of more than ``size`` records fails as a whole: too many batch retries
    "job_stuck",  # a bulk job stays InProgress until the fault is cleared
    "job_failed",  # a bulk job fails after ``size`` rows, the rest is unprocessed
]
_OF_CALLS: Final = ("expired", "refused", "status", "slow", "cut", "lost", "half", "page", "limit")
LOCKED: Final = RecordError(
    code="UNABLE_TO_LOCK_ROW",
    message="unable to obtain exclusive access to this record or 1 records",
)
TOO_MANY_RETRIES: Final = RecordError(
    code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
    message="Too many batch retries in the presence of Apex triggers and partial failures.",
)


@dataclass(slots=True, kw_only=True)
class Fault(Switch):
    """One fault. Patterns are regular expressions and are searched for; None matches everything.

    Attributes:
        path: of the URL, without the query. The token endpoint is hit only when it is named.
        sobject: of a record, a chunk or a job.
        key: the value of a record's external id.
        body: what the call answers instead of the API's own form of an error.
    """

    KINDS = get_args(FaultKind)

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    sobject: str | None = None
    key: str | None = None
    status: int = 503
    code: str = LOCKED.code
    message: str = LOCKED.message
    body: str | None = None
    retry_after: int | str | None = None
    seconds: float = 30.0
    size: int = 0


class Faults(FaultQueue[Fault]):
    """The queue of faults."""

    def of_call(self, method: str, path: str) -> Fault | None:
        """The fault that an HTTP call runs into."""
        return self.first(
            lambda fault: (
                fault.kind in _OF_CALLS
                and _matches(fault.method, method)
                and (fault.path is not None or "/oauth2/" not in path)
                and _matches(fault.path, path)
            )
        )

    def of_record(self, sobject: str, key: str) -> RecordError | None:
        """The error that a record runs into."""
        fault = self.first(lambda fault: _is(fault, "record", sobject) and _matches(fault.key, key))
        return None if fault is None else RecordError(code=fault.code, message=fault.message)

    def of_chunk(self, sobject: str, records: int) -> RecordError | None:
        """The error that all records of one write run into."""
        fault = self.first(lambda fault: _is(fault, "chunk", sobject) and records > fault.size)
        return None if fault is None else TOO_MANY_RETRIES

    def of_job(self, sobject: str) -> Fault | None:
        """The fault that a bulk job runs into when its data is complete."""
        return self.first(lambda fault: _is(fault, "job_stuck", sobject)) or self.first(
            lambda fault: _is(fault, "job_failed", sobject)
        )


def _is(fault: Fault, kind: str, sobject: str) -> bool:
    return fault.kind == kind and _matches(fault.sobject, sobject)


def _matches(pattern: str | None, value: str) -> bool:
    return pattern is None or re.search(pattern, value) is not None
