"""Windows on a wall clock: nothing may fall between two windows where the clocks are set back or forward."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ml_connector_dagster.cloudsuite.product_lines.clocks import wall_clock
from ml_connector_dagster.model.windows import Window


ZONE = ZoneInfo("Europe/Stockholm")


def test_a_window_is_shown_as_local_time() -> None:
    clock = wall_clock(
        Window(
            start=datetime(2026, 1, 10, 23, tzinfo=UTC), end=datetime(2026, 1, 11, 23, tzinfo=UTC)
        ),
        ZONE,
    )
    assert clock.first == datetime(2026, 1, 11)  # noqa: DTZ001 - a wall clock has no zone
    assert clock.until == datetime(2026, 1, 12)  # noqa: DTZ001


def test_an_open_window_stays_open() -> None:
    clock = wall_clock(Window(start=None, end=datetime(2026, 7, 1, tzinfo=UTC)), ZONE)
    assert clock.first is None
    assert clock.until == datetime(2026, 7, 1, 2)  # noqa: DTZ001


@pytest.mark.parametrize(
    "around", [datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)]
)
def test_no_moment_of_a_window_is_outside_its_wall_clock(around: datetime) -> None:
    """Every start and end around the change of clocks, every moment between them."""
    step = timedelta(minutes=20)
    moments = [around + step * number for number in range(-9, 10)]
    for index, start in enumerate(moments):
        for end in moments[index + 1 :]:
            clock = wall_clock(Window(start=start, end=end), ZONE)
            for moment in moments:
                if start <= moment < end:
                    local = moment.astimezone(ZONE).replace(tzinfo=None)
                    assert clock.first is not None
                    assert clock.first <= local < clock.until
