"""The stores that processes share, in memory, and a time that only moves when somebody waits."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.model.breakers import BreakerState
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.tokens import CachedToken


NOON = datetime(2026, 1, 18, 12, 0, tzinfo=UTC)


class StillTime(Pause):
    """A clock that stands still but for its waits. Also the ``Pause`` of a gateway."""

    def __init__(self, start: datetime = NOON) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._now = start
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        super().__call__(0.0)  # raises when it was called off
        with self._lock:
            self.waits.append(seconds)
            self._now += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def time(self) -> float:
        return self.now().timestamp()


class MemoryTokens:
    """A TokenStore for the threads of one process."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._time = time
        self._token: CachedToken | None = None
        self._lease: tuple[str, float] | None = None

    def load(self) -> CachedToken | None:
        with self._lock:
            return self._token

    def lease(self, holder: str, seconds: float, seen_generation: int) -> bool:
        with self._lock:
            now = self._time()
            newest = 0 if self._token is None else self._token.generation
            taken = self._lease is not None and self._lease[0] != holder and now < self._lease[1]
            if taken or newest != seen_generation:
                return False
            self._lease = (holder, now + seconds)
            return True

    def save(
        self, value: Secret, obtained_at: datetime, expires_at: datetime, holder: str
    ) -> CachedToken:
        with self._lock:
            generation = 1 if self._token is None else self._token.generation + 1
            self._token = CachedToken(
                value=value, obtained_at=obtained_at, expires_at=expires_at, generation=generation
            )
            return self._token

    def release(self, holder: str) -> None:
        with self._lock:
            if self._lease is not None and self._lease[0] == holder:
                self._lease = None

    @property
    def is_leased(self) -> bool:
        return self._lease is not None


class MemoryCalls:
    """A BudgetStore for the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[str, float | None] = {}
        self.blocked_until = 0.0
        self.granted_at: list[float] = []

    def try_start(self, call_id: str, now: float, limit: int, span: float) -> float:
        with self._lock:
            if now < self.blocked_until:
                return self.blocked_until - now
            counted = [end for end in self._ends.values() if end is None or end > now - span]
            if len(counted) >= limit:
                ends = [end for end in counted if end is not None]
                return min(ends) + span - now if ends else 1.0
            self._ends[call_id] = None
            self.granted_at.append(now)
            return 0.0

    def finish(self, call_id: str, now: float) -> None:
        with self._lock:
            self._ends[call_id] = now

    def block_until(self, when: float) -> None:
        with self._lock:
            self.blocked_until = max(self.blocked_until, when)

    @property
    def in_flight(self) -> int:
        return sum(end is None for end in self._ends.values())


class MemoryBreaker:
    """A BreakerStore for the threads of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.state = BreakerState()
        self.loads = 0

    def load(self) -> BreakerState:
        self.loads += 1
        return self.state

    def swap(self, seen: BreakerState, new: BreakerState) -> bool:
        with self._lock:
            if self.state.version != seen.version:
                return False
            self.state = new
            return True
