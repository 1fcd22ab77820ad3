"""The sandbox's gateway: reference cloudsuite-api §5."""

import httpx
import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


PING = "M3/m3api-rest/v2/execute/MNS150MI/GetUserData"


def test_a_path_without_tenant_is_a_bad_request(sandbox: Sandbox) -> None:
    answer = httpx.get(f"{sandbox.url}/{PING}")
    assert (answer.status_code, answer.json()) == (400, {"error": "Bad Request"})


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic abc", "bearer"])
def test_a_missing_or_wrong_bearer_is_unauthorized(sandbox: Sandbox, header: str) -> None:
    answer = httpx.get(f"{sandbox.url}/ACME_TST/{PING}", headers={"Authorization": header})
    assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})


def test_an_unknown_suite_is_not_found(caller: Caller) -> None:
    assert caller.get("Mingle/SocialService.Svc/User").status_code == 404


def test_a_suite_without_rights_is_forbidden(caller: Caller) -> None:
    assert caller.get("IDM/api/items").status_code == 403


def test_an_unknown_path_in_a_suite_is_not_found(caller: Caller) -> None:
    assert caller.get("M3/m3api-rest/v3/execute/MNS150MI/GetUserData").status_code == 404
    assert caller.get("M3/other").status_code == 404


def test_the_spike_arrest_answers_429_with_retry_after(caller: Caller) -> None:
    caller.sandbox.limits.requests_per_minute = 3
    statuses = [caller.get(PING).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = caller.get(PING)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json() == {"error": "Too Many Requests"}


def test_the_spike_arrest_may_keep_silent_about_when(caller: Caller) -> None:
    caller.sandbox.limits.requests_per_minute = 0
    caller.sandbox.limits.retry_after = False
    refused = caller.get(PING)
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers


def test_the_limit_is_per_tenant(caller: Caller) -> None:
    caller.sandbox.limits.requests_per_minute = 1
    other = Caller(caller.sandbox, "BETA_TST")
    statuses = [caller.get(PING).status_code, other.get(PING).status_code]
    other.close()
    assert statuses == [200, 200]
    assert caller.get(PING).status_code == 429


def test_every_request_is_logged(caller: Caller) -> None:
    caller.mi("CRS620MI/LstSuppliers", "maxrecs=3;cono=200")
    caller.mi("CRS620MI/AddSupplier")
    log = caller.sandbox.requests("ACME_TST")
    assert [(r.program, r.transaction, r.company, r.status, r.rows) for r in log] == [
        ("CRS620MI", "LstSuppliers", "200", 200, 3),
        ("CRS620MI", "AddSupplier", "", 400, 0),
    ]
    assert caller.sandbox.requests("BETA_TST") == ()
    assert caller.sandbox.max_requests_in_any_span("ACME_TST", 60.0) == 2


def test_refused_calls_count_as_arrivals(caller: Caller) -> None:
    caller.token = "expired"
    for _ in range(3):
        caller.get(PING)
    assert caller.sandbox.max_requests_in_any_span("ACME_TST", 60.0) == 3
    assert caller.sandbox.max_requests_in_any_span("BETA_TST", 60.0) == 0
