"""Freshness follows the flow's own clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ml_connector_dagster.config.pauses import longest_pause
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.defs.freshness import freshness_policy


NOW = datetime(2026, 1, 15, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Stockholm")

PAUSES = [
    (Schedule(every="day"), timedelta(days=1, hours=1)),
    (Schedule(every="week"), timedelta(days=7, hours=1)),
    (Schedule(cron="*/15 * * * *"), timedelta(minutes=15)),
    (Schedule(every="month_end"), timedelta(days=23, hours=1)),
]


@pytest.mark.parametrize(("clock", "pause"), PAUSES)
def test_the_longest_pause_of_a_schedule(clock: Schedule, pause: timedelta) -> None:
    assert pause - timedelta(hours=3) <= longest_pause(clock.cron_expressions, ZONE, NOW) <= pause


def test_two_missed_ticks_fail_and_one_warns() -> None:
    policy = freshness_policy(("0 * * * *",), ZONE, NOW)
    assert policy.warn_window.to_timedelta() == timedelta(hours=1, minutes=15)
    assert policy.fail_window.to_timedelta() == timedelta(hours=2, minutes=15)
