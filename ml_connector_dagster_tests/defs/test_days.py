"""Numbers split by day add up to the whole."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.days import covers, nearest_day


ZONE = ZoneInfo("Europe/Stockholm")
DAYS = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 9)]

NEAREST = [
    ("2026-01-05", 5),
    ("2026-01-06", 6),
    ("2026-01-07", 6),
    ("2026-01-09", 9),
    ("2026-01-10", 9),
    ("2019-12-31", 5),
    ("", 9),
]


@pytest.mark.parametrize(("stamp", "day"), NEAREST)
def test_a_row_counts_on_the_nearest_day(stamp: str, day: int) -> None:
    assert nearest_day(stamp, DAYS).day == day


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=ZONE)


COVERED = [
    (None, at(10), 5, True),
    (at(5), at(10), 5, True),
    (at(5), at(10), 9, True),
    (at(5), at(10), 10, False),
    (at(5, 1), at(10), 5, False),
    (at(4, 23), at(10), 5, True),
]


@pytest.mark.parametrize(("start", "end", "day", "covered"), COVERED)
def test_a_day_is_covered_when_all_of_it_is_in_the_window(
    start: datetime | None, end: datetime, day: int, covered: bool
) -> None:
    assert covers(Window(start=start, end=end), date(2026, 1, day)) is covered
