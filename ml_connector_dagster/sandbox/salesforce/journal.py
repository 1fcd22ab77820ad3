"""What reached the org, for assertions and for the page."""

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, logged when it was answered. ``status`` 0: the connection was cut."""

    method: str
    path: str
    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    started: float
    ended: float


class Journal:
    """All requests, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def requests(self) -> tuple[Request, ...]:
        with self._lock:
            return tuple(self._requests)
