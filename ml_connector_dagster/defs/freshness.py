"""How fresh a delivered table must be, from the flow's own clock."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo

import dagster as dg
from croniter import croniter


#: Ticks that are looked at for the longest pause: two months of a daily schedule.
_TICKS: Final = 62


def freshness_policy(cron: Sequence[str], timezone: ZoneInfo, now: datetime) -> dg.FreshnessPolicy:
    """Warn when one tick brought nothing, fail when two did not.

    A policy is of the asset, it cannot see partitions: a backfill of an old day counts as fresh too.
    """
    pause = longest_pause(cron, timezone, now)
    grace = max(pause / 4, timedelta(minutes=15))
    return dg.FreshnessPolicy.time_window(fail_window=2 * pause + grace, warn_window=pause + grace)


def longest_pause(cron: Sequence[str], timezone: ZoneInfo, now: datetime) -> timedelta:
    """The longest time between two ticks of ``cron`` in the time after ``now``."""
    start = now.astimezone(timezone)
    series: list[Iterator[datetime]] = [
        croniter(expression, start).all_next(datetime) for expression in cron
    ]
    ticks = islice(merge(*series), _TICKS * len(cron))
    return max(later - earlier for earlier, later in pairwise(ticks))
