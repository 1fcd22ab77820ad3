"""What reached the gateway, for assertions and for the status page."""

import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, logged when it has been answered. ``started`` is real monotonic seconds at its arrival."""

    at: datetime
    started: float
    seconds: float
    tenant: str
    method: str
    path: str
    program: str
    transaction: str
    company: str
    status: int
    rows: int
    error: str
    fault: str
    grant: str = ""  # of token requests


class Journal:
    """A bounded log of requests. Arrivals of API calls are kept apart, exactly, for the rate window."""

    def __init__(self, keep: int = 200_000) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=keep)
        self._arrivals: dict[str, deque[float]] = {}
        self._logins: dict[str, int] = {}
        self._keep = keep

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._requests.clear()
            self._arrivals.clear()
            self._logins.clear()

    def arrived(self, tenant: str) -> float:
        """Note an API call's arrival; answers its monotonic time."""
        now = time.monotonic()
        with self._lock:
            self._arrivals.setdefault(tenant, deque(maxlen=self._keep)).append(now)
        return now

    def add(self, request: Request) -> None:
        """Log an answered request."""
        with self._lock:
            self._requests.append(request)

    def logged_in(self, tenant: str) -> None:
        """Count a token that was handed out."""
        with self._lock:
            self._logins[tenant] = self._logins.get(tenant, 0) + 1

    def logins(self, tenant: str) -> int:
        """How many tokens the tenant was given."""
        with self._lock:
            return self._logins.get(tenant, 0)

    def requests(self, tenant: str | None = None) -> tuple[Request, ...]:
        """All requests, oldest first."""
        with self._lock:
            return tuple(r for r in self._requests if tenant is None or r.tenant == tenant)

    def max_requests_in_any_span(self, tenant: str, seconds: float = 60.0) -> int:
        """The most API calls of ``tenant`` that arrived within any span of so many (real) seconds."""
        with self._lock:
            arrivals = list(self._arrivals.get(tenant, ()))
        most = first = 0
        for last, moment in enumerate(arrivals):
            while moment - arrivals[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most


class SpikeArrest:
    """At most ``limit`` calls per tenant in any 60 seconds of real time; calls it refuses do not count."""

    def __init__(self, span: float = 60.0) -> None:
        self.span = span
        self._lock = threading.Lock()
        self._admitted: dict[str, deque[float]] = {}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._admitted.clear()

    def admit(self, tenant: str, now: float, limit: int | None) -> float:
        """0.0 when the call may pass, else the seconds until one would."""
        if limit is None:
            return 0.0
        with self._lock:
            admitted = self._admitted.setdefault(tenant, deque())
            while admitted and now - admitted[0] >= self.span:
                admitted.popleft()
            if len(admitted) < limit:
                admitted.append(now)
                return 0.0
            return self.span - (now - admitted[0] if admitted else 0.0)
