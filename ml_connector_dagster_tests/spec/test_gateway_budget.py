"""One request budget per tenant: requests queue, and no 60 seconds hold more than the limit (S3)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ml_connector_dagster.cloudsuite.budget import RequestBudget
from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster_tests.spec.shared_state import MemoryCalls, StillTime


def budget(calls: MemoryCalls, time: StillTime, limit: int = 3) -> RequestBudget:
    return RequestBudget(calls, tenant="acme", limit=limit, pause=time, clock=time.time)


def test_requests_queue_once_the_limit_is_reached() -> None:
    calls, time = MemoryCalls(), StillTime()
    mine = budget(calls, time)
    began = time.time()
    for _ in range(7):
        with mine.slot():
            time.advance(2)  # a call takes two seconds, and counts until 60 seconds after its end
    assert [round(at - began) for at in calls.granted_at] == [0, 2, 4, 62, 64, 66, 124]
    assert mine.waited_seconds == pytest.approx(112)
    assert calls.in_flight == 0


def test_a_call_that_fails_is_over_too() -> None:
    calls, time = MemoryCalls(), StillTime()
    mine = budget(calls, time)
    with pytest.raises(ZeroDivisionError), mine.slot():
        raise ZeroDivisionError
    assert calls.in_flight == 0
    assert len(calls.granted_at) == 1


def test_a_pause_that_the_server_asked_for_holds_for_everybody() -> None:
    calls, time = MemoryCalls(), StillTime()
    one, other = budget(calls, time), budget(calls, time)
    one.block(30)
    one.block(10)  # never shortens
    with other.slot():
        pass
    assert other.waited_seconds == pytest.approx(30)


def test_a_pause_longer_than_a_run_waits_is_said_at_once() -> None:
    calls, time = MemoryCalls(), StillTime()
    mine = budget(calls, time)
    mine.block(3600)
    with (
        pytest.raises(TransientError, match=r"acme.*pause of 3600 more seconds") as caught,
        mine.slot(),
    ):
        pass
    assert caught.value.retry_after == pytest.approx(3600)
    assert time.waits == []


def test_threads_of_a_process_share_the_budget() -> None:
    calls, time = MemoryCalls(), StillTime()
    mine = budget(calls, time, limit=5)

    def one_call(_: int) -> None:
        with mine.slot():
            pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one_call, range(40)))
    granted = sorted(calls.granted_at)
    assert len(granted) == 40
    assert all(granted[n + 5] - granted[n] >= 60 for n in range(35))


def test_waiting_can_be_called_off() -> None:
    calls, pause = MemoryCalls(), Pause()
    mine = RequestBudget(calls, tenant="acme", limit=1, pause=pause)
    mine.block(600)
    ended = threading.Event()

    def wait_for_ever() -> None:
        with pytest.raises(TransientError, match="called off"), mine.slot():
            pass
        ended.set()

    thread = threading.Thread(target=wait_for_ever)
    thread.start()
    pause.call_off()
    assert ended.wait(10)
    thread.join()
