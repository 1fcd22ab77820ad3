"""A login: the token request of OAuth 2.0, and what its answers mean.

Written from RFC 6749, the ion-api-sdk README and the Infor OS pages on authorized apps (reference/cloudsuite-api.md
§1). A login is no API request: it goes to another host, and does not count in the tenant's request budget.
Refresh tokens are not used: they are optional per app, and the same grant again is as good.
"""

import base64
import json
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import httpx

from ml_connector_dagster.cloudsuite.ionapi import Grant, IonApi
from ml_connector_dagster.cloudsuite.retries import PASSING_STATUSES
from ml_connector_dagster.model.errors import (
    ConnectorError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.model.retry_after import parse_retry_after
from ml_connector_dagster.model.secrets import Secret


_TIMEOUT: Final = 30.0
#: Taken when an answer lacks a readable ``expires_in``.
_UNKNOWN_LIFETIME: Final = timedelta(minutes=10)

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


class LoginDelayedError(TransientError):
    """The login server failed for a passing reason."""


class Login:
    """Signs one tenant in. One login at a time: whoever calls ``flow`` holds the tenant's lease."""

    def __init__(self, ionapi: IonApi, *, tenant: str, clock: Callable[[], datetime]) -> None:
        self._ionapi = ionapi
        self._tenant = tenant
        self._clock = clock
        self._host = httpx.URL(ionapi.token_url).host
        self._client_in_body = False
        self._refusal = ""

    def flow(self) -> Generator[httpx.Request, httpx.Response, tuple[Secret, timedelta]]:
        """Requests to send, answers to receive; then a token and how long it lives.

        Raises CredentialError when the keys are refused, LoginDelayedError when the server only could not answer.
        """
        if self._refusal:
            # Once refused, always refused, as long as this process has these keys: asking again
            # from every thread could lock the service account.
            raise CredentialError(self._refusal)
        response = yield self._request()
        response.read()
        if self._client_refused(response) and not self._client_in_body:
            # Infor documents both ways of client authentication; some servers know one of them only.
            self._client_in_body = True
            response = yield self._request()
            response.read()
            if self._client_refused(response):
                self._client_in_body = False
        return self._read(response)

    def _request(self) -> httpx.Request:
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
        timeout = httpx.Timeout(_TIMEOUT).as_dict()
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

    def _read(self, response: httpx.Response) -> tuple[Secret, timedelta]:
        if response.status_code != HTTPStatus.OK:
            raise self._failure(response)
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
        if isinstance(expires_in, str) and expires_in.strip().isdecimal():
            expires_in = int(expires_in.strip()[:9])
        if isinstance(expires_in, int | float) and 0 < expires_in < 1e9:
            return timedelta(seconds=float(expires_in))
        return _UNKNOWN_LIFETIME

    def _failure(self, response: httpx.Response) -> ConnectorError:
        status = response.status_code
        error = _oauth_error(response)
        where = f"{self._tenant}: the login at {self._host} failed (HTTP {status}{error and ', ' + error})"
        if status in PASSING_STATUSES:
            return LoginDelayedError(
                where,
                retry_after=parse_retry_after(response.headers.get("retry-after"), self._clock()),
            )
        self._refusal = f"{where}: {self._advice(error)}"
        return CredentialError(self._refusal)

    def _advice(self, error: str) -> str:
        new_file = (
            "download a new .ionapi file (API Gateway → Authorized Apps → Download Credentials, with a service "
            "account) and store it with: ml-connector credentials add NAME --ionapi FILE"
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
