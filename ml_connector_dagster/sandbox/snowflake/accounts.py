"""Users, their keys and tokens, and what roles may do.

A JWT is checked as Snowflake's key-pair guide says: RS256, ``sub`` = ACCOUNT.USER, ``iss`` = that and the key's
fingerprint, not expired, an hour of life at most.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ml_connector_dagster.sandbox.snowflake.refusals import Refusal


LONGEST_JWT = 3600


@dataclass(slots=True, kw_only=True)
class Role:
    """What a role may do: (privilege, kind, name), e.g. ("CREATE SCHEMA", "DATABASE", "ERP")."""

    grants: set[tuple[str, str, str]] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class User:
    """Somebody who may log in. ``public_key`` is PEM; ``tokens`` are programmatic access tokens."""

    roles: tuple[str, ...]
    public_key: str = ""
    tokens: set[str] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class Account:
    """Everything that is checked before a statement runs. ``now`` is in seconds."""

    name: str
    users: dict[str, User]
    roles: dict[str, Role]
    warehouses: set[str]
    now: Callable[[], float]

    def user_of_jwt(self, token: str) -> str:
        """Who the token proves to be; raises Refusal 390144."""
        try:
            head, body, signature = token.split(".")
            claims: dict[str, Any] = json.loads(_decode(body))
            header = json.loads(_decode(head))
            account, _, name = str(claims["sub"]).partition(".")
            key = serialization.load_pem_public_key(self.users[name].public_key.encode())
            if not isinstance(key, rsa.RSAPublicKey) or header["alg"] != "RS256":
                raise _bad_jwt()
            key.verify(
                _decode(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            lifetime = claims["exp"] - claims["iat"]
            wanted = f"{claims['sub']}.{fingerprint(key)}"
            expired = claims["exp"] <= self.now()
        except (KeyError, ValueError, TypeError, InvalidSignature) as error:
            raise _bad_jwt() from error
        if account != self.name or claims["iss"] != wanted or lifetime > LONGEST_JWT or expired:
            raise _bad_jwt()
        return name

    def user_of_token(self, token: str) -> str:
        """Whose programmatic access token it is; raises Refusal 394400."""
        for name, user in self.users.items():
            if token in user.tokens:
                return name
        raise Refusal("394400", "08001", "Programmatic access token is invalid.")

    def check_role(self, user: str, role: str) -> None:
        """Raises Refusal when the user has not got the role."""
        if role not in self.users[user].roles:
            raise Refusal(
                "390189",
                "08001",
                f"Role '{role}' specified in the connect string does not exist or not authorized.",
            )

    def may(self, role: str, privilege: str, kind: str, name: str) -> bool:
        """Whether the role has the privilege, or owns the object."""
        grants = self.roles[role].grants
        return (privilege, kind, name) in grants or ("OWNERSHIP", kind, name) in grants


def fingerprint(key: rsa.RSAPublicKey) -> str:
    """``SHA256:…`` of a public key, as DESC USER shows it."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _bad_jwt() -> Refusal:
    return Refusal("390144", "08001", "JWT token is invalid.")
