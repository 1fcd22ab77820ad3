"""The authorization server of the gateway (reference cloudsuite-api §1).

Password and client-credentials grants, refresh where the app issues refresh tokens, revocation, and the ``.ionapi`` files
that belong to it. Client authentication by HTTP Basic or by body parameters.
"""

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.options import Tenant


FileKind = Literal["service_account", "client_credentials", "web_app"]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The authorized app of a tenant: invented secrets, the same for the same seed."""

    client_id: str
    client_secret: str
    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """An answer of the token endpoint."""

    status: int
    body: Mapping[str, str | int]


def _word(seed: int, tenant: str, part: str, length: int) -> str:
    digest = hashlib.sha256(f"{seed}/{tenant}/{part}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().replace("=", "")[:length]


class AuthorizationServer:
    """Issues and checks bearer tokens of every tenant."""

    def __init__(self, seed: int, tenants: tuple[Tenant, ...], clock: Clock) -> None:
        self._clock = clock
        self._tenants = {tenant.id: tenant for tenant in tenants}
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._refresh: dict[str, str] = {}
        self._wrong_credentials: set[str] = set()
        self.lifetime = 7200
        self.apps = {
            tenant.id: App(
                client_id=f"{tenant.id}~{_word(seed, tenant.id, 'ci', 43)}",
                client_secret=_word(seed, tenant.id, "cs", 43),
                user=f"{tenant.id}#{_word(seed, tenant.id, 'saak', 43)}",
                password=_word(seed, tenant.id, "sask", 43),
            )
            for tenant in tenants
        }

    def refuse_credentials(self, tenant: str, refused: bool = True) -> None:
        """Make the tenant's right credentials wrong (a service account that was deleted), or right again."""
        with self._lock:
            (self._wrong_credentials.add if refused else self._wrong_credentials.discard)(tenant)

    def forget_tokens(self) -> None:
        """Every token that was issued is invalid from now on."""
        with self._lock:
            self._tokens.clear()
            self._refresh.clear()

    def reset(self, lifetime: int) -> None:
        """As at start."""
        self.forget_tokens()
        with self._lock:
            self._wrong_credentials.clear()
        self.lifetime = lifetime

    def accepts(self, tenant: str, token: str) -> bool:
        """Whether ``token`` is the tenant's, known and not expired."""
        with self._lock:
            owner, expires = self._tokens.get(token, ("", self._clock.now()))
        return owner == tenant and self._clock.now() < expires

    def token(self, tenant: str, form: Mapping[str, str], authorization: str) -> TokenAnswer:
        """Answer a token request."""
        app = self.apps[tenant]
        client = self._client(form, authorization)
        if client != (app.client_id, app.client_secret):
            return _refusal(401, "invalid_client", "Invalid client or client credentials")
        grant = form.get("grant_type", "")
        if grant == "password":
            given = (form.get("username", ""), form.get("password", ""))
            with self._lock:
                refused = tenant in self._wrong_credentials
            if given != (app.user, app.password) or refused:
                return _refusal(
                    400, "invalid_grant", "The provided access grant is invalid, expired or revoked"
                )
        elif grant == "client_credentials":
            with self._lock:
                refused = tenant in self._wrong_credentials
            if refused:
                return _refusal(401, "invalid_client", "Invalid client or client credentials")
        elif grant == "refresh_token":
            with self._lock:
                known = self._refresh.pop(form.get("refresh_token", ""), None) == tenant
            if not known:
                return _refusal(400, "invalid_grant", "unknown, invalid, or expired refresh token")
        elif not grant:
            return _refusal(400, "invalid_request", "grant_type is required")
        else:
            return _refusal(400, "unsupported_grant_type", f"{grant!r} is not supported")
        return self._issue(tenant, with_refresh=grant != "client_credentials")

    def revoke(self, tenant: str, form: Mapping[str, str], authorization: str) -> TokenAnswer:
        """Forget an access or refresh token; unknown ones are accepted silently (RFC 7009)."""
        app = self.apps[tenant]
        client = self._client(form, authorization)
        if client != ("", "") and client != (app.client_id, app.client_secret):
            return _refusal(401, "invalid_client", "Invalid client or client credentials")
        token = form.get("token", "")
        with self._lock:
            self._tokens.pop(token, None)
            self._refresh.pop(token, None)
        return TokenAnswer(status=200, body={})

    def _issue(self, tenant: str, *, with_refresh: bool) -> TokenAnswer:
        value = f"eyJhbGciOiJSUzI1NiJ9.{secrets.token_urlsafe(48)}.{secrets.token_urlsafe(24)}"
        body: dict[str, str | int] = {
            "access_token": value,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }
        with self._lock:
            self._tokens[value] = (tenant, self._clock.now() + timedelta(seconds=self.lifetime))
            if with_refresh and self._tenants[tenant].issues_refresh_tokens:
                refresh = secrets.token_urlsafe(32)
                self._refresh[refresh] = tenant
                body["refresh_token"] = refresh
        return TokenAnswer(status=200, body=body)

    @staticmethod
    def _client(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except ValueError:
                return ("", "")
            return (name, secret)
        return (form.get("client_id", ""), form.get("client_secret", ""))

    def ionapi_text(self, tenant: str, url: str, kind: FileKind = "service_account") -> str:
        """The tenant's ``.ionapi`` file as an administrator would download it."""
        app = self.apps[tenant]
        if kind == "client_credentials":
            content = {
                "ti": tenant,
                "cn": "ml-connector-cc",
                "ci": app.client_id,
                "cs": app.client_secret,
                "iu": url,
                "pu": f"{url}/{tenant}/as/",
                "ot": "token.oauth2",
                "or": "revoke_token.oauth2",
            }
        else:
            content = {
                "ti": tenant,
                "cn": "ml-connector",
                "dt": "12" if kind == "service_account" else "4",
                "ci": app.client_id,
                "cs": app.client_secret,
                "iu": url,
                "pu": f"{url}/{tenant}/as/",
                "oa": "authorization.oauth2",
                "ot": "token.oauth2",
                "or": "revoke_token.oauth2",
                "ev": "U1234567890",
                "v": "1.0",
            }
            if kind == "service_account":
                content |= {"saak": app.user, "sask": app.password}
            else:
                content |= {"ru": "https://localhost/callback"}
        return json.dumps(content, indent=2)


def _refusal(status: int, error: str, description: str) -> TokenAnswer:
    return TokenAnswer(status=status, body={"error": error, "error_description": description})
