"""One bearer token per tenant for all processes, encrypted, and the lease that lets only one of them log in."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Row, insert, select, update

from ml_connector_dagster.credentials.redaction import register
from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import token
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.tokens import CachedToken


log = logging.getLogger("ml_connector_dagster.ledger")


class Cipher(Protocol):
    """Encrypts what is stored. ``decrypt`` raises CredentialError for text of a key that it does not have."""

    def encrypt(self, data: bytes, /) -> bytes: ...

    def decrypt(self, data: bytes, /) -> bytes: ...


class LedgerTokens:
    """``TokenStore`` of one tenant."""

    def __init__(
        self, database: Database, tenant: str, cipher: Cipher, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._cipher = cipher
        self._now = now
        self._this = token.c.tenant == tenant

    def load(self) -> CachedToken | None:
        """The newest token; None when there is none, or none that the present keys can read."""
        with self._database.read() as connection:
            row = connection.execute(select(token).where(self._this)).first()
        return None if row is None else self._token(row)

    def lease(self, holder: str, seconds: float, seen_generation: int) -> bool:
        """True: ``holder`` logs in now. False: somebody else does, or there is a newer token than the one seen."""
        now = self._now()
        with self._write() as connection:
            row = self._row(connection)
            if row.holder not in (None, holder) and row.leased_until > now:
                return False
            if row.generation > seen_generation and self._token(row) is not None:
                return False
            connection.execute(
                update(token)
                .where(self._this)
                .values(holder=holder, leased_until=now + timedelta(seconds=seconds))
            )
        return True

    def save(
        self, value: Secret, obtained_at: datetime, expires_at: datetime, holder: str
    ) -> CachedToken:
        """Keep a new token, one generation up, and give back ``holder``'s lease."""
        register(value)
        encrypted = self._cipher.encrypt(value.reveal().encode())
        with self._write() as connection:
            generation = self._row(connection).generation + 1
            connection.execute(
                update(token)
                .where(self._this)
                .values(
                    value=encrypted,
                    obtained_at=obtained_at,
                    expires_at=expires_at,
                    generation=generation,
                )
            )
            self._give_back(connection, holder)
        return CachedToken(
            value=value, obtained_at=obtained_at, expires_at=expires_at, generation=generation
        )

    def release(self, holder: str) -> None:
        """Give the lease back, if ``holder`` has it."""
        with self._write() as connection:
            self._give_back(connection, holder)

    def _give_back(self, connection: Connection, holder: str) -> None:
        connection.execute(
            update(token)
            .where(self._this, token.c.holder == holder)
            .values(holder=None, leased_until=None)
        )

    def _row(self, connection: Connection) -> Row[Any]:
        """The tenant's row, made empty when there is none."""
        row = connection.execute(select(token).where(self._this)).first()
        if row is not None:
            return row
        connection.execute(insert(token).values(tenant=self._tenant, generation=0))
        return connection.execute(select(token).where(self._this)).one()

    def _token(self, row: Row[Any]) -> CachedToken | None:
        if row.value is None:
            return None
        try:
            value = Secret(self._cipher.decrypt(bytes(row.value)).decode())
        except CredentialError:
            # The key was rotated away: a token is cheap to get again.
            log.info("token tenant=%s state=unreadable", self._tenant)
            return None
        register(value)
        return CachedToken(
            value=value,
            obtained_at=row.obtained_at,
            expires_at=row.expires_at,
            generation=row.generation,
        )

    def _write(self) -> Any:
        return self._database.write(f"token of {self._tenant}", durable=False)
