"""One call's exchanges with the API: how many there were, and that each of them asked the budget."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import httpx

from ml_connector_dagster.cloudsuite.budget import RequestBudget


_EXTENSION: Final = "ml_connector_dagster.exchange"


class Exchange:
    """What happens on the wire for one call; travels with its request down to the transport."""

    __slots__ = ("program", "requested_at", "requests", "status")

    def __init__(self, program: str) -> None:
        self.program = program
        self.requests = 0
        self.status = 0
        self.requested_at: datetime | None = None

    def extensions(self, timeouts: dict[str, float | None]) -> dict[str, object]:
        """What a request of this call carries for httpx and for ``MeteredTransport``."""
        return {"timeout": timeouts, _EXTENSION: self}


class MeteredTransport(httpx.BaseTransport):
    """Asks the budget for each API request, a repeat after a 401 included. Logins pass: they go to another host."""

    def __init__(
        self, inner: httpx.BaseTransport, budget: RequestBudget, clock: Callable[[], datetime]
    ) -> None:
        self._inner = inner
        self._budget = budget
        self._clock = clock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request in its place of the budget."""
        exchange = request.extensions.get(_EXTENSION)
        if not isinstance(exchange, Exchange):
            return self._inner.handle_request(request)
        # The place is given back when the head of the answer is there: by then the server has
        # counted the call, and a long body does not hold up others.
        with self._budget.slot():
            exchange.requests += 1
            exchange.requested_at = exchange.requested_at or self._clock()
            return self._inner.handle_request(request)

    def close(self) -> None:
        """Drop the connections."""
        self._inner.close()
