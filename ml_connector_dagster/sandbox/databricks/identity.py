"""Who is calling: a personal access token, or a token from the client-credentials grant (OAuth M2M).

https://docs.databricks.com/en/dev-tools/auth/oauth-m2m.html
"""

import base64
import binascii
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

from ml_connector_dagster.sandbox.databricks.options import WorkspaceOptions
from ml_connector_dagster.sandbox.databricks.refusals import ApiError


class Identity:
    """Issues and checks tokens. ``logins`` counts the OAuth tokens that were given out."""

    def __init__(
        self, options: WorkspaceOptions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}
        self.pat_is_valid = True
        self.token_seconds = options.token_seconds
        self.logins = 0

    def expire_tokens(self) -> None:
        """Every OAuth token that was given out is refused from now on."""
        with self._lock:
            self._tokens.clear()

    def token(self, headers: Mapping[str, str], body: bytes) -> dict[str, object]:
        """The token endpoint. Client id and secret come as HTTP Basic authentication."""
        form = parse_qs(body.decode())
        if form.get("grant_type") != ["client_credentials"]:
            raise ApiError(400, "unsupported_grant_type", "grant_type must be client_credentials")
        if form.get("scope") != ["all-apis"]:
            raise ApiError(400, "invalid_scope", "scope must be all-apis")
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        try:
            client, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client = secret = ""
        known = (self._options.client_id, self._options.client_secret)
        if scheme != "Basic" or (client, secret) != known:
            raise ApiError(401, "invalid_client", "Client authentication failed")
        token = uuid.uuid4().hex
        with self._lock:
            self.logins += 1
            self._tokens[token] = self._clock() + self.token_seconds
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.token_seconds,
            "scope": "all-apis",
        }

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise ApiError unless the call carries a token that is valid now."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            raise ApiError(
                401,
                "UNAUTHENTICATED",
                "Credential was not sent or was of an unsupported type for this API.",
            )
        if token == self._options.token:
            if not self.pat_is_valid:
                raise ApiError(403, "403", "Invalid access token.")
            return
        with self._lock:
            expires = self._tokens.get(token)
        if expires is None or expires <= self._clock():
            if token.startswith("dapi"):
                raise ApiError(403, "403", "Invalid access token.")
            raise ApiError(401, "UNAUTHENTICATED", "Token is expired or has been revoked.")
