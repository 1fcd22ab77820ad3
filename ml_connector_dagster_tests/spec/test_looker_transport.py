"""What the SDK leaves out, against the stand-in over HTTP: headers, logins, retries, errors, and nobody else called."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.destinations.looker import open_looker
from ml_connector_dagster.destinations.looker.api import result_rows
from ml_connector_dagster.destinations.looker.quotas import CallKind, kind_of
from ml_connector_dagster.model.errors import (
    ConfigError,
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.sandbox.looker import Fault, LookerSandbox
from ml_connector_dagster_tests.spec.looker_instance import (
    Counts,
    client_of,
    connection_to,
    credential_of,
    looker_sandbox,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookerSandbox]:
    with looker_sandbox(tmp_path_factory.mktemp("looker")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: LookerSandbox) -> LookerSandbox:
    running.faults.clear()
    running.calls.clear()
    return running


@pytest.fixture
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses that were looked up or connected to."""
    asked: list[Any] = []
    real = socket.getaddrinfo

    def looked_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        if host not in ("127.0.0.1", b"127.0.0.1"):
            raise socket.gaierror(f"{host} must not be called")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return asked


def test_the_first_call_goes_out_as_json(sandbox: LookerSandbox) -> None:
    looker = client_of(sandbox)
    looker.run_sql("warehouse", "SELECT 1 AS one")  # without a login of its own: the SDK's lazy one

    assert [(one.call.split("/")[1], one.status) for one in sandbox.calls] == [
        ("login", 200),
        ("sql_queries", 200),
        ("sql_queries", 200),
    ]


def test_each_login_is_a_new_one_and_costs_no_call(sandbox: LookerSandbox) -> None:
    counts = Counts()
    looker = client_of(sandbox, counts=counts)
    looker.log_in()
    looker.log_in()
    assert [one.call for one in sandbox.calls] == ["POST /login"] * 2
    assert counts.made == {}


def test_a_dead_token_is_renewed_once(sandbox: LookerSandbox) -> None:
    looker = client_of(sandbox)
    looker.log_in()
    sandbox.faults.add(Fault(kind="expired", call="GET /user"))
    assert looker.user() == "ML Connector (1)"
    assert [one.status for one in sandbox.calls] == [200, 401, 200, 200]


def test_a_token_that_is_refused_for_good_is_told_after_two_logins(sandbox: LookerSandbox) -> None:
    looker = client_of(sandbox)
    looker.log_in()
    sandbox.faults.add(Fault(kind="status", status=401, call="GET /user", times=None))
    with pytest.raises(CredentialError, match=r"GET /api/4\.0/user"):
        looker.user()
    assert [one.call for one in sandbox.calls].count("POST /login") == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures_are_tried_again_when_looker_says(
    sandbox: LookerSandbox, status: int
) -> None:
    pauses: list[float] = []
    looker = client_of(sandbox, pauses=pauses)
    looker.log_in()
    sandbox.faults.add(
        Fault(kind="status", status=status, call="GET /user", times=2, retry_after=7)
    )
    assert looker.user()
    assert pauses == [7.0, 7.0]


def test_a_pause_may_be_asked_for_by_date(sandbox: LookerSandbox) -> None:
    pauses: list[float] = []
    looker = client_of(sandbox, pauses=pauses)
    looker.log_in()
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    headers = {"Retry-After": date}
    sandbox.faults.add(Fault(kind="body", status=503, call="GET /user", headers=headers))
    assert looker.user()
    assert 25.0 < pauses[0] <= 30.0


def test_patience_ends(sandbox: LookerSandbox) -> None:
    looker = client_of(sandbox, retry_seconds=20.0)
    looker.log_in()
    sandbox.faults.add(Fault(kind="status", status=503, call="GET /user", times=None))
    with pytest.raises(TransientError, match="503: An error has occurred"):
        looker.user()


@pytest.mark.parametrize(
    ("status", "body", "kind", "error"),
    [
        (429, '{"error": {"code": 429, "message": "quota"}}', "application/json", TransientError),
        (404, '{"message": "gone", "errors": null}', "application/json", ConfigError),
        (422, '{"message": "no", "errors": [{"field": "x"}]}', "application/json", ConfigError),
        (400, "{}", "application/json", ConfigError),
        (400, "[]", "application/json", ConfigError),
        (403, "<html>no</html>", "text/html", CredentialError),
        (502, "<html>bad gateway</html>", "text/html", TransientError),
        (200, "<html>sign in</html>", "text/html", ContractError),
        (200, '{"id": ', "application/json", ContractError),
        (200, "[1, 2]", "application/json", ContractError),
        (302, "", "text/html", ContractError),
    ],
)
def test_odd_bodies_become_our_errors_and_nobody_else_is_called(
    sandbox: LookerSandbox,
    only_loopback: list[Any],
    status: int,
    body: str,
    kind: str,
    error: type[Exception],
) -> None:
    looker = client_of(sandbox, retry_seconds=5.0)
    looker.log_in()
    sandbox.faults.add(
        Fault(
            kind="body",
            status=status,
            body=body,
            content_type=kind,
            call="GET /user",
            times=None,
            headers={"Location": "http://elsewhere.example/"} if status == 302 else {},
        )
    )
    with pytest.raises(error):
        looker.user()
    assert set(only_loopback) <= {"127.0.0.1"}


def test_help_texts_are_not_fetched(sandbox: LookerSandbox, only_loopback: list[Any]) -> None:
    looker = client_of(sandbox)
    looker.log_in()
    body = '{"message": "no", "documentation_url": "https://cloud.google.com/looker/docs/r/err/4.0/404/get/user"}'
    sandbox.faults.add(
        Fault(kind="body", status=404, body=body, content_type="application/json", call="GET /user")
    )
    with pytest.raises(ConfigError):
        looker.user()
    assert set(only_loopback) <= {"127.0.0.1"}


@pytest.mark.parametrize("kind", ["lost", "lost_500"])
def test_a_plan_is_not_sent_again_when_its_answer_is_lost(
    sandbox: LookerSandbox, kind: Any
) -> None:
    looker = client_of(sandbox)
    looker.log_in()
    fault = sandbox.faults.add(Fault(kind=kind, call="run_once", times=None))
    with pytest.raises(OutcomeUnknownError):
        looker.run_once("11")
    assert fault.fired == 1


def test_a_wrong_key_is_told_without_its_value(sandbox: LookerSandbox) -> None:
    looker = open_looker(
        connection_to(sandbox),
        credential_of(sandbox, client_secret="swordfish-42"),
        Counts(),
        now=sandbox.clock.now,
    )
    with pytest.raises(CredentialError, match="refuses the login") as raised:
        looker.log_in()
    assert "swordfish" not in str(raised.value)


def test_the_call_that_would_be_one_too_many_is_not_made(sandbox: LookerSandbox) -> None:
    looker = client_of(sandbox, monthly_admin_calls=2)
    looker.log_in()
    looker.user()
    looker.user()
    with pytest.raises(ConfigError, match=r"2 of the 2 admin calls"):
        looker.user()
    assert len(sandbox.calls) == 3


def test_a_query_that_fails_at_the_database_is_an_error(tmp_path: Path) -> None:
    with looker_sandbox(tmp_path) as sandbox:
        looker = client_of(sandbox)
        with pytest.raises(ConfigError, match="no_such_table"):
            looker.run_sql("warehouse", "SELECT * FROM no_such_table")
    with pytest.raises(ConfigError, match="broken"):
        result_rows('[{"looker_error": "broken"}]', "a query")
    with pytest.raises(ContractError):
        result_rows('"text"', "a query")


def test_calls_are_counted_as_the_openapi_file_bills_them(shared_folder: Path) -> None:
    spec = json.loads((shared_folder / "contracts" / "looker-4.0.oas.json").read_text())
    kinds = {"db_query": CallKind.QUERY, "non_query": CallKind.ADMIN, "none": CallKind.FREE}
    used = {
        "/login": "post",
        "/user": "get",
        "/datagroups": "get",
        "/datagroups/{datagroup_id}": "patch",
        "/queries/run/{result_format}": "post",
        "/sql_queries": "post",
        "/sql_queries/{slug}/run/{result_format}": "post",
        "/scheduled_plans/{scheduled_plan_id}": "get",
        "/scheduled_plans/{scheduled_plan_id}/run_once": "post",
        "/projects/{project_id}/validate": "post",
    }
    billed = {
        path: kinds[spec["paths"][path][method]["x-looker-activity-type"]]
        for path, method in used.items()
    }
    assert {path: kind_of(f"/api/4.0{path}") for path in used} == billed
