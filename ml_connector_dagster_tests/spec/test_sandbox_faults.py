"""Faults of the sandbox: each does what it says, to the calls that it names, as often as it should."""

import threading
from email.utils import parsedate_to_datetime

import httpx
import pytest

from ml_connector_dagster.sandbox import Fault
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


LIST = "CRS620MI/LstSuppliers"


def statuses(caller: Caller, count: int, transaction: str = LIST) -> list[int]:
    return [caller.mi(transaction, "maxrecs=1").status_code for _ in range(count)]


def test_a_401_once(caller: Caller) -> None:
    fault = caller.sandbox.faults.add(Fault(kind="unauthorized"))
    assert statuses(caller, 3) == [401, 200, 200]
    assert fault.fired == 1


def test_the_nth_call_and_how_often(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="status", status=502, nth=2, times=2))
    assert statuses(caller, 5) == [200, 502, 502, 200, 200]


def test_only_matching_calls_are_hit(caller: Caller) -> None:
    caller.sandbox.faults.add(
        Fault(kind="status", status=500, program="CRS6.0MI", company="200", times=None)
    )
    assert caller.mi(LIST, "cono=100").status_code == 200
    assert caller.mi(LIST, "cono=200").status_code == 500
    assert caller.mi("CRS610MI/LstByNumber", CONO="200").status_code == 500
    assert caller.mi("MMS200MI/SelItem", "cono=200").status_code == 200
    caller.sandbox.faults.clear()
    assert caller.mi(LIST, "cono=200").status_code == 200


def test_faults_of_other_tenants_do_not_matter(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="status", tenant="BETA_TST", times=None))
    assert statuses(caller, 1) == [200]


def test_429_with_seconds_with_a_date_and_with_nothing(caller: Caller) -> None:
    faults = caller.sandbox.faults
    faults.add(Fault(kind="too_many_requests", retry_after=7))
    faults.add(Fault(kind="too_many_requests", retry_after="date", seconds=90))
    faults.add(Fault(kind="too_many_requests"))
    by_seconds, by_date, silent = (caller.mi(LIST) for _ in range(3))
    assert by_seconds.headers["Retry-After"] == "7"
    moment = parsedate_to_datetime(by_date.headers["Retry-After"])
    assert 85 < (moment - caller.sandbox.clock.now()).total_seconds() < 91
    assert "Retry-After" not in silent.headers
    assert {a.status_code for a in (by_seconds, by_date, silent)} == {429}


def test_bodies_that_are_no_answer(caller: Caller) -> None:
    faults = caller.sandbox.faults
    faults.add(Fault(kind="html"))
    faults.add(Fault(kind="empty"))
    faults.add(Fault(kind="truncated"))
    html, empty, truncated = (caller.mi(LIST) for _ in range(3))
    assert {a.status_code for a in (html, empty, truncated)} == {200}
    assert html.text.startswith("<html>")
    assert empty.content == b""
    with pytest.raises(ValueError):
        truncated.json()


def test_a_connection_that_breaks_in_the_middle(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="cut"))
    with pytest.raises(httpx.RemoteProtocolError):
        caller.mi(LIST)
    assert statuses(caller, 1) == [200]


def test_an_answer_that_is_lost(caller: Caller) -> None:
    caller.headers()
    caller.sandbox.faults.add(Fault(kind="lost"))
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        caller.mi(LIST)
    assert statuses(caller, 1) == [200]
    assert [r.status for r in caller.sandbox.requests()] == [0, 200]


def test_an_error_inside_a_200(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="error_in_200", message="Out of work space"))
    refused = caller.refusal(LIST)
    assert refused["errorMessage"].startswith("Out of work space")
    assert caller.records(LIST)


def test_a_duplicate_page_repeats_the_answer_before(caller: Caller) -> None:
    fault = caller.sandbox.faults.add(Fault(kind="duplicate_page"))
    first = caller.records(LIST, "maxrecs=3;cono=100")
    again = caller.records(LIST, "maxrecs=3;cono=100", FRSU="10005")
    fresh = caller.records(LIST, "maxrecs=3;cono=100", FRSU="10005")
    assert first == again
    assert fresh[0]["SUNO"] == "10005"
    assert fault.fired == 1


def test_a_slow_answer_goes_on_when_it_is_released(caller: Caller) -> None:
    caller.headers()
    fault = caller.sandbox.faults.add(Fault(kind="slow", seconds=60))
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.extend(statuses(caller, 1)))
    waiting.start()
    with httpx.Client() as other:
        # The server goes on serving others meanwhile.
        assert other.get(f"{caller.sandbox.url}/_admin/clock").status_code == 200
    fault.released.set()
    waiting.join(timeout=10)
    assert found == [200]


def test_a_slow_answer_runs_into_the_client_timeout(caller: Caller) -> None:
    caller.headers()
    caller.sandbox.faults.add(Fault(kind="slow", seconds=60))
    caller.http.timeout = httpx.Timeout(0.1)
    with pytest.raises(httpx.ReadTimeout):
        caller.mi(LIST)
    caller.sandbox.faults.clear()


def test_a_bulk_post_that_ends_early(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="bulk_terminated", after=2))
    one = {"transaction": "GetBasicData", "record": {"SUNO": "10001"}}
    body = caller.bulk(program="CRS620MI", transactions=[one] * 4).json()
    assert body["wasTerminated"] is True
    assert body["terminationReason"]
    assert [result.get("notProcessed") for result in body["results"]] == [None, None, True, True]
    assert body["nrOfNotProcessedTransactions"] == 2


def test_a_token_endpoint_that_is_down(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="status", path="/as/token"))
    assert caller.login().status_code == 503
    assert caller.sandbox.logins("ACME_TST") == 0
    assert caller.login().status_code == 200


def test_api_faults_leave_logins_alone(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="status", times=None))
    assert caller.login().status_code == 200


def test_credentials_that_are_refused(caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="invalid_grant"))
    answer = caller.login()
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert caller.login().status_code == 200
    caller.sandbox.tokens.refuse_credentials("ACME_TST")
    assert caller.login().status_code == 400
    caller.sandbox.tokens.refuse_credentials("ACME_TST", False)
    assert caller.login().status_code == 200


def test_tokens_that_are_all_forgotten(caller: Caller) -> None:
    assert statuses(caller, 1) == [200]
    caller.sandbox.tokens.forget_tokens()
    assert statuses(caller, 1) == [401]


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown fault 'explode'"):
        Fault(kind="explode")  # type: ignore[arg-type]
