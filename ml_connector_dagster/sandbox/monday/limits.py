"""What an account may use: points a minute, calls a minute, calls a day, calls at once.

Reference saas-destinations §2.2; header formats: developer.monday.com, rate limits (2026-09-06).
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.sandbox.monday.options import QUERY_COMPLEXITY, MondayOptions
from ml_connector_dagster.sandbox.monday.refusals import CallRefused


_MINUTE: Final = 60.0
_DAY: Final = 86_400.0
#: What a call that hits a limit counts.
_REFUSED: Final = 0.1


@dataclass(slots=True)
class Budget:
    """Points of a minute that begins with the first call and starts anew after sixty seconds."""

    limit: int
    left: int
    until: float = 0.0

    def look(self, now: float) -> int:
        """What is left now."""
        if now >= self.until:
            self.left = self.limit
        return self.left

    def wait(self, now: float) -> int:
        """Seconds until it is full again."""
        return max(1, math.ceil(self.until - now)) if now < self.until else int(_MINUTE)

    def take(self, points: int, now: float) -> None:
        if now >= self.until:
            self.left, self.until = self.limit, now + _MINUTE
        self.left -= points


class Limits:
    """Counts, and refuses."""

    def __init__(self, options: MondayOptions, now: Callable[[], float]) -> None:
        self._options = options
        self._now = now
        self.reads = Budget(options.complexity, options.complexity)
        # A personal token has one budget for both.
        self.writes = (
            self.reads
            if options.token_kind == "personal"
            else Budget(options.complexity, options.complexity)
        )
        self._minute: deque[float] = deque()
        self._day = 0.0
        self._used = 0.0
        self._running = 0

    @property
    def used_today(self) -> int:
        """Calls of this day."""
        self._turn_day()
        return math.ceil(self._used)

    def _turn_day(self) -> None:
        day = self._now() // _DAY
        if day != self._day:
            self._day, self._used = day, 0.0

    def enter(self) -> None:
        """Count one call; raises CallRefused. ``leave`` must follow when it does not."""
        allowance, now = self._options.allowance, self._now()
        self._turn_day()
        while self._minute and self._minute[0] <= now - _MINUTE:
            self._minute.popleft()
        if self._running >= allowance.concurrent:
            raise self._refuse(
                "maxConcurrencyExceeded",
                "Max concurrent queries exceeded",
                1,
                resource="concurrency",
            )
        if len(self._minute) >= allowance.per_minute:
            wait = max(1, math.ceil(self._minute[0] + _MINUTE - now))
            raise self._refuse("RATE_LIMIT_EXCEEDED", "Minute limit rate exceeded", wait)
        if self._used + 1 > allowance.daily:
            wait = max(1, math.ceil((self._day + 1) * _DAY - now))
            raise self._refuse("DAILY_LIMIT_EXCEEDED", "Daily limit exceeded", wait)
        self._minute.append(now)
        self._used += 1
        self._running += 1

    def leave(self) -> None:
        self._running -= 1

    def _refuse(self, code: str, message: str, wait: int, **extensions: object) -> CallRefused:
        self._used += _REFUSED
        return CallRefused(
            429, code, message, retry_after=wait, retry_in_seconds=wait, **extensions
        )

    def spend(self, points: int, *, writes: bool) -> tuple[int, int, int]:
        """Take points for one query: before, after, seconds to the next minute. Raises CallRefused."""
        budget, now = self.writes if writes else self.reads, self._now()
        if points > QUERY_COMPLEXITY:
            raise CallRefused(
                400,
                "maxComplexityExceeded",
                f"Query has complexity of {points}, which exceeds max complexity of {QUERY_COMPLEXITY}",
            )
        before = budget.look(now)
        if points > before:
            self._used -= 1 - _REFUSED
            wait = budget.wait(now)
            raise CallRefused(
                429,
                "COMPLEXITY_BUDGET_EXHAUSTED",
                "Complexity budget exhausted",
                retry_after=wait,
                complexity=points,
                complexity_budget_left=before,
                complexity_budget_limit=budget.limit,
                retry_in_seconds=wait,
            )
        budget.take(points, now)
        return before, before - points, budget.wait(now)

    def headers(self, *, writes: bool) -> list[tuple[str, str]]:
        """``RateLimit-Policy`` and ``RateLimit``."""
        allowance, now = self._options.allowance, self._now()
        budget = self.writes if writes else self.reads
        minute = sum(1 for at in self._minute if at > now - _MINUTE)
        policy = (
            f'"minuteRate";q={allowance.per_minute};w=60, '
            f'"concurrency";q={allowance.concurrent};qu="concurrent-requests", '
            f'"complexityMinute";q={budget.limit};w=60;qu="content-bytes"'
        )
        state = (
            f'"minuteRate";r={max(0, allowance.per_minute - minute)}, '
            f'"concurrency";r={max(0, allowance.concurrent - self._running)}, '
            f'"complexityMinute";r={budget.look(now)};t={budget.wait(now)}'
        )
        return [("ratelimit-policy", policy), ("ratelimit", state)]
