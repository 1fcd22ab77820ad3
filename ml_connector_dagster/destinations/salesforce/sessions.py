"""The seam below simple-salesforce: every request of the library goes through one session of ours.

What the library gets wrong is put right here, once (reference/saas-destinations.md §1.1, §1.4): renewal of the token by
one thread for all, headers that stay, retries that read ``Retry-After``, errors in every shape of body.
"""

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import tenacity

from ml_connector_dagster.credentials.redaction import register
from ml_connector_dagster.destinations.requests_errors import was_never_sent
from ml_connector_dagster.destinations.salesforce.logins import Login, log_in
from ml_connector_dagster.destinations.salesforce.refusals import Problem, Refused, problem_of
from ml_connector_dagster.destinations.salesforce.wire import Wire, is_whole
from ml_connector_dagster.model.errors import (
    ConnectorError,
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.model.retry_after import parse_retry_after
from ml_connector_dagster.model.secrets import Secret


_TOKEN_PATH: Final = "/services/oauth2/token"  # noqa: S105  # a path
_PASSING: Final = (429, 500, 502, 503, 504)
#: What may be sent twice: reads, whole uploads, and PATCH, since all of ours name their record or state.
_REPEATABLE: Final = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things may take, in seconds.

    Attributes:
        request: one request, until its answer comes.
        retries: a request that fails for a passing reason is tried again no longer than this.
        session: a token is renewed at this age; the org says nowhere how long it lives.
    """

    request: float = 120.0
    retries: float = 120.0
    session: float = 110 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUsage:
    """The org's API requests of 24 hours, everybody's, as of the latest answer."""

    used: int
    limit: int


class _Again(Exception):
    """A try failed for a passing reason. ``error`` is raised when there is no further one."""

    def __init__(self, error: ConnectorError) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = error.retry_after if isinstance(error, TransientError) else None


class TokenSession(requests.Session):
    """A session that logs in by itself. Raises ``Refused`` and our errors in place of error answers.

    Attributes:
        instance: host of the org; "" before the first login.
        usage: None before the first answer.
        sent: requests that went out, logins and retries included.
    """

    def __init__(
        self,
        login: Login,
        *,
        patience: Patience,
        base_url: str | None = None,
        connections: int = 10,
        pause: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__()
        self.trust_env = base_url is None  # a proxy is not for a sandbox on this machine
        self.auth = _as_it_is  # or a .netrc of this machine would replace what we send
        self.mount("https://", Wire(base_url, patience.request, connections))
        self.instance = ""
        self.usage: ApiUsage | None = None
        self.sent = 0
        self._login = login
        self._patience = patience
        self._pause, self._elapsed, self._draw = pause, elapsed, draw
        self._counting = threading.Lock()
        self._lock = threading.Lock()
        self._token: str | None = None
        self._issued = 0.0
        self._unproved = False  # the token is a renewed one, and no call was accepted with it yet
        self._no_login = ""

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """One request, tried again while that makes sense. The signature is Session's; settings pass unread.

        No redirect is followed: it would take the app's secret, or the token, to wherever it points.
        """
        settings = {**settings, "allow_redirects": False}
        started = self._elapsed()

        def seconds(state: tenacity.RetryCallState) -> float:
            asked = _failure(state).retry_after
            bound = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(state.attempt_number, 30))
            return max(asked or 0.0, self._draw() * bound)

        def enough(state: tenacity.RetryCallState) -> bool:
            return self._elapsed() - started + state.upcoming_sleep > self._patience.retries

        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            wait=seconds,
            stop=enough,
            sleep=self._pause,
            reraise=True,
        )
        try:
            return tries(self._try, request, settings)
        except _Again as again:
            raise again.error from again.__cause__

    def ensure_login(self) -> None:
        """Log in unless that was done."""
        self._renew(None)

    def _try(
        self, request: requests.PreparedRequest, settings: dict[str, Any]
    ) -> requests.Response:
        where = f"{request.method} {urlsplit(str(request.url)).path}"
        is_login = urlsplit(str(request.url)).path == _TOKEN_PATH
        try:
            response = self._answered(request, settings, is_login)
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            raise self._lost(error, str(request.method), where, is_login) from error
        status = response.status_code
        if response.is_redirect:
            raise ContractError(
                f"Salesforce answered {where} with HTTP {status} and sends us to "
                f"{urlsplit(response.headers['location']).netloc or 'another path'}: not followed, the login stays "
                "where it belongs. Is domain: the org's My Domain?"
            )
        repeatable = is_login or request.method in _REPEATABLE
        if status in _PASSING:
            said = f"Salesforce answered {where} with {problem_of(status, response.content)} (HTTP {status})"
            if not repeatable and status != 429:
                raise OutcomeUnknownError(f"{said}: it may have been done")
            asked = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
            raise _Again(TransientError(f"{said}, for as long as we tried", retry_after=asked))
        if status == 401 and not is_login:
            raise self._not_accepted(problem_of(status, response.content))
        if status >= 300 and not is_login:
            raise Refused(status, problem_of(status, response.content))
        if status < 300 and not is_whole(response):
            said = (
                f"Salesforce answered {where} with something else than whole JSON (HTTP {status})"
            )
            if not repeatable:
                raise OutcomeUnknownError(f"{said}: it may have been done")
            raise _Again(TransientError(f"{said}, for as long as we tried; does a proxy answer?"))
        return response

    def _answered(
        self, request: requests.PreparedRequest, settings: dict[str, Any], is_login: bool
    ) -> requests.Response:
        """The answer, after one renewal of the token when it was not accepted."""
        if is_login:
            return self._sent(request, settings)
        used = self._fresh_token()
        request.headers["Authorization"] = f"Bearer {used}"
        response = self._sent(request, settings)
        if response.status_code == 401:
            renewed = self._renew(used)
            request.headers["Authorization"] = f"Bearer {renewed}"
            response = self._sent(request, settings)
            used = renewed
        if response.status_code != 401:
            self._prove(used)
        return response

    def _sent(
        self, request: requests.PreparedRequest, settings: dict[str, Any]
    ) -> requests.Response:
        with self._counting:
            self.sent += 1
        # Each try needs a request of its own: Wire writes the address into it.
        response = super().send(request.copy(), **settings)
        found = re.search(r"api-usage=(\d+)/(\d+)", response.headers.get("Sforce-Limit-Info", ""))
        if found is not None:
            self.usage = ApiUsage(used=int(found[1]), limit=int(found[2]))
        return response

    def _fresh_token(self) -> str:
        token = self._token
        old = token is not None and self._elapsed() - self._issued > self._patience.session
        return self._renew(token if old else None)

    def _renew(self, used: str | None) -> str:
        """A token other than ``used``. Whoever comes while one logs in waits for that one's token."""
        with self._lock:
            if self._no_login:
                raise CredentialError(self._no_login)
            if self._token is not None and self._token != used:
                return self._token
            if self._unproved:
                raise self._not_accepted(Problem(code="", message="the new token is refused too"))
            self._unproved = self._token is not None
            self._token, self.instance = self._log_in()
            register(Secret(self._token))
            self._issued = self._elapsed()
            return self._token

    def _prove(self, used: str) -> None:
        with self._lock:
            if used == self._token:
                self._unproved = False

    def _log_in(self) -> tuple[str, str]:
        try:
            return log_in(self, self._login)
        except CredentialError as refused:
            # Every further try would be refused too, and many of them lock the user.
            self._no_login = str(refused)
            raise

    def _not_accepted(self, problem: Problem) -> CredentialError:
        return CredentialError(
            f"Salesforce at {self.instance} gives tokens and does not accept them: {problem}. Look at the login "
            "history of the user that the app runs as: an IP range, or an app that was blocked"
        )

    def _lost(
        self, error: requests.RequestException, method: str, where: str, is_login: bool
    ) -> Exception:
        said = f"Salesforce at {self._login.domain}.salesforce.com did not answer {where} ({type(error).__name__})"
        if isinstance(error, requests.exceptions.SSLError):
            return TransientError(f"{said}: its certificate is not accepted here")
        if is_login or was_never_sent(error) or method in _REPEATABLE:
            return _Again(TransientError(f"{said}, for as long as we tried"))
        return OutcomeUnknownError(f"{said}: it may have been done")


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _failure(state: tenacity.RetryCallState) -> _Again:
    error = None if state.outcome is None else state.outcome.exception()
    if not isinstance(error, _Again):
        raise TypeError("only failed tries are waited for")
    return error
