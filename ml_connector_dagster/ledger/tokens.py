"""A tenant's bearer token, shared by its processes, encrypted at rest. Implements ``cloudsuite.auth.TokenStore``."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import sqlalchemy as sa

from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import TOKEN, from_micros, to_micros
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.tokens import CachedToken


class Cipher(Protocol):
    """What encrypts the token (``credentials.KeyRing``)."""

    def encrypt(self, data: bytes) -> bytes: ...

    def decrypt(self, data: bytes) -> bytes: ...


class LedgerTokenStore:
    """The token row of one tenant."""

    def __init__(
        self, database: Database, tenant: str, cipher: Cipher, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._cipher = cipher
        self._now = now

    def load(self) -> CachedToken | None:
        """The newest token; None when there is none, or when the key that encrypted it is gone."""
        with self._database.read() as connection:
            row = self._row(connection)
        if row is None or row.ciphertext is None:
            return None
        try:
            value = self._cipher.decrypt(bytes(row.ciphertext)).decode()
        except CredentialError:
            # The encryption key was replaced: a cached token is no loss, a login makes a new one.
            return None
        return CachedToken(
            value=Secret(value),
            obtained_at=from_micros(row.obtained_at),
            expires_at=from_micros(row.expires_at),
            generation=row.generation,
        )

    def lease(self, holder: str, seconds: float, seen_generation: int) -> bool:
        """See ``TokenStore.lease``."""
        now = self._now()
        with self._database.write(f"token/{self._tenant}") as connection:
            row = self._row(connection)
            if row is None:
                connection.execute(sa.insert(TOKEN).values(tenant=self._tenant, generation=0))
            else:
                leased = row.lease_until is not None and row.lease_until > to_micros(now)
                unreadable = row.ciphertext is not None and seen_generation == 0
                if (leased and row.lease_holder != holder) or (
                    row.generation != seen_generation and not (unreadable and self.load() is None)
                ):
                    return False
            connection.execute(
                sa.update(TOKEN)
                .where(TOKEN.c.tenant == self._tenant)
                .values(
                    lease_holder=holder, lease_until=to_micros(now + timedelta(seconds=seconds))
                )
            )
        return True

    def save(
        self, value: Secret, obtained_at: datetime, expires_at: datetime, holder: str
    ) -> CachedToken:
        """Keep a new token, one generation up, and give the lease back."""
        with self._database.write(f"token/{self._tenant}") as connection:
            row = self._row(connection)
            generation = (0 if row is None else row.generation) + 1
            connection.execute(
                self._database.upsert(
                    TOKEN,
                    {
                        "tenant": self._tenant,
                        "ciphertext": self._cipher.encrypt(value.reveal().encode()),
                        "obtained_at": to_micros(obtained_at),
                        "expires_at": to_micros(expires_at),
                        "generation": generation,
                        "lease_holder": None,
                        "lease_until": None,
                    },
                )
            )
        return CachedToken(
            value=value, obtained_at=obtained_at, expires_at=expires_at, generation=generation
        )

    def release(self, holder: str) -> None:
        """Give the lease back, if ``holder`` has it."""
        with self._database.write(f"token/{self._tenant}") as connection:
            connection.execute(
                sa.update(TOKEN)
                .where(TOKEN.c.tenant == self._tenant, TOKEN.c.lease_holder == holder)
                .values(lease_holder=None, lease_until=None)
            )

    def _row(self, connection: sa.Connection) -> "sa.Row[tuple[object, ...]] | None":
        return connection.execute(sa.select(TOKEN).where(TOKEN.c.tenant == self._tenant)).first()
