"""A short chaos run: half a minute of harm, one destination. Not part of ``make test``: it takes minutes, most of them waiting.

``make chaos`` is the real thing. This one says whether that still works: ``pytest -m chaos``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_connector_dagster_tests.chaos.campaign import campaign
from ml_connector_dagster_tests.chaos.front import truncated
from ml_connector_dagster_tests.chaos.injections import INJECTIONS, drawn
from ml_connector_dagster_tests.chaos.installation import can_use_postgres, installation


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("on_bucket", [False, True], ids=["disk", "bucket"])
def test_half_a_minute_of_chaos_is_survived(tmp_path: Path, on_bucket: bool) -> None:
    said: list[str] = []
    say: Callable[[str], None] = said.append
    with installation(
        tmp_path,
        ["duckdb"],
        seed=1,
        on_postgres=can_use_postgres(),
        on_bucket=on_bucket,
        say=say,
    ) as site:
        verdict = campaign(site, seconds=30, seed=1, say=say)
    assert verdict.injected
    assert verdict.good, "\n".join(said)


def test_the_same_seed_draws_the_same_injections() -> None:
    names = tuple(INJECTIONS)
    first, again = (
        [next_one[0] for next_one, _ in zip(drawn(names, 7), range(40), strict=False)]
        for _ in range(2)
    )
    assert first == again
    assert set(first) == set(names), "every one before long"


def test_a_truncated_answer_is_a_whole_one_with_half_of_its_body() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX: y\r\n\r\n12345678"
    assert truncated(answer) == (
        b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 4\r\nConnection: close\r\n\r\n1234"
    )
