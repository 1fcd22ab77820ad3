"""What the processes of a tenant share through a ledger: budget, token, breaker, knowledge."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from ml_connector_dagster.credentials.keys import KeyRing, new_key
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.breakers import BreakerState
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster_tests.contracts.ledger_samples import NOON, Clock


HOUR = timedelta(hours=1)


class SharedStateContract:
    """Inherit, and give the fixture ``url``: a fresh, empty database."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def ledger(self, url: str, clock: Clock) -> Iterator[Ledger]:
        with Ledger.open(url, now=clock) as opened:
            yield opened

    @pytest.fixture
    def keys(self) -> KeyRing:
        return KeyRing([new_key()], source="the test")

    # Budget

    def test_a_call_counts_until_a_span_after_its_end(self, ledger: Ledger) -> None:
        budget = ledger.budget_store("acme")
        assert budget.try_start("a", 1000.0, 2, 60.0) == 0.0
        assert budget.try_start("b", 1001.0, 2, 60.0) == 0.0
        assert 0.0 < budget.try_start("c", 1100.0, 2, 60.0) <= 0.25  # both in flight: look again
        budget.finish("a", 1101.0)
        assert budget.try_start("c", 1102.0, 2, 60.0) == pytest.approx(59.0)
        budget.finish("b", 1110.0)
        assert budget.try_start("c", 1160.9, 2, 60.0) == pytest.approx(0.1)
        assert budget.try_start("c", 1161.0, 2, 60.0) == 0.0
        assert budget.try_start("d", 1169.0, 2, 60.0) == pytest.approx(1.0)
        assert budget.try_start("d", 1170.0, 2, 60.0) == 0.0

    def test_a_limit_that_was_lowered_waits_for_as_many_calls_as_needed(
        self, ledger: Ledger
    ) -> None:
        budget = ledger.budget_store("acme")
        for number in range(5):
            assert budget.try_start(f"c{number}", 1000.0, 5, 60.0) == 0.0
            budget.finish(f"c{number}", 1000.0 + number)
        assert budget.try_start("x", 1010.0, 2, 60.0) == pytest.approx(53.0)  # c3 leaves at 1063

    def test_tenants_have_budgets_of_their_own(self, ledger: Ledger) -> None:
        assert ledger.budget_store("acme").try_start("a", 1000.0, 1, 60.0) == 0.0
        assert ledger.budget_store("beta").try_start("a", 1000.0, 1, 60.0) == 0.0
        assert ledger.budget_store("acme").try_start("b", 1000.0, 1, 60.0) > 0.0

    def test_a_call_of_a_process_that_died_expires(self, ledger: Ledger) -> None:
        budget = ledger.budget_store("acme")
        assert budget.try_start("died", 1000.0, 1, 60.0) == 0.0
        assert budget.try_start("next", 1359.0, 1, 60.0) > 0.0
        assert budget.try_start("next", 1361.0, 1, 60.0) == 0.0

    def test_a_call_that_was_taken_for_dead_and_ends_late_counts(self, ledger: Ledger) -> None:
        budget = ledger.budget_store("acme")
        assert budget.try_start("slow", 1000.0, 1, 60.0) == 0.0
        for number in range(70):  # enough for the dead ones to be swept away
            now = 2000.0 + 61 * number
            assert budget.try_start(f"c{number}", now, 1, 60.0) == 0.0
            budget.finish(f"c{number}", now)
        budget.finish("slow", 10_000.0)
        assert budget.try_start("next", 10_001.0, 1, 60.0) == pytest.approx(59.0)

    def test_a_clock_that_is_set_back_costs_one_span_at_most(self, ledger: Ledger) -> None:
        budget = ledger.budget_store("acme")
        assert budget.try_start("a", 9000.0, 1, 60.0) == 0.0
        budget.finish("a", 9000.0)
        assert budget.try_start("b", 5000.0, 1, 60.0) == 60.0
        assert budget.try_start("b", 5060.0, 1, 60.0) == 0.0

    def test_a_block_holds_everybody_and_is_never_shortened(self, ledger: Ledger) -> None:
        budget = ledger.budget_store("acme")
        budget.block_until(1030.0)
        budget.block_until(1010.0)
        assert ledger.budget_store("acme").try_start("a", 1000.0, 9, 60.0) == pytest.approx(30.0)
        assert ledger.budget_store("beta").try_start("a", 1000.0, 9, 60.0) == 0.0
        assert budget.try_start("a", 1030.0, 9, 60.0) == 0.0

    # Tokens

    def test_a_token_is_shared_and_encrypted(
        self, ledger: Ledger, keys: KeyRing, url: str, clock: Clock
    ) -> None:
        store = ledger.token_store("acme", keys)
        assert store.load() is None
        saved = store.save(Secret("bearer-123"), NOON, NOON + HOUR, "me")
        assert (saved.generation, saved.obtained_at) == (1, NOON)
        with Ledger.open(url, now=clock) as other:
            assert other.token_store("acme", keys).load() == saved
            assert other.token_store("beta", keys).load() is None

    def test_one_of_many_leases(self, ledger: Ledger, keys: KeyRing) -> None:
        def attempt(number: int) -> bool:
            return ledger.token_store("acme", keys).lease(f"holder {number}", 60.0, 0)

        with ThreadPoolExecutor(8) as threads:
            assert sorted(threads.map(attempt, range(24))) == [False] * 23 + [True]

    def test_a_lease_ends_by_release_by_login_and_by_time(
        self, ledger: Ledger, keys: KeyRing, clock: Clock
    ) -> None:
        store = ledger.token_store("acme", keys)
        assert store.lease("one", 60.0, 0)
        assert store.lease("one", 60.0, 0)  # its own
        assert not store.lease("two", 60.0, 0)
        store.release("two")  # not its own: nothing happens
        assert not store.lease("two", 60.0, 0)
        store.release("one")
        assert store.lease("two", 60.0, 0)
        clock.advance(seconds=61)
        assert store.lease("three", 60.0, 0)
        store.save(Secret("t"), clock.at, clock.at + HOUR, "three")
        assert store.lease("four", 60.0, 1)

    def test_whoever_saw_an_older_generation_must_load_again(
        self, ledger: Ledger, keys: KeyRing
    ) -> None:
        store = ledger.token_store("acme", keys)
        store.save(Secret("t1"), NOON, NOON + HOUR, "one")
        store.save(Secret("t2"), NOON, NOON + HOUR, "one")
        assert not store.lease("two", 60.0, 1)
        assert store.lease("two", 60.0, 2)

    def test_a_token_of_a_lost_key_is_no_token(self, ledger: Ledger, keys: KeyRing) -> None:
        ledger.token_store("acme", keys).save(Secret("t1"), NOON, NOON + HOUR, "one")
        rotated = ledger.token_store("acme", KeyRing([new_key()], source="the test"))
        assert rotated.load() is None
        assert rotated.lease("two", 60.0, 0)  # though the stored generation is 1
        saved = rotated.save(Secret("t2"), NOON, NOON + HOUR, "two")
        assert saved.generation == 2
        assert rotated.load() == saved

    def test_a_token_of_an_older_key_of_the_ring_is_read(self, ledger: Ledger) -> None:
        old, new = new_key(), new_key()
        saved = ledger.token_store("acme", KeyRing([old], source="the test")).save(
            Secret("t1"), NOON, NOON + HOUR, "one"
        )
        assert ledger.token_store("acme", KeyRing([new, old], source="the test")).load() == saved

    # Breaker and knowledge

    def test_a_breaker_is_stored_by_whoever_saw_the_newest_state(self, ledger: Ledger) -> None:
        breaker = ledger.breaker_store("acme")
        assert breaker.load() == BreakerState()
        first = BreakerState(version=1, failures=1, reason="HTTP 503")
        assert breaker.swap(BreakerState(), first)
        assert not breaker.swap(BreakerState(), replace(first, failures=9))
        opened = BreakerState(
            version=2,
            failures=10,
            opened_at=NOON,
            open_until=NOON + HOUR,
            probe_until=NOON + HOUR,
            reason="HTTP 502",
        )
        assert breaker.swap(first, opened)
        assert ledger.breaker_store("acme").load() == opened
        assert ledger.breaker_store("beta").load() == BreakerState()

    def test_of_many_that_swap_at_once_one_wins(self, ledger: Ledger) -> None:
        def attempt(number: int) -> bool:
            new = BreakerState(version=1, failures=number)
            return ledger.breaker_store("acme").swap(BreakerState(), new)

        with ThreadPoolExecutor(8) as threads:
            assert sum(threads.map(attempt, range(16))) == 1

    def test_knowledge_is_kept_by_key_for_a_while(self, ledger: Ledger, clock: Clock) -> None:
        store = ledger.route_store("acme")
        store.save("routes/100", '{"suppliers": "list"}')
        store.save("routes/100", '{"suppliers": "export"}')
        assert store.load("routes/100", younger_than=HOUR) == '{"suppliers": "export"}'
        assert store.load("routes/200", younger_than=HOUR) is None
        assert ledger.route_store("beta").load("routes/100", younger_than=HOUR) is None
        clock.advance(hours=2)
        assert store.load("routes/100", younger_than=HOUR) is None
