"""What a product line has learned about a tenant. Implements ``cloudsuite.product_lines.knowledge.KnowledgeStore``."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import knowledge


class LedgerKnowledge:
    """The documents of one tenant, by key."""

    def __init__(self, database: Database, tenant: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._tenant = tenant
        self._now = now

    def load(self, key: str, *, younger_than: timedelta) -> str | None:
        """The document under ``key``; None when there is none, or it is older than ``younger_than``."""
        query = select(knowledge.c.document).where(
            knowledge.c.tenant == self._tenant,
            knowledge.c.key == key,
            knowledge.c.learned_at >= self._now() - younger_than,
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def save(self, key: str, document: str) -> None:
        """Keep ``document`` under ``key``, in place of an earlier one."""
        with self._database.write(f"knowledge of {self._tenant}", durable=False) as connection:
            connection.execute(
                delete(knowledge).where(knowledge.c.tenant == self._tenant, knowledge.c.key == key)
            )
            connection.execute(
                insert(knowledge).values(
                    tenant=self._tenant, key=key, document=document, learned_at=self._now()
                )
            )
