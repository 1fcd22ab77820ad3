"""How long a schedule pauses at most: what "fresh" means for whatever it keeps."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter


#: Days with a tick that are looked at, however many ticks they have: a night, a weekend or the middle of a month is a
#: pause, too.
_DAYS: Final = 62


def longest_pause(cron: Sequence[str], timezone: ZoneInfo, now: datetime) -> timedelta:
    """The longest time between two ticks of ``cron`` from today on, as the clocks show it."""
    today = now.astimezone(timezone).date()
    days = [_days(expression, today) for expression in cron]
    last = min(some[-1] for some in days)  # beyond it, one of several would be alone
    ticks = sorted(
        {
            datetime.combine(day, moment)
            for expression, some in zip(cron, days, strict=True)
            for moment in _times(expression)
            for day in some
            if day <= last
        }
    )
    return max(later - earlier for earlier, later in pairwise(ticks))


def stale_after(pause: timedelta) -> timedelta:
    """When two ticks have brought nothing, with time for a run to end."""
    return 2 * pause + max(pause / 4, timedelta(minutes=15))


def _days(expression: str, first: date) -> list[date]:
    """The next days on which an expression ticks."""
    of_day = " ".join(("0", "0", *expression.split()[2:]))
    before = datetime.combine(first, time.min) - timedelta(minutes=1)
    return [tick.date() for tick in islice(croniter(of_day, before).all_next(datetime), _DAYS)]


@cache
def _times(expression: str) -> tuple[time, ...]:
    """When it ticks on such a day: the minute and the hour of an expression say nothing of the day."""
    every_day = " ".join((*expression.split()[:2], "*", "*", "*"))
    some_day = date(2026, 1, 1)
    before = datetime.combine(some_day, time.min) - timedelta(minutes=1)
    ticks = croniter(every_day, before).all_next(datetime)
    return tuple(tick.time() for tick in takewhile(lambda one: one.date() == some_day, ticks))
