"""One bearer token per tenant, shared by its threads and processes, renewed ahead of expiry.

``BearerAuth`` is an ``httpx.Auth``: a generator of requests, so its tests need no network. What a login says is in
``logins``. Client practice on 401: reference/cloudsuite-api.md §1.5.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Protocol

import httpx

from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.logins import Login
from ml_connector_dagster.model.errors import CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.tokens import CachedToken


log = logging.getLogger("ml_connector_dagster.cloudsuite")

_Flow = Generator[httpx.Request, httpx.Response, CachedToken]


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
    """How long a token is used, and how long another process's login is waited for.

    Attributes:
        max_age: older tokens are not used, whatever the server allows.
        margin: renew so long ahead of expiry, and at most a quarter of the token's life ahead.
        lease_seconds: after so long a login of another process is taken for dead.
        patience: seconds to wait for another process's login.
        poll_seconds: how often to look whether it is there.
    """

    max_age: timedelta = timedelta(minutes=50)
    margin: timedelta = timedelta(minutes=3)
    lease_seconds: float = 60.0
    patience: float = 180.0
    poll_seconds: float = 0.2

    def is_usable(self, token: CachedToken, now: datetime) -> bool:
        """Is it young enough, and far enough from its end?"""
        margin = min(self.margin, (token.expires_at - token.obtained_at) / 4)
        return now < token.expires_at - margin and now - token.obtained_at < self.max_age


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
        self._login = Login(ionapi, tenant=tenant, clock=clock)
        self._grant = ionapi.grant
        self._store = store
        self._pause = pause
        self._policy = policy or TokenPolicy()
        self._clock = clock
        self._holder = holder or uuid.uuid4().hex
        self._tenant = tenant
        self._lock = threading.Lock()
        self._current: CachedToken | None = None
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
            value, lifetime = yield from self._login.flow()
            self._logins += 1
            saved = self._store.save(value, obtained_at, obtained_at + lifetime, self._holder)
        finally:
            self._store.release(self._holder)
        log.info(
            "login tenant=%s grant=%s lifetime_seconds=%d generation=%d",
            self._tenant,
            self._grant.value,
            lifetime.total_seconds(),
            saved.generation,
        )
        return saved


def is_transient_401(response: httpx.Response) -> bool:
    """Is this the 401 that LN's own OAuth layer now and then gives to a good token? A new token would not help."""
    if response.status_code != HTTPStatus.UNAUTHORIZED:
        return False
    return b"[U14]" in response.read()


def _authorize(request: httpx.Request, token: CachedToken) -> None:
    request.headers["Authorization"] = "Bearer " + token.value.reveal()
