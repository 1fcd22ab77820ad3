"""A share of the request budget: who lists whole tables lets reads go before."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_connector_dagster.cloudsuite.pauses import Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Holds a look at a whole table to ``per_minute`` requests."""

    pause: Pause
    per_minute: float
    now: Callable[[], datetime]
    started_at: datetime

    def wait(self, requests: int) -> None:
        """Wait until so many requests are due."""
        due = self.started_at + timedelta(minutes=requests / self.per_minute)
        seconds = (due - self.now()).total_seconds()
        if seconds > 0:
            self.pause(seconds)
