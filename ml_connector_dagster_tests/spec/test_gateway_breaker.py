"""A tenant that keeps failing is left alone for a while, by every process, and the run says so (S3)."""

from datetime import timedelta

import pytest

from ml_connector_dagster.cloudsuite.breaker import Breaker
from ml_connector_dagster.model.breakers import BreakerState
from ml_connector_dagster.model.errors import BreakerOpenError
from ml_connector_dagster_tests.spec.shared_state import NOON, MemoryBreaker, StillTime


class Shared:
    """A tenant's breaker as several processes see it."""

    def __init__(self) -> None:
        self.time = StillTime()
        self.store = MemoryBreaker()

    def process(self) -> Breaker:
        return Breaker(self.store, tenant="acme", threshold=3, clock=self.time.now)

    def opened(self) -> Breaker:
        breaker = self.process()
        for _ in range(2):
            breaker.failed("HTTP 503 from CRS620MI/LstSuppliers")
        with pytest.raises(BreakerOpenError):
            breaker.failed("HTTP 503 from CRS620MI/LstSuppliers")
        return breaker


@pytest.fixture
def shared() -> Shared:
    return Shared()


def test_failures_in_a_row_open_it_for_every_process(shared: Shared) -> None:
    one, other = shared.process(), shared.process()
    for breaker in (one, other):
        breaker.check()
        breaker.failed("HTTP 502")
    one.check()
    with pytest.raises(BreakerOpenError):
        one.failed("HTTP 503")
    for breaker in (one, other):
        shared.time.advance(1)
        with pytest.raises(BreakerOpenError):
            breaker.check()


def test_a_success_in_between_ends_the_row(shared: Shared) -> None:
    breaker = shared.process()
    for _ in range(5):
        breaker.failed("HTTP 500")
        breaker.failed("HTTP 500")
        breaker.succeeded()
    breaker.check()
    assert shared.store.state.failures == 0


def test_it_says_since_when_why_until_when_and_what_the_run_does(shared: Shared) -> None:
    breaker = shared.opened()
    shared.time.advance(15)
    with pytest.raises(BreakerOpenError) as caught:
        breaker.check()
    assert str(caught.value) == (
        "acme: CloudSuite keeps failing (3 times in a row since 2026-01-18 12:00:00 UTC; last: HTTP 503 from "
        "CRS620MI/LstSuppliers). It is left alone until 2026-01-18 12:01:00 UTC; this run stops here, keeps what it "
        "has read, and the next run goes on from there."
    )
    assert caught.value.retry_after == 45


def test_after_the_cool_down_one_probe_goes_through(shared: Shared) -> None:
    one, other = shared.opened(), shared.process()
    shared.time.advance(60)
    one.check()
    with pytest.raises(BreakerOpenError):
        other.check()
    with pytest.raises(BreakerOpenError):
        one.check()


def test_the_probe_that_succeeds_closes_it(shared: Shared) -> None:
    one, other = shared.opened(), shared.process()
    shared.time.advance(60)
    one.check()
    one.succeeded()
    for _ in range(3):
        one.check()
        other.check()
    assert shared.store.state.opened_at is None


def test_the_probe_that_fails_opens_it_again(shared: Shared) -> None:
    breaker = shared.opened()
    shared.time.advance(60)
    breaker.check()
    since_and_until = r"since 2026-01-18 12:00:00.*no answer.*until 2026-01-18 12:02:00"
    with pytest.raises(BreakerOpenError, match=since_and_until):
        breaker.failed("no answer within 60 seconds")


def test_a_probe_whose_process_died_is_followed_by_another(shared: Shared) -> None:
    one, other = shared.opened(), shared.process()
    shared.time.advance(60)
    one.check()
    shared.time.advance(90)
    other.check()


def test_calls_that_were_under_way_do_not_prolong_the_cool_down(shared: Shared) -> None:
    breaker = shared.opened()
    shared.time.advance(30)
    with pytest.raises(BreakerOpenError):
        breaker.failed("HTTP 503")
    assert shared.store.state.open_until == NOON + timedelta(seconds=60)


def test_a_healthy_tenant_costs_a_read_a_second_and_no_write(shared: Shared) -> None:
    breaker = shared.process()
    for _ in range(100):
        breaker.check()
        breaker.succeeded()
        shared.time.advance(0.02)
    assert shared.store.loads <= 3
    assert shared.store.state == BreakerState()


def test_two_processes_that_count_at_once_lose_no_failure(shared: Shared) -> None:
    one, other = shared.process(), shared.process()
    seen = shared.store.load()
    one.failed("HTTP 500")
    assert not shared.store.swap(seen, BreakerState(version=1))
    other.failed("HTTP 500")
    assert shared.store.state.failures == 2
