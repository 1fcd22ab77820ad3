"""When a read is tried again, and after how long. Only reads are ever sent, so all of them are safe to repeat.

Statuses and client practice: reference/cloudsuite-api.md §5. ``Retry-After`` is not documented by Infor; it is
honoured in both of its HTTP forms when a gateway sends it.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import tenacity

from ml_connector_dagster.model.errors import BreakerOpenError, TransientError


#: Answers that say "not now". 429 is a spike arrest or quota; the rest are the gateway's or the ERP's own trouble.
PASSING_STATUSES: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient a read is.

    Attributes:
        attempts: at most so many tries of one read.
        total_seconds: no new try is begun when it would start later than this after the first.
        base_seconds: the first backoff is drawn between 0 and this; each further bound doubles.
        cap_seconds: the bound never exceeds this.
        longest_retry_after: a server that asks for a longer pause is not waited for: the read fails at once.
    """

    attempts: int = 7
    total_seconds: float = 1800.0
    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    longest_retry_after: float = 600.0

    def backoff(self, attempt: int, draw: float) -> float:
        """Full jitter: ``draw`` (0 to 1) of the bound after the ``attempt``-th failure."""
        return draw * min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 30))


def retrying(
    policy: RetryPolicy,
    *,
    pause: Callable[[float], None],
    before_wait: Callable[[BaseException, float], None],
    elapsed: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
) -> tenacity.Retrying:
    """The tries of one read: call it with the function that makes one try. The last error is raised as it is.

    ``before_wait`` gets each failure and the seconds that are about to be waited.
    """
    started = elapsed()

    def passing(state: tenacity.RetryCallState) -> bool:
        error = _error(state)
        return (
            isinstance(error, TransientError)
            and not isinstance(error, BreakerOpenError)
            and (error.retry_after or 0.0) <= policy.longest_retry_after
        )

    def seconds(state: tenacity.RetryCallState) -> float:
        error = _error(state)
        asked = error.retry_after if isinstance(error, TransientError) else None
        return max(asked or 0.0, policy.backoff(state.attempt_number, draw()))

    def enough(state: tenacity.RetryCallState) -> bool:
        late = elapsed() - started + state.upcoming_sleep > policy.total_seconds
        return late or state.attempt_number >= policy.attempts

    def announce(state: tenacity.RetryCallState) -> None:
        if (error := _error(state)) is not None:
            before_wait(error, state.upcoming_sleep)

    return tenacity.Retrying(
        retry=passing, wait=seconds, stop=enough, before_sleep=announce, sleep=pause, reraise=True
    )


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
