"""The one place where calls to Looker are made: what the SDK leaves out or does wrong is done here.

looker-sdk 26.22 (reference saas-destinations §3.1): its lazy login puts the login's content type on the first call; a
token that dies early stays dead; nothing is tried again; errors of another shape than Looker's escape as those of a
parser; and for each error it asks a host of its own for help texts. So: headers are ours, a 401 logs in once more,
passing failures are repeated, and a refusal is raised before the SDK looks at its body.
"""

import json
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import requests
from looker_sdk.rtl.api_settings import SettingsConfig
from looker_sdk.rtl.requests_transport import NullAuth, RequestsTransport
from looker_sdk.rtl.transport import (
    HttpMethod,
    Response,
    TAuthenticator,
    TransportOptions,
    response_mode,
)

from ml_connector_dagster.credentials.redaction import register
from ml_connector_dagster.destinations.looker.answers import reason_of, refusal
from ml_connector_dagster.destinations.looker.quotas import Quota, kind_of
from ml_connector_dagster.destinations.requests_errors import was_never_sent
from ml_connector_dagster.model.errors import (
    ConfigError,
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.model.retry_after import parse_retry_after
from ml_connector_dagster.model.secrets import Secret


FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Refused for certain before anything was done: safe to repeat even where a repetition would do it twice.
_UNTOUCHED: Final = frozenset({429})
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things may take, in seconds."""

    request: float
    retries: float


@dataclass(slots=True, kw_only=True)
class Settings:
    """What the SDK asks of its settings (``PApiSettings``): never a file, never the environment."""

    base_url: str
    client_id: Secret
    client_secret: Secret
    verify_ssl: bool
    timeout: int
    agent_tag: str = "ml-connector-dagster"
    headers: MutableMapping[str, str] | None = None

    def read_config(self) -> SettingsConfig:
        """Asked at each login, and not kept."""
        return {
            "client_id": self.client_id.reveal(),
            "client_secret": self.client_secret.reveal(),
            "base_url": self.base_url,
        }

    def is_configured(self) -> None:
        """The configuration has been checked when the files were read."""


class LookerTransport(RequestsTransport):
    """Takes the place of the SDK's own.

    Attributes:
        drop_token: makes the SDK log in before its next call; set once its session is there.
        server_time: Looker's clock (UNIX seconds) as of the latest answer; None when it told none.
    """

    def __init__(
        self,
        settings: Settings,
        quota: Quota,
        patience: Patience,
        *,
        pause: Callable[[float], None] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings, requests.Session())
        self.drop_token: Callable[[], None] = _nothing
        self.server_time: int | None = None
        self._quota = quota
        self._patience = patience
        self._pause = pause
        self._elapsed = elapsed

    def close(self) -> None:
        """Give the connections back."""
        self.session.close()

    def request(
        self,
        method: HttpMethod,
        path: str,
        query_params: MutableMapping[str, str] | None = None,
        body: bytes | None = None,
        authenticator: TAuthenticator = None,
        transport_options: TransportOptions | None = None,
    ) -> Response:
        """One call, until there is an answer that may be parsed. Raises our errors, never the SDK's."""
        call = _Call(
            method=method.name,
            url=self._own(path),
            params=query_params,
            body=body,
            content_type=_FORM if authenticator is None else _JSON,
        )
        begun, failures, renewed = self._elapsed(), 0, False
        while True:
            setback = self._attempt(call, authenticator)
            if isinstance(setback, requests.Response):
                if setback.ok:
                    return _parsed_by_sdk(setback, call.what)
                if setback.status_code == 401 and authenticator is not None and not renewed:
                    renewed = True
                    self.drop_token()
                    continue
                if setback.status_code not in _PASSING:
                    raise _login_or(refusal(setback, call.what), authenticator)
            self._before_again(call, setback, failures, self._elapsed() - begun)
            failures += 1

    def _attempt(
        self, call: "_Call", authenticator: TAuthenticator
    ) -> requests.Response | requests.RequestException:
        """One sending. A dict of its own for the login: the SDK writes the login's content type into it."""
        signed = {} if authenticator is None else authenticator({})
        for header in signed.values():
            register(Secret(header.rpartition(" ")[2]))
        self._quota.spend(kind_of(urlsplit(call.url).path))
        try:
            response = self.session.request(
                call.method,
                call.url,
                auth=NullAuth(),
                params=call.params,
                data=call.body,
                headers={**signed, "Content-Type": call.content_type, "Accept": _JSON},
                timeout=(min(10.0, self._patience.request), self._patience.request),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return error
        self._look_at_clock(response)
        if response.is_redirect:
            raise ContractError(
                f"{self.settings.base_url} sends {call.what} on to another address; base_url must be the address "
                "that answers the API itself, with its port where it has one"
            )
        return response

    def _before_again(
        self,
        call: "_Call",
        setback: requests.Response | requests.RequestException,
        failures: int,
        spent: float,
    ) -> None:
        """Wait for the next try, or raise when there is none."""
        if isinstance(setback, requests.Response):
            said = f"{setback.status_code}: {reason_of(setback)}"
            asked = parse_retry_after(setback.headers.get("Retry-After"), datetime.now(UTC))
            untouched = setback.status_code in _UNTOUCHED
        else:
            # The text of the exception may hold the URL, but no token: that is a header.
            said, asked, untouched = type(setback).__name__, None, was_never_sent(setback)
        if call.once and not untouched:
            raise OutcomeUnknownError(
                f"the answer of Looker to {call.what} was lost ({said}); it may have been carried out"
            )
        wait = min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE) if asked is None else asked
        if spent + wait > self._patience.retries:
            raise TransientError(
                f"Looker at {self.settings.base_url} does not answer {call.what}: {said}, after {failures + 1} tries",
                retry_after=asked,
            )
        self._pause(wait)

    def _own(self, path: str) -> str:
        if not path.startswith(f"{self.settings.base_url}/"):
            raise ConfigError(
                f"a call to {urlsplit(path).netloc} was stopped: only {self.settings.base_url} is called"
            )
        return path

    def _look_at_clock(self, response: requests.Response) -> None:
        try:
            told = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        self.server_time = int(told.timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    method: str
    url: str
    params: MutableMapping[str, str] | None
    body: bytes | None
    content_type: str

    @property
    def what(self) -> str:
        """For messages: the path without the address."""
        return f"{self.method} {urlsplit(self.url).path}"

    @property
    def once(self) -> bool:
        """Whether doing it twice would be seen by people: a plan that is sent."""
        return self.url.endswith("/run_once")


def _nothing() -> None:
    """No session yet, so no token."""


def _login_or(error: Exception, authenticator: TAuthenticator) -> Exception:
    if authenticator is None:
        return CredentialError(
            f"Looker refuses the login: {error}. Store the API key of Looker's user again: ml-connector credentials "
            "add NAME --kind looker --field client_id --field client_secret"
        )
    return error


def _parsed_by_sdk(response: requests.Response, what: str) -> Response:
    """An answer that the SDK can parse: whole JSON, where it says JSON."""
    kind = response.headers.get("Content-Type", "")
    if "json" in kind and response.content:
        try:
            json.loads(response.content)
        except ValueError as error:
            raise ContractError(f"Looker answers {what} with JSON that is cut short") from error
    elif "html" in kind:
        raise ContractError(
            f"{what} is answered by a web page, not by Looker's API: is base_url right (often with port 19999), and "
            "does a proxy or sign-on page stand before it?"
        )
    answer = Response(True, response.content, response_mode(kind))
    answer.encoding = "utf-8"
    return answer
