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


@pytest.mark.parametrize("day", range(7))
def test_nights_and_weekends_are_pauses_on_whichever_day_one_asks(day: int) -> None:
    office_hours = ("*/15 8-17 * * 1-5",)
    asked = longest_pause(office_hours, ZONE, NOW + timedelta(days=day, hours=12))
    assert asked == timedelta(days=2, hours=14, minutes=15)


def test_the_middle_of_a_month_is_a_pause_of_a_schedule_that_ticks_often() -> None:
    around_the_close = ("*/10 6-20 28-31 * *", "*/10 6-20 1-5 * *")
    assert longest_pause(around_the_close, ZONE, NOW) == timedelta(days=22, hours=9, minutes=10)


def test_two_missed_ticks_fail_and_one_warns() -> None:
    policy = freshness_policy(("0 * * * *",), ZONE, NOW)
    assert policy.warn_window.to_timedelta() == timedelta(hours=1, minutes=15)
    assert policy.fail_window.to_timedelta() == timedelta(hours=2, minutes=15)
