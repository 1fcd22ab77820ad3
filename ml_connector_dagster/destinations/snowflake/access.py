"""Who we are to Snowflake: a key that signs tokens, or a programmatic access token.

A JWT lives for an hour at most, so it is made anew before. Its claims: docs.snowflake.com, sql-api/authenticating.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.credentials.redaction import register
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret


LIFETIME: Final = 3540.0
RENEW_BEFORE_END: Final = 300.0


class Access:
    """The headers of a request, and what the connector wants to log in with."""

    def __init__(
        self,
        connection: SnowflakeConnection,
        credential: Credential,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._key: rsa.RSAPrivateKey | None = None
        self._jwt: tuple[Secret, float] | None = None  # and when it is to be renewed
        self.token: Secret | None = None
        if "private_key" in credential.values:
            self._key = _load(credential)
        else:
            self.token = credential.value("token")

    @property
    def description(self) -> str:
        """For messages: how we try to prove who we are."""
        return "programmatic access token" if self._key is None else f"key {self.fingerprint}"

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` of the public key, as DESC USER shows it."""
        if self._key is None:
            return ""
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()

    @property
    def pem(self) -> str | None:
        """The private key for the connector, without its passphrase."""
        if self._key is None:
            return None
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def headers(self) -> dict[str, str]:
        """What every request of the SQL API carries."""
        if self.token is not None:
            kind, token = "PROGRAMMATIC_ACCESS_TOKEN", self.token
        else:
            kind, token = "KEYPAIR_JWT", self._current_jwt()
        return {
            "Authorization": f"Bearer {token.reveal()}",
            "X-Snowflake-Authorization-Token-Type": kind,
        }

    def forget(self) -> None:
        """The JWT was refused: the next request makes another."""
        self._jwt = None

    def _current_jwt(self) -> Secret:
        now = self._clock()
        if self._jwt is None or now >= self._jwt[1]:
            token = Secret(self._sign(int(now)))
            register(token)
            self._jwt = token, now + LIFETIME - RENEW_BEFORE_END
        return self._jwt[0]

    def _sign(self, now: int) -> str:
        if self._key is None:
            raise CredentialError("there is no key to sign with")
        # Of an account locator with a region (xy12345.eu-central-1), only the first part counts here.
        account = self._connection.account.upper().partition(".")[0]
        subject = f"{account}.{self._connection.user.upper()}"
        claims = {
            "iss": f"{subject}.{self.fingerprint}",
            "sub": subject,
            "iat": now,
            "exp": now + int(LIFETIME),
        }
        head = f"{_encode({'alg': 'RS256', 'typ': 'JWT'})}.{_encode(claims)}"
        signature = self._key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{head}.{_base64(signature)}"


def _load(credential: Credential) -> rsa.RSAPrivateKey:
    passphrase = credential.values.get("passphrase")
    password = passphrase.reveal().encode() if passphrase else None
    text = credential.value("private_key").reveal().strip()
    try:
        if text.startswith("-----BEGIN"):
            key = serialization.load_pem_private_key(text.encode(), password)
        else:  # the lines between, in one: what fits into a prompt
            key = serialization.load_der_private_key(base64.b64decode(text), password)
    except (ValueError, TypeError) as error:
        raise CredentialError(
            f"credential {credential.name!r}: the private key cannot be read. It is a PEM file "
            "(-----BEGIN … PRIVATE KEY-----) or its lines in between, and an encrypted one needs its passphrase in the field passphrase"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CredentialError(f"credential {credential.name!r}: Snowflake takes RSA keys only")
    return key


def _encode(value: dict[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
