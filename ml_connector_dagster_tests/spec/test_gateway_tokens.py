"""One token for all work of a tenant, renewed ahead of expiry and once on a 401 (S2).

The flow is stepped by hand: what it yields is what would be sent, and what is sent in is what came back.
"""

import base64
import json
import logging
from collections.abc import Callable, Generator, Mapping
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest

from ml_connector_dagster.cloudsuite.auth import BearerAuth, TokenPolicy
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.logins import LoginDelayedError
from ml_connector_dagster.model.errors import ContractError, CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster_tests.spec.shared_state import NOON, MemoryTokens, StillTime
from ml_connector_dagster_tests.spec.test_ionapi import FILE, SECRETS, TOKEN_URL, without


API = "https://mingle-ionapi.eu1.inforcloudsuite.com/ACME_TST/M3/m3api-rest/execute/X/LstY"
Flow = Generator[httpx.Request, httpx.Response, None]
U14 = {"error": {"message": "OAuth [U14]: unknown oauth_consumer_key"}}


class Tenant:
    """One tenant's clock and token store, and as many processes as a test wants."""

    def __init__(self) -> None:
        self.time = StillTime()
        self.store = MemoryTokens(self.time.time)

    def process(
        self,
        file: Mapping[str, object] = FILE,
        policy: TokenPolicy | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> BearerAuth:
        return BearerAuth(
            IonApi.parse(json.dumps(dict(file))),
            self.store,
            tenant="acme",
            pause=pause or self.time,
            policy=policy,
            clock=self.time.now,
        )


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


def begin(auth: BearerAuth) -> tuple[Flow, httpx.Request]:
    flow = auth.sync_auth_flow(httpx.Request("GET", API))
    return flow, next(flow)


def token(value: str = "t1", expires_in: object = 7200) -> httpx.Response:
    body = {"access_token": value, "token_type": "Bearer", "expires_in": expires_in}
    return httpx.Response(200, json=body)


def bearer(request: httpx.Request) -> str:
    assert request.url == API
    return request.headers["authorization"]


def end(flow: Flow, response: httpx.Response) -> None:
    with pytest.raises(StopIteration):
        flow.send(response)


def call(auth: BearerAuth, issued: str, **answer: object) -> str:
    """One call that succeeds; answers the Authorization header it was sent with."""
    flow, request = begin(auth)
    if request.url == TOKEN_URL:
        request = flow.send(token(issued, **answer))
    sent = bearer(request)
    end(flow, httpx.Response(200))
    return sent


def test_a_login_by_password_grant(tenant: Tenant) -> None:
    flow, login = begin(tenant.process())
    assert login.method == "POST"
    assert login.url == TOKEN_URL
    assert parse_qs(login.content.decode()) == {
        "grant_type": ["password"],
        "username": [FILE["saak"]],
        "password": [FILE["sask"]],
    }
    assert b"%23" in login.content  # the # of a service account key is form-encoded
    pair = base64.b64decode(login.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{FILE['ci']}:{FILE['cs']}"
    assert login.extensions["timeout"]["read"] == 30.0
    assert bearer(flow.send(token("t1"))) == "Bearer t1"
    end(flow, httpx.Response(200))
    assert not tenant.store.is_leased


def test_a_login_by_client_credentials(tenant: Tenant) -> None:
    _, login = begin(tenant.process(without("saak", "sask")))
    assert parse_qs(login.content.decode()) == {"grant_type": ["client_credentials"]}


def test_a_valid_token_is_used_again_by_every_process(tenant: Tenant) -> None:
    one, other = tenant.process(), tenant.process()
    assert call(one, "t1") == call(one, "t2") == call(other, "t3") == "Bearer t1"
    assert (one.logins, other.logins) == (1, 0)


@pytest.mark.parametrize(
    ("expires_in", "good_until"),
    [
        (7200, 50 * 60),  # never older than 50 minutes
        ("7200", 50 * 60),
        (86_400, 50 * 60),
        (1200, 1200 - 180),  # three minutes ahead of expiry
        ("1200", 1200 - 180),
        (100, 75),  # a short life: a quarter ahead
        (None, 600 - 150),  # unknown: ten minutes
        ("soon", 600 - 150),
        (-5, 600 - 150),
        (0, 600 - 150),
        ([1], 600 - 150),
        ("²", 600 - 150),
        (1e300, 600 - 150),
    ],
)
def test_a_token_is_renewed_ahead_of_its_end(
    tenant: Tenant, expires_in: object, good_until: float
) -> None:
    auth = tenant.process()
    assert call(auth, "t1", expires_in=expires_in) == "Bearer t1"
    tenant.time.advance(good_until - 1)
    assert call(auth, "t2") == "Bearer t1"
    tenant.time.advance(1)
    assert call(auth, "t2") == "Bearer t2"


def test_the_maximum_age_can_be_set(tenant: Tenant) -> None:
    auth = tenant.process(policy=TokenPolicy(max_age=timedelta(minutes=5)))
    call(auth, "t1")
    tenant.time.advance(5 * 60)
    assert call(auth, "t2") == "Bearer t2"


def test_after_a_401_one_renewal_and_the_same_request_again(tenant: Tenant) -> None:
    auth = tenant.process()
    call(auth, "t1")
    flow, request = begin(auth)
    login = flow.send(httpx.Response(401, json={"error": "Unauthorized"}))
    assert login.url == TOKEN_URL
    again = flow.send(token("t2"))
    assert again is request
    assert bearer(again) == "Bearer t2"
    end(flow, httpx.Response(200))
    assert auth.logins == 2


def test_after_a_401_the_token_that_another_process_renewed_is_taken(tenant: Tenant) -> None:
    one, other = tenant.process(), tenant.process()
    call(one, "t1")
    flow_one, _ = begin(one)
    flow_other, _ = begin(other)
    flow_one.send(httpx.Response(401))
    assert bearer(flow_one.send(token("t2"))) == "Bearer t2"
    assert bearer(flow_other.send(httpx.Response(401))) == "Bearer t2"  # no login in between
    end(flow_other, httpx.Response(200))
    assert (one.logins, other.logins) == (2, 0)


def test_a_second_401_says_what_to_check(tenant: Tenant) -> None:
    flow, _ = begin(tenant.process())
    flow.send(token("t1"))
    flow.send(httpx.Response(401))
    flow.send(token("t2"))
    with pytest.raises(CredentialError, match=r"acme.*HTTP 401, twice.*service account"):
        flow.send(httpx.Response(401))


def test_a_401_of_the_erps_own_oauth_layer_is_no_reason_for_a_login(tenant: Tenant) -> None:
    auth = tenant.process()
    call(auth, "t1")
    flow, _ = begin(auth)
    end(flow, httpx.Response(401, json=U14))
    assert auth.logins == 1


def test_a_client_that_basic_does_not_let_in_is_sent_in_the_body_and_that_is_remembered(
    tenant: Tenant,
) -> None:
    auth = tenant.process()
    flow, _ = begin(auth)
    in_body = flow.send(httpx.Response(401, json={"error": "invalid_client"}))
    assert "authorization" not in in_body.headers
    form = parse_qs(in_body.content.decode())
    assert (form["client_id"], form["client_secret"]) == ([FILE["ci"]], [FILE["cs"]])
    flow.send(token("t1"))
    flow.send(httpx.Response(401))
    second = flow.send(token("t2"))
    assert bearer(second) == "Bearer t2"
    tenant.time.advance(3600)
    _, login = begin(auth)
    assert "authorization" not in login.headers


def refusal(tenant: Tenant, *answers: httpx.Response, file: Mapping[str, object] = FILE) -> str:
    auth = tenant.process(file)
    flow, _ = begin(auth)
    *before, last = answers
    for answer in before:
        flow.send(answer)
    with pytest.raises(CredentialError) as caught:
        flow.send(last)
    assert not tenant.store.is_leased
    said = str(caught.value)
    assert "acme" in said
    assert ".ionapi" in said or "scopes" in said
    assert not any(secret in said for secret in (*SECRETS, "ECHO"))
    with pytest.raises(CredentialError):  # and the account is not asked for again and again
        begin(auth)
    return said


def oauth(status: int, error: str) -> httpx.Response:
    return httpx.Response(status, json={"error": error, "error_description": "ECHO sErViCe-sEcReT"})


def test_refused_service_account_keys(tenant: Tenant) -> None:
    said = refusal(tenant, oauth(400, "invalid_grant"))
    assert "service account keys (saak/sask) were refused" in said
    assert "download a new .ionapi" in said


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_client(tenant: Tenant, status: int) -> None:
    said = refusal(tenant, oauth(status, "invalid_client"), oauth(status, "invalid_client"))
    assert "client id or client secret (ci/cs) was refused" in said


@pytest.mark.parametrize("error", ["unsupported_grant_type", "unauthorized_client"])
def test_a_grant_that_the_app_lacks(tenant: Tenant, error: str) -> None:
    assert "does not allow the password grant" in refusal(tenant, oauth(400, error))


def test_a_grant_that_the_app_lacks_with_client_credentials(tenant: Tenant) -> None:
    said = refusal(tenant, oauth(400, "unauthorized_client"), file=without("saak", "sask"))
    assert "does not allow the client_credentials grant" in said


def test_enforced_scopes(tenant: Tenant) -> None:
    assert "Enforce Scopes" in refusal(tenant, oauth(400, "invalid_scope"))


@pytest.mark.parametrize("status", [302, 400, 403, 404])
def test_an_answer_that_is_not_oauth(tenant: Tenant, status: int) -> None:
    said = refusal(tenant, httpx.Response(status, text="<html>ECHO</html>"))
    assert f"HTTP {status}" in said
    assert "check pu and ot" in said


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="<html>"),
        httpx.Response(503, text=""),
        httpx.Response(429, text=""),
        httpx.Response(200, text="<html>Sign in</html>"),
        httpx.Response(200, text="[]"),
    ],
)
def test_a_login_server_in_trouble_is_asked_again_later(
    tenant: Tenant, answer: httpx.Response
) -> None:
    auth = tenant.process()
    flow, _ = begin(auth)
    with pytest.raises(LoginDelayedError):
        flow.send(answer)
    assert not tenant.store.is_leased
    assert call(auth, "t1") == "Bearer t1"


def test_a_login_server_may_ask_for_a_pause(tenant: Tenant) -> None:
    flow, _ = begin(tenant.process())
    with pytest.raises(TransientError) as caught:
        flow.send(httpx.Response(429, headers={"Retry-After": "17"}))
    assert caught.value.retry_after == 17.0


@pytest.mark.parametrize(
    "body", [{}, {"access_token": ""}, {"access_token": 7}, {"access_token": "a\nb"}]
)
def test_a_login_without_a_usable_token(tenant: Tenant, body: dict[str, object]) -> None:
    flow, _ = begin(tenant.process())
    with pytest.raises(ContractError, match="token"):
        flow.send(httpx.Response(200, json=body))


def test_a_login_that_breaks_off_lets_the_next_one_in(tenant: Tenant) -> None:
    auth = tenant.process()
    flow, _ = begin(auth)
    flow.close()  # what httpx does when sending fails
    assert not tenant.store.is_leased
    assert call(auth, "t1") == "Bearer t1"


def test_a_loser_waits_for_the_winners_token(tenant: Tenant) -> None:
    winning, _ = begin(tenant.process())
    waits: list[float] = []

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            winning.send(token("t1"))

    loser = tenant.process(pause=pause)
    _, request = begin(loser)
    assert bearer(request) == "Bearer t1"
    assert (loser.logins, len(waits)) == (0, 3)


def test_a_login_whose_process_died_is_taken_over_when_its_lease_ends(tenant: Tenant) -> None:
    assert tenant.store.lease("dead", 60.0, 0)
    assert call(tenant.process(), "t1") == "Bearer t1"
    assert sum(tenant.time.waits) == pytest.approx(60.0, abs=1.0)


def test_patience_with_somebody_elses_login_ends(tenant: Tenant) -> None:
    tenant.store.lease("slow", 1e6, 0)
    with pytest.raises(TransientError, match="another process has been logging in"):
        begin(tenant.process())


def test_waiting_for_a_login_can_be_called_off(tenant: Tenant) -> None:
    tenant.store.lease("slow", 1e6, 0)
    tenant.time.call_off()
    with pytest.raises(TransientError, match="called off"):
        begin(tenant.process())


def test_nothing_secret_is_logged_or_shown(
    tenant: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    auth = tenant.process()
    call(auth, "tOkEn-vAlUe")
    saved = tenant.store.load()
    assert saved is not None
    assert saved.value == Secret("tOkEn-vAlUe")
    assert saved.expires_at == NOON + timedelta(seconds=7200)
    shown = caplog.text + repr(auth) + repr(saved) + repr(begin(auth)[1].headers)
    assert "login tenant=acme grant=password lifetime_seconds=7200 generation=1" in caplog.text
    assert not any(secret in shown for secret in (*SECRETS, "tOkEn-vAlUe"))
