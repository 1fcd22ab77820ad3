"""Logins: the client credentials flow of an app on the My Domain, and tokens that end when the org says so."""

import base64
import binascii
import secrets
from urllib.parse import parse_qsl

from ml_connector_dagster.sandbox.salesforce.options import OrgOptions
from ml_connector_dagster.sandbox.salesforce.refusals import OAuthError, session_expired


class Identity:
    """Tokens of the org.

    Attributes:
        logins: how many tokens were handed out.
        url: tells org and user.
    """

    def __init__(self, options: OrgOptions, org_id: str, user_id: str) -> None:
        self.logins = 0
        self._options = options
        self.url = f"https://login.salesforce.com/id/{org_id}/{user_id}"
        self._org_id = org_id
        self._issued: dict[str, float] = {}

    def clear(self) -> None:
        """Forget all tokens, and the count of logins."""
        self._issued.clear()
        self.logins = 0

    def token(self, host: str, headers: dict[str, str], body: bytes) -> dict[str, object]:
        """POST /services/oauth2/token. Raises OAuthError."""
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        grant = form.get("grant_type")
        if grant is None:
            raise OAuthError("invalid_request", "must provide grant_type")
        if grant != "client_credentials":
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        if host != self._options.host:
            raise OAuthError("invalid_grant", "request not supported on this domain")
        key, secret = _client(headers.get("authorization", ""), form)
        known = {**self._options.clients, **self._options.clients_without_user}
        if key not in known:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if not secrets.compare_digest(known[key].encode(), secret.encode()):
            raise OAuthError("invalid_client", "invalid client credentials")
        if key in self._options.clients_without_user:
            raise OAuthError("invalid_grant", "no client credentials user enabled")
        return self._answer()

    def check(self, authorization: str) -> str:
        """The token of a request. Raises ApiError when it is not good (any more)."""
        scheme, _, token = authorization.partition(" ")
        issued = self._issued.get(token)
        if scheme not in ("Bearer", "OAuth") or issued is None:
            raise session_expired()
        if self._options.now() - issued >= self._options.token_lifetime:
            self.revoke(token)
            raise session_expired()
        # A session's life begins anew with every request (session policy of an org).
        self._issued[token] = self._options.now()
        return token

    def revoke(self, token: str) -> None:
        self._issued.pop(token, None)

    def revoke_all(self) -> None:
        """Every token handed out so far is dead."""
        self._issued.clear()

    def _answer(self) -> dict[str, object]:
        now = self._options.now()
        token = f"{self._org_id[:15]}!AQ{secrets.token_urlsafe(60)}"
        self._issued[token] = now
        self.logins += 1
        url = f"https://{self._options.host}"
        return {
            "access_token": token,
            "signature": base64.b64encode(secrets.token_bytes(32)).decode(),
            "scope": "api",
            "instance_url": url,
            "id": self.url,
            "token_type": "Bearer",
            "issued_at": str(int(now * 1000)),
        }


def _client(authorization: str, form: dict[str, str]) -> tuple[str, str]:
    """Key and secret, from the Basic header or from the form."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret
