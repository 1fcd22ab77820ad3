"""What a product line has learned about a tenant, as JSON documents by key."""

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa

from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import ROUTE_CHOICE, from_micros, to_micros


class LedgerRouteStore:
    """The documents of one tenant."""

    def __init__(self, database: Database, tenant: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._tenant = tenant
        self._now = now

    def load(self, key: str, *, younger_than: timedelta) -> str | None:
        """The document under ``key``; None when there is none, or it is older than ``younger_than``."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(ROUTE_CHOICE).where(
                    ROUTE_CHOICE.c.tenant == self._tenant, ROUTE_CHOICE.c.key == key
                )
            ).first()
        if row is None or from_micros(row.learned_at) < self._now() - younger_than:
            return None
        return str(row.document)

    def save(self, key: str, document: str) -> None:
        """Keep ``document`` under ``key``, in place of an earlier one."""
        with self._database.write(f"routes/{self._tenant}") as connection:
            connection.execute(
                self._database.upsert(
                    ROUTE_CHOICE,
                    {
                        "tenant": self._tenant,
                        "key": key,
                        "document": document,
                        "learned_at": to_micros(self._now()),
                    },
                )
            )
