"""When the next question may be sent: what the answers say about the limits of the minute.

``RateLimit`` on every response (developer.monday.com, rate limits); costs from the ``complexity`` field. Reads and
writes of an app token have budgets of their own, and nobody publishes what a mutation costs: both are learned.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


#: No window is longer.
LONGEST_WAIT: Final = 60.0
_POLICY: Final = re.compile(r'"(?P<name>[^"]+)"(?P<rest>[^,]*)')
_PARAMETER: Final = re.compile(r";\s*(?P<name>[rt])\s*=\s*(?P<value>\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a budget, and when it is full again."""

    points: int
    until: float


class Pace:
    """Learns from answers and says how long to wait."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[bool, Left] = {}  # writes → the complexity budget
        self._unit: dict[bool, float] = {}  # writes → points for one thing
        self._calls_from = 0.0  # when calls are left again

    def delay(self, *, writes: bool, weight: int) -> float:
        """Seconds until a question of this weight fits."""
        now = self._clock()
        wait = max(0.0, self._calls_from - now)
        left = self._left.get(writes)
        if left is not None and left.points < self._unit.get(writes, 0.0) * weight:
            wait = max(wait, left.until - now)
        return min(wait, LONGEST_WAIT)

    def learn(self, headers: Mapping[str, str], *, writes: bool) -> None:
        """From the headers of a response."""
        now = self._clock()
        for found in _POLICY.finditer(headers.get("RateLimit", "")):
            values = {one["name"]: int(one["value"]) for one in _PARAMETER.finditer(found["rest"])}
            if "r" not in values or "t" not in values:
                continue
            if found["name"] == "complexityMinute":
                self._left[writes] = Left(points=values["r"], until=now + values["t"])
            elif found["name"] == "minuteRate" and values["r"] == 0:
                self._calls_from = now + values["t"]

    def learn_cost(self, complexity: object, *, writes: bool, weight: int) -> None:
        """From the ``complexity`` field of an answer."""
        if isinstance(complexity, Mapping):
            points = _whole(complexity, "query")
            if points is not None:
                self._unit[writes] = points / max(1, weight)


def _whole(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) else None
