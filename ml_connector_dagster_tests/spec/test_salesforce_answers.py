"""Waiting, giving up, and reading errors of every shape (reference §1.1, §1.2)."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ml_connector_dagster.destinations.salesforce.refusals import (
    Problem,
    Refused,
    problem_of,
    row_problem,
)
from ml_connector_dagster.model.errors import (
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.sandbox.salesforce import Fault, SalesforceSandbox
from ml_connector_dagster_tests.spec.salesforce_org import (
    CREDENTIAL,
    SUPPLIERS,
    Pauses,
    furnish,
    opened,
    send,
    supplier,
    transport_of,
)


@pytest.fixture(scope="module")
def _org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as org:
        yield org


@pytest.fixture
def org(_org: SalesforceSandbox) -> SalesforceSandbox:
    _org.reset()
    return _org


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_refusal_is_tried_again(org: SalesforceSandbox, status: int) -> None:
    org.faults.add(Fault(kind="status", status=status, times=2, retry_after=7))
    pauses = Pauses()
    with transport_of(org, pauses=pauses) as transport:
        assert transport.describe("Account") is not None
    assert pauses.seconds == [7.0, 7.0]


def test_a_date_in_retry_after_is_waited_for(org: SalesforceSandbox) -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    org.faults.add(Fault(kind="status", status=503, retry_after=moment))
    pauses = Pauses()
    with transport_of(org, pauses=pauses) as transport:
        assert transport.describe("Account") is not None
    [waited] = pauses.seconds
    assert 25 < waited <= 30


def test_waits_grow_and_end_with_our_patience(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="status", status=503, times=None))
    pauses = Pauses()
    with (
        transport_of(org, pauses=pauses, retry_seconds=20) as transport,
        pytest.raises(TransientError, match="HTTP 503"),
    ):
        transport.describe("Account")
    assert 4 <= len(pauses.seconds) < 200
    assert all(waited <= 20 for waited in pauses.seconds)


def test_a_longer_wait_than_our_patience_is_left_to_the_next_run(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="status", status=429, retry_after=3600))
    pauses = Pauses()
    with (
        transport_of(org, pauses=pauses, retry_seconds=60) as transport,
        pytest.raises(TransientError) as raised,
    ):
        transport.describe("Account")
    assert raised.value.retry_after == 3600
    assert pauses.seconds == []


def test_used_up_requests_of_the_day_are_not_tried_again(org: SalesforceSandbox) -> None:
    furnish(org, SUPPLIERS)
    org.used = org.options.daily_requests
    with opened(org) as application, pytest.raises(TransientError, match="24 hours are used up"):
        send(application, SUPPLIERS, [supplier(1)])
    assert len(org.requests("PATCH")) == 1


def test_the_daily_limit_is_read_from_every_answer(org: SalesforceSandbox) -> None:
    org.used = 17
    with transport_of(org) as transport:
        assert transport.usage is None
        transport.describe("Account")
        assert transport.usage is not None
        assert (transport.usage.used, transport.usage.limit) == (18, 100_000)


def test_every_request_has_a_timeout(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="slow", path="sobjects", times=None, seconds=5))
    with (
        transport_of(org, request_timeout_seconds=0.05, retry_seconds=0.1) as transport,
        pytest.raises(TransientError, match="did not answer GET"),
    ):
        transport.describe("Account")
    org.faults.clear()


def test_the_login_has_a_timeout_too(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="slow", path="oauth2", times=None, seconds=5))
    with (
        transport_of(org, request_timeout_seconds=0.05, retry_seconds=0.1) as transport,
        pytest.raises(TransientError, match="oauth2/token"),
    ):
        transport.describe("Account")
    org.faults.clear()


def test_an_org_that_is_not_there_is_a_passing_trouble(org: SalesforceSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        transport_of(org, base_url=f"http://127.0.0.1:{port}", retry_seconds=0.1) as transport,
        pytest.raises(TransientError, match="ConnectionError"),
    ):
        transport.describe("Account")


@pytest.mark.parametrize("kind", ["cut", "lost"])
def test_a_creation_whose_answer_is_lost_is_unknown(org: SalesforceSandbox, kind: str) -> None:
    org.faults.add(Fault(kind=kind, method="POST", path="composite"))  # type: ignore[arg-type]  # a kind
    with transport_of(org) as transport, pytest.raises(OutcomeUnknownError):
        transport.create("Account", [{"Name": "One"}], allow_duplicates=False)
    assert len(org.requests("POST", "composite")) == 1
    assert len(org.rows("Account")) == (1 if kind == "lost" else 0)


def test_a_creation_that_was_told_to_wait_is_sent_again(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="status", status=429, method="POST", path="composite"))
    with transport_of(org) as transport:
        [saved] = transport.create("Account", [{"Name": "One"}], allow_duplicates=False)
    assert saved.id == org.rows("Account")[0]["Id"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'[{"message": "m", "errorCode": "C", "fields": ["F"]}]', Problem(code="C", message="m", fields=("F",))),
        (b'{"message": "m", "errorCode": "C"}', Problem(code="C", message="m")),
        (b'{"error": "invalid_grant", "error_description": "d"}', Problem(code="invalid_grant", message="d")),
        (b'{"error": {"code": 429, "message": "m"}}', Problem(code="429", message="m")),
        (b'{"errors": [{"message": "m"}]}', Problem(code="", message="m")),
        (b'{"errors": null}', Problem(code="", message="HTTP 400")),
        (b'"text"', Problem(code="", message="text")),
        (b"[]", Problem(code="", message="HTTP 400")),
        (b"{}", Problem(code="", message="HTTP 400")),
        (b"null", Problem(code="", message="HTTP 400")),
        (b"[[null, {}]]", Problem(code="", message="HTTP 400")),
        (b"", Problem(code="", message="HTTP 400")),
        (b"<html><h1>Down</h1> for\nnow</html>", Problem(code="", message="Down for now")),
        (b"\xff\xfe", Problem(code="", message="\ufffd\ufffd")),
    ],
)  # fmt: skip
def test_errors_are_read_from_any_body(body: bytes, problem: Problem) -> None:
    assert problem_of(400, body) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("STRING_TOO_LONG:Name: too large: a:b (max length=5):Name --",
         Problem(code="STRING_TOO_LONG", message="Name: too large: a:b (max length=5)", fields=("Name",))),
        ("UNABLE_TO_LOCK_ROW:unable to obtain:--",
         Problem(code="UNABLE_TO_LOCK_ROW", message="unable to obtain")),
        ("REQUIRED_FIELD_MISSING:Required:A__c B__c --",
         Problem(code="REQUIRED_FIELD_MISSING", message="Required", fields=("A__c", "B__c"))),
        ("something else", Problem(code="", message="something else")),
        ("", Problem(code="", message="refused without a reason")),
    ],
)  # fmt: skip
def test_errors_of_bulk_rows_are_read(text: str, problem: Problem) -> None:
    assert row_problem(text) == problem


def test_a_long_page_of_a_proxy_is_cut() -> None:
    assert len(problem_of(502, b"x" * 100_000).message) < 600


def test_an_error_that_is_no_list_is_an_error_all_the_same(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="status", status=403, body="<html>blocked by the proxy</html>"))
    with opened(org) as application, pytest.raises(CredentialError, match="blocked by the proxy"):
        application.structure.describe(["Account"])


def test_fewer_results_than_records_are_not_guessed_at(org: SalesforceSandbox) -> None:
    furnish(org, SUPPLIERS)
    org.faults.add(Fault(kind="status", status=200, method="PATCH", body="[]"))
    with opened(org) as application, pytest.raises(ContractError, match="with no results"):
        send(application, SUPPLIERS, [supplier(1)])


def test_no_secret_is_in_an_error_or_a_repr(org: SalesforceSandbox) -> None:
    secret = CREDENTIAL.values["client_secret"].reveal()
    with transport_of(org) as transport:
        with pytest.raises(Refused) as raised:
            list(transport.query("SELECT nonsense"))
        assert secret not in repr(vars(transport.session)["_login"])
    token = org.requests()[-1].headers["authorization"].removeprefix("Bearer ")
    assert token not in str(raised.value)
    assert secret not in str(raised.value)
