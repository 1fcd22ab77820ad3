"""Signing in: one bearer token per tenant, shared by its threads and processes, renewed ahead of expiry.

Written from RFC 6749, the ion-api-sdk README and the Infor OS pages on authorized apps (reference/cloudsuite-api.md
§1). ``BearerAuth`` is an ``httpx.Auth``: a generator of requests, so its tests need no network. A login is no API
request: it goes to another host, and does not count in the tenant's request budget.

Refresh tokens are not used: they are optional per app, and the same grant again is as good.
"""

import base64
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, Protocol

import httpx

from ml_connector_dagster.cloudsuite.ionapi import Grant, IonApi
from ml_connector_dagster.cloudsuite.retries import PASSING_STATUSES, parse_retry_after
from ml_connector_dagster.model.errors import ContractError, CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.tokens import CachedToken


log = logging.getLogger("ml_connector_dagster.cloudsuite")

_Flow = Generator[httpx.Request, httpx.Response, CachedToken]

_OAUTH_ERRORS: Final = frozenset(
    {
        "invalid_grant",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


class TokenStore(Protocol):
    """Where the processes of a tenant share its token, encrypted. The ledger implements it."""

    def load(self) -> CachedToken | None:
        """The newest token; None when there is none yet."""
        ...

    def lease(self, holder: str, seconds: float, seen_generation: int) -> bool:
        """True: nobody holds the lease and the newest generation is still ``seen_generation`` (0: none): log in.

        False: somebody else logs in, or has done so: load again.
        """
        ...

    def save(
        self, value: Secret, obtained_at: datetime, expires_at: datetime, holder: str
    ) -> CachedToken:
        """Keep a new token, one generation up."""
        ...

    def release(self, holder: str) -> None:
        """Give the lease back, if ``holder`` has it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """How long a token is used, and how long a login may take.

    Attributes:
        max_age: older tokens are not used, whatever the server allows.
        margin: renew so long ahead of expiry, and at most a quarter of the token's life ahead.
        unknown_lifetime: taken when the answer lacks a readable ``expires_in``.
        login_timeout: seconds each step of a login may take.
        lease_seconds: after so long a login of another process is taken for dead.
        patience: seconds to wait for another process's login.
        poll_seconds: how often to look whether it is there.
    """

    max_age: timedelta = timedelta(minutes=50)
    margin: timedelta = timedelta(minutes=3)
    unknown_lifetime: timedelta = timedelta(minutes=10)
    login_timeout: float = 30.0
    lease_seconds: float = 60.0
    patience: float = 180.0
    poll_seconds: float = 0.2

    def is_usable(self, token: CachedToken, now: datetime) -> bool:
        """Is it young enough, and far enough from its end?"""
        margin = min(self.margin, (token.expires_at - token.obtained_at) / 4)
        return now < token.expires_at - margin and now - token.obtained_at < self.max_age


class LoginDelayedError(TransientError):
    """The login server failed for a passing reason."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class BearerAuth(httpx.Auth):
    """Puts the tenant's token on a request; logs in when nobody else has. Thread-safe.

    Raises CredentialError when the login or a fresh token is refused, TransientError when the login failed for a
    passing reason. No message, log or ``repr`` holds the token or a key.
    """

    def __init__(
        self,
        ionapi: IonApi,
        store: TokenStore,
        *,
        tenant: str,
        pause: Callable[[float], None] = time.sleep,
        policy: TokenPolicy | None = None,
        clock: Callable[[], datetime] = _utc_now,
        holder: str | None = None,
    ) -> None:
        self._ionapi = ionapi
        self._store = store
        self._pause = pause
        self._policy = policy or TokenPolicy()
        self._clock = clock
        self._holder = holder or uuid.uuid4().hex
        self._tenant = tenant
        self._lock = threading.Lock()
        self._current: CachedToken | None = None
        self._client_in_body = False
        self._logins = 0

    @property
    def logins(self) -> int:
        """Logins this process has made."""
        return self._logins

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Drive ``auth_flow``; httpx's own would leave closing it, and with it the locks, to garbage collection."""
        yield from self.auth_flow(request)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """The request with a token; after a 401 once more with another one."""
        token = yield from self._token(refused=0)
        _authorize(request, token)
        response = yield request
        if response.status_code != HTTPStatus.UNAUTHORIZED or is_transient_401(response):
            return
        token = yield from self._token(refused=token.generation)
        _authorize(request, token)
        response = yield request
        if response.status_code == HTTPStatus.UNAUTHORIZED and not is_transient_401(response):
            raise CredentialError(
                f"{self._tenant}: CloudSuite refused a token that it had just issued (HTTP 401, twice). Check that "
                "the authorized app is still active, that its service account is bound to a user who exists in this "
                "tenant, and that pu and iu of the .ionapi file belong to the same tenant."
            )

    def _token(self, *, refused: int) -> _Flow:
        """A usable token of a generation above ``refused``; at most one login at a time, whoever asks."""
        current = self._current
        if current is not None and self._is_good(current, refused):
            return current
        with self._lock:
            waited = 0.0
            while True:
                current = self._current
                if current is None or not self._is_good(current, refused):
                    current = self._current = self._store.load()
                if current is not None and self._is_good(current, refused):
                    return current
                seen = 0 if current is None else current.generation
                if self._store.lease(self._holder, self._policy.lease_seconds, seen):
                    self._current = yield from self._login_and_save()
                    return self._current
                if waited >= self._policy.patience:
                    raise TransientError(
                        f"{self._tenant}: another process has been logging in for {waited:.0f} seconds and is not done"
                    )
                self._pause(self._policy.poll_seconds)
                waited += self._policy.poll_seconds

    def _is_good(self, token: CachedToken, refused: int) -> bool:
        return token.generation > refused and self._policy.is_usable(token, self._clock())

    def _login_and_save(self) -> _Flow:
        try:
            # Life is counted from before the request: on the safe side of a slow answer.
            obtained_at = self._clock()
            response = yield self._login_request()
            response.read()
            if self._client_refused(response) and not self._client_in_body:
                # Infor documents both ways of client authentication; some servers know one of them only.
                self._client_in_body = True
                response = yield self._login_request()
                response.read()
                if self._client_refused(response):
                    self._client_in_body = False
            value, lifetime = self._read_login(response)
            self._logins += 1
            saved = self._store.save(value, obtained_at, obtained_at + lifetime, self._holder)
        finally:
            self._store.release(self._holder)
        log.info(
            "login tenant=%s grant=%s lifetime_seconds=%d generation=%d",
            self._tenant,
            self._ionapi.grant.value,
            lifetime.total_seconds(),
            saved.generation,
        )
        return saved

    def _login_request(self) -> httpx.Request:
        ionapi = self._ionapi
        form = {"grant_type": ionapi.grant.value}
        if ionapi.grant is Grant.PASSWORD:
            form["username"] = ionapi.username.reveal()
            form["password"] = ionapi.password.reveal()
        headers = {"Accept": "application/json"}
        if self._client_in_body:
            form["client_id"] = ionapi.client_id.reveal()
            form["client_secret"] = ionapi.client_secret.reveal()
        else:
            pair = f"{ionapi.client_id.reveal()}:{ionapi.client_secret.reveal()}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        # A request that is built by hand has no timeout of its own: httpx takes it from here.
        timeout = httpx.Timeout(self._policy.login_timeout).as_dict()
        return httpx.Request(
            "POST", ionapi.token_url, data=form, headers=headers, extensions={"timeout": timeout}
        )

    def _client_refused(self, response: httpx.Response) -> bool:
        if response.status_code not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            return False
        error = _oauth_error(response)
        return error == "invalid_client" or (
            not error and response.status_code == HTTPStatus.UNAUTHORIZED
        )

    def _read_login(self, response: httpx.Response) -> tuple[Secret, timedelta]:
        if response.status_code != HTTPStatus.OK:
            raise self._login_failure(response)
        answer = _json_object(response)
        if answer is None:
            raise LoginDelayedError(
                f"{self._tenant}: the login server answered with something else than JSON; is {self._host} right (pu "
                "of the .ionapi file), and does no proxy show a sign-in page?"
            )
        value = answer.get("access_token")
        if not isinstance(value, str) or not value:
            raise ContractError(
                f"{self._tenant}: the login server {self._host} answered HTTP 200 without an access_token"
            )
        if not (value.isascii() and value.isprintable()) or " " in value:
            # A client that met it in a header would print it in its complaint.
            raise ContractError(
                f"{self._tenant}: the login server {self._host} issued a token that no HTTP header can carry"
            )
        return Secret(value), self._lifetime(answer.get("expires_in"))

    def _lifetime(self, expires_in: object) -> timedelta:
        if isinstance(expires_in, str) and expires_in.strip().isdigit():
            expires_in = int(expires_in.strip()[:9])
        if isinstance(expires_in, int | float) and 0 < expires_in < 1e9:
            return timedelta(seconds=float(expires_in))
        return self._policy.unknown_lifetime

    def _login_failure(self, response: httpx.Response) -> Exception:
        status = response.status_code
        error = _oauth_error(response)
        where = f"{self._tenant}: the login at {self._host} failed (HTTP {status}{error and ', ' + error})"
        if status in PASSING_STATUSES:
            return LoginDelayedError(
                where,
                retry_after=parse_retry_after(response.headers.get("retry-after"), self._clock()),
            )
        return CredentialError(f"{where}: {self._advice(error)}")

    def _advice(self, error: str) -> str:
        new_file = (
            "download a new .ionapi file (API Gateway → Authorized Apps → Download Credentials, with a service "
            "account) and store it with: ml-connector credentials rotate"
        )
        grant = self._ionapi.grant
        match error:
            case "invalid_grant" if grant is Grant.PASSWORD:
                return (
                    "the service account keys (saak/sask) were refused; they were revoked, have expired or belong to "
                    f"another app: {new_file}"
                )
            case "invalid_client" | "invalid_grant":
                return f"the client id or client secret (ci/cs) was refused; {new_file}"
            case "unsupported_grant_type" | "unauthorized_client":
                return (
                    f"the authorized app does not allow the {grant.value} grant; set its grant type to the one of "
                    f"this file, or {new_file}"
                )
            case "invalid_scope":
                return "the app enforces scopes; turn Enforce Scopes off for it, the connector asks for none"
            case _:
                return f"check pu and ot of the .ionapi file, or {new_file}"

    @property
    def _host(self) -> str:
        return httpx.URL(self._ionapi.token_url).host


def is_transient_401(response: httpx.Response) -> bool:
    """Is this the 401 that LN's own OAuth layer now and then gives to a good token? A new token would not help."""
    if response.status_code != HTTPStatus.UNAUTHORIZED:
        return False
    return b"[U14]" in response.read()


def _authorize(request: httpx.Request, token: CachedToken) -> None:
    request.headers["Authorization"] = "Bearer " + token.value.reveal()


def _json_object(response: httpx.Response) -> dict[str, object] | None:
    try:
        answer = json.loads(response.content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _oauth_error(response: httpx.Response) -> str:
    """The OAuth error code, when it is one of the known ones: anything else could echo what was sent."""
    error = (_json_object(response) or {}).get("error")
    return error if isinstance(error, str) and error in _OAUTH_ERRORS else ""
