"""How many calls were made to a system that sells them by the month. Implements Looker's ``CallCounts``."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, insert, select

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import knowledge


class LedgerCallCounts:
    """The counts of one connection: a document of the ledger's knowledge per month and kind."""

    def __init__(self, database: Database, connection: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._connection = connection
        self._now = now

    def counted(self, month: str, kind: str) -> int:
        """Calls of ``kind`` in ``month``."""
        query = select(knowledge.c.document).where(*self._of(month, kind))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar() or 0)

    def count(self, month: str, kind: str) -> int:
        """One more, alone with the count; answers how many there are now."""
        key = _key(month, kind)
        with self._database.write(f"calls of {self._connection}", durable=False) as connection:
            query = select(knowledge.c.document).where(*self._of(month, kind))
            made = int(connection.execute(query).scalar() or 0) + 1
            connection.execute(delete(knowledge).where(*self._of(month, kind)))
            connection.execute(
                insert(knowledge).values(
                    tenant=self._connection,
                    key=key,
                    document=str(made),
                    learned_at=self._now(),
                )
            )
        return made

    def _of(self, month: str, kind: str) -> tuple[ColumnElement[bool], ...]:
        return (knowledge.c.tenant == self._connection, knowledge.c.key == _key(month, kind))


def _key(month: str, kind: str) -> str:
    return f"{kind} calls {month}"
