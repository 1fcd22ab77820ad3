"""The sandbox's clock: real time plus an offset that can be moved."""

import threading
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


class Clock:
    """Starts at ``start`` (default: the real now) and runs on from there. Safe for several threads."""

    def __init__(self, timezone: ZoneInfo, start: datetime | None = None) -> None:
        self.timezone = timezone
        self._lock = threading.Lock()
        self._offset = timedelta()
        self._start = start
        self.reset()

    def reset(self) -> None:
        """Back to the start's time: the one given, else real time."""
        with self._lock:
            self._offset = timedelta()
        if self._start is not None:
            self.set(self._start)

    def now(self) -> datetime:
        """The sandbox's time, UTC."""
        with self._lock:
            return datetime.now(UTC) + self._offset

    def today(self) -> date:
        """The day it is in the ERP's time zone."""
        return self.now().astimezone(self.timezone).date()

    def milliseconds(self) -> int:
        """Epoch milliseconds, as in LMTS."""
        return int(self.now().timestamp() * 1000)

    def set(self, moment: datetime) -> None:
        """Make it ``moment`` (aware) now."""
        if moment.tzinfo is None:
            raise ValueError("the clock needs an aware datetime")
        with self._lock:
            self._offset = moment - datetime.now(UTC)

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move on by so much; answers the new time."""
        with self._lock:
            self._offset += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self.now()
