"""The arithmetic of pages and of minutes, with expectations that were worked out by hand."""

import pytest

from ml_connector_dagster.cloudsuite.reckonings import asked_twice, page_sizes, portions
from ml_connector_dagster.sync.durations import budgeted_seconds, unhindered_seconds


@pytest.mark.parametrize(
    ("rows", "page", "options", "expected"),
    [
        # A page that is not full is the last one, whoever says so.
        (0, 10, {}, (0,)),
        (7, 10, {}, (7,)),
        (25, 10, {}, (10, 10, 5)),
        # Exactly full: only a server that tells the end saves the request that brings nothing.
        (10, 10, {}, (10, 0)),
        (20, 10, {}, (10, 10, 0)),
        (20, 10, {"tells_end": True}, (10, 10)),
        (0, 10, {"tells_end": True}, (0,)),
        # M3 lists begin with the last row of the page before: 10, then 9 new ones each.
        (10, 10, {"joined": True}, (10, 1)),
        (19, 10, {"joined": True}, (10, 10, 1)),
        (20, 10, {"joined": True}, (10, 10, 2)),
        # LN does so too, and tells how many there are: 10 + 9 = 19 rows in two pages.
        (19, 10, {"joined": True, "tells_end": True}, (10, 10)),
        (20, 10, {"joined": True, "tells_end": True}, (10, 10, 2)),
        # Exactly 100 rows may be a grid's own cap: asked once more.
        (100, 1000, {"caps": {100}}, (100, 0)),
        (101, 1000, {"caps": {100}}, (101,)),
    ],
)
def test_pages_of_a_read(
    rows: int, page: int, options: dict[str, object], expected: tuple[int, ...]
) -> None:
    assert page_sizes(rows, page, **options) == expected  # type: ignore[arg-type]


def test_an_empty_answer_right_after_an_empty_one_is_asked_twice() -> None:
    assert asked_twice([True, True, False, True, True, True]) == (0, 1, 0, 0, 1, 1)
    assert asked_twice([]) == ()
    # Side by side some pairs fall apart: every fourth is not counted.
    assert asked_twice([True] * 10) == (0, 1, 1, 1, 0, 1, 1, 1, 0, 1)


def test_things_that_go_some_at_a_time() -> None:
    assert [portions(things, 80) for things in (0, 1, 80, 81, 400)] == [0, 1, 1, 2, 5]


@pytest.mark.parametrize(
    ("requests", "longest", "concurrency", "latency", "seconds"),
    [
        (1_000, 1, 4, 0.25, 62.5),  # 1,000 / 4 rounds of 0.25 s
        (1_000, 400, 4, 0.25, 100.0),  # the longest chain: 400 one after another
        (8, 2, 4, 0.5, 1.0),
        (1, 1, 4, 0.5, 0.5),  # one request is not a quarter of one
        (0, 0, 4, 0.5, 0.0),
    ],
)
def test_seconds_without_a_budget(
    requests: int, longest: int, concurrency: int, latency: float, seconds: float
) -> None:
    found = unhindered_seconds(requests, longest, concurrency=concurrency, latency=latency)
    assert found == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("requests", "unhindered", "per_minute", "latency", "seconds"),
    [
        # 16 a second: a burst of 300 is over in 18.75 s. Three spans of 60.25 s, then 100 requests in 6.25 s.
        (1_000, 62.5, 300, 0.25, 3 * 60.25 + 6.25),
        # Exactly the budget: nobody waits. One more: it waits until the first is 60 s gone.
        (300, 18.75, 300, 0.25, 18.75),
        (301, 18.8125, 300, 0.25, 60.25 + 0.0625),
        # Two whole budgets: the second begins after the first span, and nobody waits for a third.
        (600, 37.5, 300, 0.25, 60.25 + 18.75),
        # 4 a second are 240 a minute: the budget of 300 is never used up.
        (2_400, 600.0, 300, 1.0, 600.0),
        # A backfill: 18,000 requests at 300 a minute are 59 spans and a last burst of 18.75 s: an hour.
        (18_000, 1_125.0, 300, 0.25, 59 * 60.25 + 18.75),
        (0, 0.0, 300, 0.25, 0.0),
    ],
)
def test_seconds_within_a_budget(
    requests: int, unhindered: float, per_minute: int, latency: float, seconds: float
) -> None:
    found = budgeted_seconds(requests, unhindered, per_minute=per_minute, latency=latency)
    assert found == pytest.approx(seconds)
