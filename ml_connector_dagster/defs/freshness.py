"""How fresh a delivered table must be, from the flow's own clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from ml_connector_dagster.config.pauses import longest_pause, stale_after


def freshness_policy(cron: Sequence[str], timezone: ZoneInfo, now: datetime) -> dg.FreshnessPolicy:
    """Warn when one tick brought nothing, fail when two did not.

    A policy is of the asset, it cannot see partitions: a backfill of an old day counts as fresh too.
    """
    pause = longest_pause(cron, timezone, now)
    grace = max(pause / 4, timedelta(minutes=15))
    return dg.FreshnessPolicy.time_window(fail_window=stale_after(pause), warn_window=pause + grace)
