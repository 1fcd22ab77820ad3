"""Half-open spans of modified time, and how far a source is known to be complete."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The half-open span ``[start, end)`` of modified time.

    ``start`` None means "from the beginning, records without a modified date included".
    Both ends are timezone-aware, in the tenant's own time zone: M3 and SyteLine stamp local time.
    """

    start: datetime | None
    end: datetime

    def __post_init__(self) -> None:
        if self.end.tzinfo is None or (self.start is not None and self.start.tzinfo is None):
            raise ValueError("a window needs timezone-aware ends")
        if self.start is not None and self.start >= self.end:
            raise ValueError(
                f"empty window: {self.start.isoformat()} is not before {self.end.isoformat()}"
            )

    @classmethod
    def of_days(cls, first: date | None, last: date, timezone: ZoneInfo) -> "Window":
        """All of the days ``first`` to ``last``, both included, in ``timezone``."""
        end = datetime.combine(last + timedelta(days=1), datetime.min.time(), timezone)
        start = None if first is None else datetime.combine(first, datetime.min.time(), timezone)
        return cls(start=start, end=end)

    @property
    def first_day(self) -> date | None:
        """The day that holds ``start``; None when the window is open to the past."""
        return None if self.start is None else self.start.date()

    @property
    def last_day(self) -> date:
        """The last day that the window touches."""
        return (self.end - timedelta(microseconds=1)).date()

    def __str__(self) -> str:
        first = "beginning" if self.start is None else self.start.isoformat(timespec="seconds")
        return f"[{first}, {self.end.isoformat(timespec='seconds')})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """Everything of one entity and company that changed before ``complete_until`` is staged.

    It is moved only in the transaction that records the batch which proves it.
    """

    tenant: str
    entity: str
    company: str
    complete_until: datetime
