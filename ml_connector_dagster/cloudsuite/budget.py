"""The request budget of a tenant: at most so many requests in any 60 seconds, all processes together.

The count lives in a store that the processes share; this module only asks, waits and reports back. A call counts
until ``span`` seconds after its *end* was seen: whatever time passes between the grant and the arrival at the
server, no span measured there holds more than ``limit`` calls.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.telemetry import Meter, meter


log = logging.getLogger("ml_connector_dagster.cloudsuite")

_SHORTEST_WAIT = 0.005  # a store that says "a microsecond" must not be asked in a tight loop


class BudgetStore(Protocol):
    """A sliding log of calls, shared by every process of a tenant. The ledger implements it. Times are ``time.time()``."""

    def try_start(self, call_id: str, now: float, limit: int, span: float) -> float:
        """0.0 when the call may be sent now (it is in flight from here on), else seconds to wait before asking again.

        Counted are calls in flight and calls that ended after ``now - span``. In-flight calls whose process died
        expire by themselves.
        """
        ...

    def finish(self, call_id: str, now: float) -> None:
        """The call has ended, well or badly."""
        ...

    def block_until(self, when: float) -> None:
        """Grant nothing to anybody before ``when``. Never shortens an earlier block."""
        ...


class RequestBudget:
    """One process's way to the shared budget. Thread-safe."""

    def __init__(
        self,
        store: BudgetStore,
        *,
        tenant: str,
        limit: int,
        pause: Callable[[float], None],
        span: float = 60.0,
        longest_wait: float = 660.0,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._limit = limit
        self._pause = pause
        self._span = span
        self._longest_wait = longest_wait
        self._clock = clock
        self._new_id = new_id
        self._turnstile = threading.Lock()
        self._waited = 0.0

    @property
    def waited_seconds(self) -> float:
        """Seconds this process's requests have queued, all threads together."""
        return self._waited

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a place in the budget around one exchange. Waits for it; records the end whatever happens.

        Raises TransientError when the tenant asked to be left alone for longer than ``longest_wait``.
        """
        call_id = self._new_id()
        self._start(call_id)
        try:
            yield
        finally:
            self._store.finish(call_id, self._clock())

    def block(self, seconds: float) -> None:
        """The server asked for a pause: every process of this tenant keeps it."""
        self._store.block_until(self._clock() + seconds)

    def _start(self, call_id: str) -> None:
        asked_at = self._clock()
        # One thread of a process asks at a time, so that its threads queue in line instead of
        # waking together for the one place that becomes free.
        with self._turnstile:
            while True:
                now = self._clock()
                wait = self._store.try_start(call_id, now, self._limit, self._span)
                if wait <= 0.0:
                    waited = max(0.0, now - asked_at)
                    self._waited += waited
                    meter(Meter.BUDGET_WAIT, waited, {"tenant": self._tenant})
                    return
                if wait > self._longest_wait:
                    raise TransientError(
                        f"{self._tenant}: CloudSuite asked for a pause of {wait:.0f} more seconds, longer than this "
                        f"run waits ({self._longest_wait:.0f}). The next run goes on where this one stopped.",
                        retry_after=wait,
                    )
                log.debug("budget tenant=%s wait=%.3f", self._tenant, wait)
                self._pause(max(wait, _SHORTEST_WAIT))
