"""How long a schedule pauses at most: what "fresh" means for whatever it keeps."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter


#: Ticks that are looked at for the longest pause: two months of a daily schedule.
_TICKS: Final = 62


def longest_pause(cron: Sequence[str], timezone: ZoneInfo, now: datetime) -> timedelta:
    """The longest time between two ticks of ``cron`` in the time after ``now``."""
    start = now.astimezone(timezone)
    series: list[Iterator[datetime]] = [
        croniter(expression, start).all_next(datetime) for expression in cron
    ]
    ticks = islice(merge(*series), _TICKS * len(cron))
    return max(later - earlier for earlier, later in pairwise(ticks))


def stale_after(pause: timedelta) -> timedelta:
    """When two ticks have brought nothing, with time for a run to end."""
    return 2 * pause + max(pause / 4, timedelta(minutes=15))
