"""The breaker of a tenant: a tenant that keeps failing is left alone for a while, by every process.

Closed: calls pass. After ``threshold`` failures in a row it opens: calls are refused at once. When the cool-down is
over, one call goes through as a probe (half-open); its success closes the breaker, its failure opens it again.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.breakers import BreakerState
from ml_connector_dagster.model.errors import BreakerOpenError
from ml_connector_dagster.telemetry import Meter, meter


log = logging.getLogger("ml_connector_dagster.cloudsuite")


class BreakerStore(Protocol):
    """Where the processes of one tenant share its breaker. The ledger implements it."""

    def load(self) -> BreakerState:
        """The stored state; ``BreakerState()`` when nothing is stored yet."""
        ...

    def swap(self, seen: BreakerState, new: BreakerState) -> bool:
        """Store ``new`` (its version is ``seen.version + 1``) if the stored version is still ``seen.version``.

        False, and nothing stored, when somebody else was faster.
        """
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Breaker:
    """One process's way to the shared breaker. Thread-safe.

    The stored state is read at most once a ``refresh``: a healthy tenant costs one small read a second, not one a call.
    """

    def __init__(
        self,
        store: BreakerStore,
        *,
        tenant: str,
        threshold: int = 10,
        cool_down: timedelta = timedelta(seconds=60),
        probe_time: timedelta = timedelta(seconds=90),
        refresh: timedelta = timedelta(seconds=1),
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._threshold = threshold
        self._cool_down = cool_down
        self._probe_time = probe_time
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()
        self._state = BreakerState()
        self._loaded_at: datetime | None = None

    def check(self) -> None:
        """Pass, or raise BreakerOpenError. Whoever passes must report ``succeeded`` or ``failed``."""
        with self._lock:
            now = self._clock()
            state = self._seen(now)
            while state.open_until is not None:
                if now < state.open_until or (state.probe_until and now < state.probe_until):
                    raise self._refusal(state, now)
                probing = replace(
                    state, version=state.version + 1, probe_until=now + self._probe_time
                )
                if self._store.swap(state, probing):
                    log.info("breaker tenant=%s state=half-open", self._tenant)
                    self._state = probing
                    return
                state = self._load(now)

    def succeeded(self) -> None:
        """An exchange went well: the row of failures ends."""
        if self._state.failures == 0:
            return
        with self._lock:
            while self._state.failures:
                closed = BreakerState(version=self._state.version + 1)
                if self._store.swap(self._state, closed):
                    if self._state.open_until is not None:
                        log.info("breaker tenant=%s state=closed", self._tenant)
                        meter(Meter.BREAKER_OPEN, 0, {"tenant": self._tenant})
                    self._state = closed
                    return
                self._load(self._clock())

    def failed(self, reason: str) -> None:
        """An exchange failed on the other side: 5xx, a timeout, a lost connection. ``reason`` holds no secret.

        Raises BreakerOpenError when the breaker is open now: there is no point in waiting for another try.
        """
        with self._lock:
            now = self._clock()
            state = self._load(now)
            while not self._store.swap(state, after := self._after_failure(state, now, reason)):
                state = self._load(now)
            self._state = after
            if after.open_until is None:
                return
            meter(Meter.BREAKER_OPEN, 1, {"tenant": self._tenant})
            if after.open_until != state.open_until:
                log.warning(
                    "breaker tenant=%s state=open failures=%d until=%s reason=%r",
                    self._tenant,
                    after.failures,
                    after.open_until.isoformat(timespec="seconds"),
                    reason,
                )
            raise self._refusal(after, now)

    def _after_failure(self, state: BreakerState, now: datetime, reason: str) -> BreakerState:
        failures = state.failures + 1
        after = replace(state, version=state.version + 1, failures=failures, reason=redact(reason))
        # Calls that were under way when it opened fail later: they do not prolong the cool-down.
        still_open = state.open_until is not None and now < state.open_until
        if failures < self._threshold or still_open:
            return after
        return replace(
            after,
            opened_at=state.opened_at or now,
            open_until=now + self._cool_down,
            probe_until=None,
        )

    def _seen(self, now: datetime) -> BreakerState:
        if self._loaded_at is not None and self._loaded_at <= now < self._loaded_at + self._refresh:
            return self._state
        return self._load(now)

    def _load(self, now: datetime) -> BreakerState:
        self._state = self._store.load()
        self._loaded_at = now
        return self._state

    def _refusal(self, state: BreakerState, now: datetime) -> BreakerOpenError:
        again = max(moment for moment in (state.open_until, state.probe_until) if moment)
        return BreakerOpenError(
            f"{self._tenant}: CloudSuite keeps failing ({state.failures} times in a row since "
            f"{_clock_time(state.opened_at)}; last: {state.reason}). It is left alone until {_clock_time(again)}; this "
            "run stops here, keeps what it has read, and the next run goes on from there.",
            retry_after=max(0.0, (again - now).total_seconds()),
        )


def _clock_time(moment: datetime | None) -> str:
    return "before" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
