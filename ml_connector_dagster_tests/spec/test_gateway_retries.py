"""Only what may pass is tried again; Retry-After first, then full jitter, within bounds (S3)."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.retries import RetryPolicy, retrying
from ml_connector_dagster.model.errors import (
    BreakerOpenError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.model.retry_after import parse_retry_after
from ml_connector_dagster_tests.spec.shared_state import NOON, StillTime


def outcome(
    *errors: Exception, policy: RetryPolicy | None = None, draw: float = 1.0
) -> tuple[object, list[float]]:
    """What comes of tries that fail with ``errors`` in turn and then succeed, and what was waited."""
    time = StillTime()
    left = list(errors)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "fine"

    tries = retrying(
        policy or RetryPolicy(),
        pause=time,
        before_wait=lambda error, seconds: None,
        elapsed=time.time,
        draw=lambda: draw,
    )
    try:
        return tries(attempt), time.waits
    except Exception as error:
        return error, time.waits


def passing(retry_after: float | None = None) -> TransientError:
    return TransientError("HTTP 503", retry_after=retry_after)


@pytest.mark.parametrize(
    ("errors", "draw", "waits"),
    [
        ([], 1.0, []),
        ([passing()] * 6, 1.0, [1, 2, 4, 8, 16, 32]),
        ([passing()] * 3, 0.5, [0.5, 1, 2]),
        ([passing()] * 3, 0.0, [0, 0, 0]),
        ([passing(retry_after=7)] * 2, 1.0, [7, 7]),
        ([passing(retry_after=0)] * 2, 1.0, [1, 2]),
        ([passing(retry_after=600)], 1.0, [600]),
    ],
)
def test_waits_before_success(errors: list[Exception], draw: float, waits: list[float]) -> None:
    assert outcome(*errors, draw=draw) == ("fine", waits)


def test_attempts_are_limited() -> None:
    error = passing()
    assert outcome(*[error] * 9) == (error, [1, 2, 4, 8, 16, 32])


def test_backoff_is_capped() -> None:
    policy = RetryPolicy(attempts=9, cap_seconds=5)
    assert outcome(*[passing()] * 6, policy=policy)[1] == [1, 2, 4, 5, 5, 5]


def test_total_time_is_limited() -> None:
    error = passing(retry_after=400)
    assert outcome(*[error] * 9, policy=RetryPolicy(total_seconds=1000)) == (error, [400, 400])


def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    error = passing(retry_after=601)
    assert outcome(error) == (error, [])


@pytest.mark.parametrize(
    "error", [CredentialError("no"), ContractError("no"), BreakerOpenError("no"), ValueError("no")]
)
def test_what_a_repeat_cannot_heal_is_not_repeated(error: Exception) -> None:
    assert outcome(error) == (error, [])


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("17", 17),
        (" 17 ", 17),
        (format_datetime(NOON + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOON - timedelta(seconds=90), usegmt=True), 0),
        ("Sunday, 18-Jan-26 12:01:30 GMT", 90),
        ("Sun Jan 18 12:01:30 2026", 90),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("²", None),
        ("Sun, 18 Jan 99999999999999 12:01:30 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOON) == seconds


@given(st.text())
def test_a_strange_retry_after_does_no_harm(header: str) -> None:
    seconds = parse_retry_after(header, NOON)
    assert seconds is None or seconds >= 0
