"""The gateway against the sandbox: real HTTP, real faults (S1-S3, D7, O5)."""

import json
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import httpx
import pytest

from ml_connector_dagster.cloudsuite.auth import BearerAuth
from ml_connector_dagster.cloudsuite.breaker import Breaker
from ml_connector_dagster.cloudsuite.budget import RequestBudget
from ml_connector_dagster.cloudsuite.gateway import Gateway, open_gateway
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.model.errors import (
    BreakerOpenError,
    ConfigError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.spec.shared_state import MemoryBreaker, MemoryCalls, MemoryTokens


SUPPLIERS = "/m3api-rest/v2/execute/CRS620MI/LstSuppliers;maxrecs=5"
BULK = "/m3api-rest/v2/execute"


class SandboxTime(Pause):
    """The sandbox's clock; waiting moves it on."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox
        self.waits: list[float] = []

    def __call__(self, seconds: float) -> None:
        super().__call__(0.0)
        self.waits.append(seconds)
        self._sandbox.clock.advance(seconds=seconds)

    def now(self) -> datetime:
        return self._sandbox.clock.now()

    def time(self) -> float:
        return self.now().timestamp()


class Tenant:
    """ACME_TST of the sandbox, what its processes share, and as many of them as a test wants."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.time = SandboxTime(sandbox)
        self.tokens = MemoryTokens(self.time.time)
        self.calls = MemoryCalls()
        self.breaker = MemoryBreaker()
        self.opened: list[Gateway] = []

    def process(
        self,
        *,
        limit: int = 1000,
        timeout: float = 30.0,
        file: str | None = None,
        transport: httpx.BaseTransport | None = None,
        pause: Pause | None = None,
    ) -> Gateway:
        ionapi = IonApi.parse(file or self.sandbox.ionapi_text("ACME_TST"))
        time = self.time
        pause = pause or time
        gateway = Gateway(
            ionapi,
            tenant="acme",
            suite="M3",
            auth=BearerAuth(ionapi, self.tokens, tenant="acme", pause=pause, clock=time.now),
            budget=RequestBudget(
                self.calls, tenant="acme", limit=limit, pause=pause, clock=time.time
            ),
            breaker=Breaker(self.breaker, tenant="acme", clock=time.now),
            pause=pause,
            timeout=timeout,
            transport=transport,
            clock=time.now,
            elapsed=time.time,
            draw=lambda: 1.0,
        )
        self.opened.append(gateway)
        return gateway

    def statuses(self) -> list[int]:
        return [request.status for request in self.sandbox.requests("ACME_TST")]


@pytest.fixture
def acme(sandbox: Sandbox) -> Iterator[Tenant]:
    tenant = Tenant(sandbox)
    yield tenant
    for gateway in tenant.opened:
        gateway.close()


def rows(body: bytes) -> int:
    return len(json.loads(body)["results"][0]["records"])


# Reading


def test_a_list_is_read(acme: Tenant) -> None:
    before = acme.time.now()
    with acme.process() as gateway:
        reply = gateway.get(SUPPLIERS)
        assert (reply.status, rows(reply.body), reply.attempts) == (200, 5, 1)
        assert before <= reply.requested_at <= acme.time.now()
        usage = gateway.usage()
        assert gateway.requests_made == 1
        assert (usage.requests, usage.retries, usage.throttled, usage.logins) == (1, 0, 0, 1)
        assert usage.response_bytes == len(reply.body)
    assert len(acme.calls.granted_at) == 1  # the login is not in the budget


def test_several_reads_in_one_post(acme: Tenant) -> None:
    transactions = [{"transaction": "LstSuppliers", "record": {}, "selectedColumns": ["SUNO"]}] * 2
    body = {"program": "CRS620MI", "maxReturnedRecords": 3, "transactions": transactions}
    reply = acme.process().post(BULK, json=body)
    assert [len(result["records"]) for result in json.loads(reply.body)["results"]] == [3, 3]


def test_client_credentials_are_as_good(acme: Tenant) -> None:
    gateway = acme.process(file=acme.sandbox.ionapi_text("ACME_TST", "client_credentials"))
    assert rows(gateway.get(SUPPLIERS).body) == 5


def test_a_business_error_with_http_400_is_handed_on(acme: Tenant) -> None:
    acme.sandbox.switches.errors_as_400 = True
    reply = acme.process().get("/m3api-rest/v2/execute/CRS620MI/GetBasicData?SUNO=NOSUCH")
    assert reply.status == 400
    assert b"errorMessage" in reply.body


def test_a_write_is_refused_before_anything_is_sent(acme: Tenant) -> None:
    gateway = acme.process()
    with pytest.raises(ConfigError, match="not a read"):
        gateway.get("/m3api-rest/v2/execute/CRS620MI/AddSupplier?SUNO=1")
    with pytest.raises(ConfigError, match="not a read"):
        gateway.post(
            BULK, json={"program": "PPS200MI", "transactions": [{"transaction": "AddLine"}]}
        )
    assert (acme.statuses(), acme.sandbox.logins("ACME_TST")) == ([], 0)
    assert gateway.requests_made == 0


def test_what_is_sent(acme: Tenant) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"access_token": "t", "expires_in": 7200})

    gateway = acme.process(transport=httpx.MockTransport(answer))
    options = ";maxrecs=0;cono=790;divi=;returncols=SUNO,SUNM"
    path = f"/m3api-rest/v2/execute/CRS620MI/LstSuppliers{options}?SUNO=A%2FB%20%C3%96&LMTS=0"
    gateway.get(path, headers={"X-Company": "790"})
    assert str(seen[-1].url) == f"{acme.sandbox.url}/ACME_TST/M3{path}"
    assert seen[-1].headers["x-company"] == "790"
    assert seen[-1].headers["authorization"] == "Bearer t"
    assert seen[-1].headers["accept"] == "application/json"
    read = {"transaction": "GetBasicData", "record": {"SUNO": "Ö17"}}
    gateway.post(BULK, json={"program": "CRS620MI", "transactions": [read]})
    assert seen[-1].headers["content-type"] == "application/json"
    assert "Ö17".encode() in seen[-1].content


# Tokens


def at_once(gateways: list[Gateway]) -> list[int]:
    start = threading.Barrier(len(gateways))

    def read(gateway: Gateway) -> int:
        start.wait()
        return rows(gateway.get(SUPPLIERS).body)

    with ThreadPoolExecutor(len(gateways)) as threads:
        return list(threads.map(read, gateways))


def test_four_threads_and_four_processes_make_one_login(acme: Tenant) -> None:
    really = Pause()  # the sandbox's time would run past the lease while the losers wait
    one = acme.process(pause=really)
    others = [acme.process(pause=really) for _ in range(4)]
    assert at_once([one, one, one, one, *others]) == [5] * 8
    assert acme.sandbox.logins("ACME_TST") == 1
    acme.sandbox.tokens.forget_tokens()
    assert at_once(acme.opened) == [5] * 5
    assert acme.sandbox.logins("ACME_TST") == 2


def test_a_token_is_renewed_before_it_is_refused(acme: Tenant) -> None:
    gateway = acme.process()
    for _ in range(6):
        gateway.get(SUPPLIERS)
        acme.sandbox.clock.advance(minutes=30)
    assert acme.statuses() == [200] * 6
    assert acme.sandbox.logins("ACME_TST") == 3


def test_a_401_midway_is_one_renewal_and_the_same_request_again(acme: Tenant) -> None:
    gateway = acme.process()
    gateway.get(SUPPLIERS)
    acme.sandbox.tokens.forget_tokens()
    reply = gateway.get(SUPPLIERS)
    assert (rows(reply.body), reply.attempts) == (5, 2)
    assert acme.statuses() == [200, 401, 200]
    assert acme.sandbox.logins("ACME_TST") == 2
    assert len(acme.calls.granted_at) == 3  # the repeat asked the budget too
    assert gateway.requests_made == 3


def test_a_second_401_ends_it(acme: Tenant) -> None:
    acme.sandbox.faults.add(Fault(kind="unauthorized", times=2))
    with pytest.raises(CredentialError, match="HTTP 401, twice"):
        acme.process().get(SUPPLIERS)
    assert acme.statuses() == [401, 401]


def test_the_erps_own_transient_401_is_tried_again(acme: Tenant) -> None:
    answers = iter(
        [
            httpx.Response(200, json={"access_token": "t", "expires_in": 7200}),
            httpx.Response(401, json={"error": {"message": "OAuth [U14]: unknown consumer"}}),
            httpx.Response(200, json={}),
        ]
    )
    gateway = acme.process(transport=httpx.MockTransport(lambda _: next(answers)))
    assert gateway.get(SUPPLIERS).attempts == 2
    assert acme.time.waits == [1]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", path="/as/", status=503),
        Fault(kind="html", path="/as/"),
        Fault(kind="empty", path="/as/"),
        Fault(kind="truncated", path="/as/"),
        Fault(kind="lost", path="/as/"),
        Fault(kind="cut", path="/as/"),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_login_that_fails_in_passing_is_made_again(acme: Tenant, fault: Fault) -> None:
    fault.fired = fault.seen = 0
    acme.sandbox.faults.add(fault)
    assert rows(acme.process().get(SUPPLIERS).body) == 5
    assert fault.fired == 1
    assert acme.statuses() == [200]
    assert not acme.tokens.is_leased


def test_refused_credentials_are_not_tried_again(acme: Tenant) -> None:
    acme.sandbox.tokens.refuse_credentials("ACME_TST")
    with pytest.raises(CredentialError, match=r"acme.*service account keys"):
        acme.process().get(SUPPLIERS)
    assert acme.time.waits == []


# Throttling


@pytest.mark.parametrize(
    ("retry_after", "wait"), [(17, 17), ("date", 20), (None, 1), ("nonsense", 1)]
)
def test_a_429_makes_every_process_wait(
    acme: Tenant, retry_after: int | str | None, wait: float
) -> None:
    acme.sandbox.faults.add(Fault(kind="too_many_requests", retry_after=retry_after, seconds=20))
    gateway = acme.process()
    blocked_from = acme.time.time()
    assert gateway.get(SUPPLIERS).attempts == 2
    assert acme.time.waits == [pytest.approx(wait, abs=1.1)]
    assert acme.calls.blocked_until == pytest.approx(blocked_from + wait, abs=2)
    assert gateway.usage().throttled == gateway.usage().retries == 1


def test_a_pause_of_an_hour_is_said_and_not_waited_for(acme: Tenant) -> None:
    acme.sandbox.faults.add(Fault(kind="too_many_requests", retry_after=3600))
    with pytest.raises(TransientError, match=r"asks for a pause of 3600 seconds") as caught:
        acme.process().get(SUPPLIERS)
    assert caught.value.retry_after == 3600
    with pytest.raises(TransientError, match=r"asked for a pause of 3\d\d\d more seconds"):
        acme.process().get(SUPPLIERS)
    assert acme.time.waits == []
    assert acme.statuses() == [429]


def test_a_mistaken_pause_does_not_shut_a_tenant_out_for_good(acme: Tenant) -> None:
    acme.sandbox.faults.add(Fault(kind="too_many_requests", retry_after=10**9))
    with pytest.raises(TransientError):
        acme.process().get(SUPPLIERS)
    assert acme.calls.blocked_until == pytest.approx(acme.time.time() + 3600, abs=5)


def test_requests_queue_within_the_budget(acme: Tenant) -> None:
    gateway = acme.process(limit=5)
    for _ in range(12):
        gateway.get(SUPPLIERS)
    granted = acme.calls.granted_at
    assert all(granted[n + 5] - granted[n] >= 60 for n in range(7))
    assert gateway.usage().waited_seconds == pytest.approx(120, abs=5)
    assert acme.statuses() == [200] * 12


# Failures


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_trouble_on_the_other_side_is_waited_out(acme: Tenant, status: int) -> None:
    acme.sandbox.faults.add(Fault(kind="status", status=status, times=3))
    reply = acme.process().get(SUPPLIERS)
    assert (rows(reply.body), reply.attempts) == (5, 4)
    assert acme.time.waits == [1, 2, 4]
    assert acme.breaker.state.failures == 0


@pytest.mark.parametrize("kind", ["cut", "lost"])
def test_an_answer_that_is_not_whole_is_asked_for_again(acme: Tenant, kind: str) -> None:
    acme.sandbox.faults.add(Fault(kind=kind, times=2))  # type: ignore[arg-type]
    reply = acme.process().get(SUPPLIERS)
    assert (rows(reply.body), reply.attempts) == (5, 3)
    assert acme.calls.in_flight == 0


@pytest.mark.parametrize("kind", ["truncated", "html", "empty"])
def test_what_a_whole_answer_says_is_for_the_product_line(acme: Tenant, kind: str) -> None:
    acme.sandbox.faults.add(Fault(kind=kind))  # type: ignore[arg-type]
    reply = acme.process().get(SUPPLIERS)
    assert (reply.status, reply.attempts) == (200, 1)


def test_an_answer_that_does_not_come_is_asked_for_again(acme: Tenant) -> None:
    acme.process().get(SUPPLIERS)  # the login is done: what is slow is the call
    acme.sandbox.faults.add(Fault(kind="slow"))
    reply = acme.process(timeout=0.2).get(SUPPLIERS)
    assert reply.attempts == 2
    acme.sandbox.faults.clear()
    moment = threading.Event()
    while len(acme.statuses()) < 3:  # the sandbox logs the slow call once it is let go
        moment.wait(0.005)


def test_a_tenant_that_keeps_failing_trips_the_breaker(acme: Tenant) -> None:
    acme.sandbox.faults.add(Fault(kind="status", status=503, times=None))
    one, other = acme.process(), acme.process()
    with pytest.raises(
        TransientError, match=r"acme: M3 CRS620MI/LstSuppliers: HTTP 503.*7 requests"
    ):
        one.get(SUPPLIERS)
    with pytest.raises(BreakerOpenError, match=r"acme.*10 times in a row.*HTTP 503 from CRS620MI"):
        other.get(SUPPLIERS)
    with pytest.raises(BreakerOpenError):
        one.get(SUPPLIERS)
    assert acme.statuses() == [503] * 10
    assert acme.time.waits == [1, 2, 4, 8, 16, 32, 1, 2]
    acme.sandbox.faults.clear()
    acme.time(61)
    assert rows(other.get(SUPPLIERS).body) == 5
    acme.time(1)
    assert rows(one.get(SUPPLIERS).body) == 5


def test_a_login_server_that_keeps_failing_trips_it_too(acme: Tenant) -> None:
    acme.sandbox.faults.add(Fault(kind="status", path="/as/", times=None))
    with pytest.raises(TransientError, match="login at"):
        acme.process().get(SUPPLIERS)
    with pytest.raises(BreakerOpenError, match="login at"):
        acme.process().get(SUPPLIERS)


def test_nobody_listens(acme: Tenant) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    file = acme.sandbox.ionapi_text("ACME_TST").replace(
        acme.sandbox.url, f"http://127.0.0.1:{port}"
    )
    with pytest.raises(TransientError, match=r"no connection to 127\.0\.0\.1"):
        acme.process(file=file).get(SUPPLIERS)


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (403, CredentialError, r"M3 CRS620MI/LstSuppliers: HTTP 403.*Grant the authorized app the M3 suite"),
        (404, ContractError, r"HTTP 404.*published"),
        (302, ContractError, r"HTTP 302.*token is not taken along"),
        (405, ContractError, r"HTTP 405"),
        (501, ContractError, r"HTTP 501"),
    ],
)  # fmt: skip
def test_other_statuses_end_it(
    acme: Tenant, status: int, error: type[Exception], says: str
) -> None:
    acme.sandbox.faults.add(Fault(kind="status", status=status))
    with pytest.raises(error, match=f"acme.*{says}"):
        acme.process().get(SUPPLIERS)
    assert acme.statuses() == [status]


def test_a_certificate_that_is_not_trusted_is_no_passing_trouble(acme: Tenant) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("TLS") from ssl.SSLCertVerificationError("self-signed")

    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        acme.process(transport=httpx.MockTransport(refuse)).get(SUPPLIERS)


def test_closing_ends_the_waits(acme: Tenant) -> None:
    acme.sandbox.faults.add(Fault(kind="status", times=None))
    gateway = acme.process()
    gateway.close()
    acme.opened.clear()
    with pytest.raises((TransientError, RuntimeError)):
        gateway.get(SUPPLIERS)


# Secrets


def test_no_secret_shows_anywhere(acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = acme.process()
    gateway.get(SUPPLIERS)
    acme.sandbox.tokens.forget_tokens()
    gateway.get(SUPPLIERS)
    acme.sandbox.faults.add(Fault(kind="status", times=1))
    acme.sandbox.faults.add(Fault(kind="too_many_requests", times=1))
    gateway.get(SUPPLIERS)
    acme.sandbox.tokens.refuse_credentials("ACME_TST")
    acme.sandbox.tokens.forget_tokens()
    with pytest.raises(CredentialError) as caught:
        gateway.get(SUPPLIERS)
    file = json.loads(acme.sandbox.ionapi_text("ACME_TST"))
    token = acme.tokens.load()
    assert token is not None
    shown = caplog.text + repr(caught.value) + repr(gateway) + repr(gateway.usage())
    assert "retry tenant=acme program='CRS620MI/LstSuppliers' status=503" in shown
    assert "login tenant=acme" in shown
    for secret in (file["ci"], file["cs"], file["saak"], file["sask"], token.value.reveal()):
        assert secret not in shown


def test_a_configured_connection_opens(acme: Tenant) -> None:
    connection = CloudSuiteConnection(
        name="acme", product_line="m3", credential="acme", timezone="Europe/Stockholm"
    )
    ionapi = IonApi.parse(acme.sandbox.ionapi_text("ACME_TST"))
    with open_gateway(
        connection,
        ionapi,
        suite="M3",
        tokens=acme.tokens,
        calls=acme.calls,
        breaker=acme.breaker,
        pause=Pause(),
    ) as gateway:
        assert rows(gateway.get(SUPPLIERS).body) == 5
