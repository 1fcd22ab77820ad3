"""One database, two kinds of transaction. The only place that knows which database it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import ConnectionPoolEntry


#: Milliseconds that a writer waits for another one. Transactions here take well under one.
BUSY_TIMEOUT = 120_000


class Database:
    """A database by its SQLAlchemy URL.

    SQLite runs in WAL mode with synchronous=NORMAL: after a power failure the last transactions may be gone, but
    whole and in order, so a batch row is lost together with the watermark that rests on it, and the batch is read
    again. Writers begin with BEGIN IMMEDIATE: two that read first and write later would deadlock otherwise.
    """

    def __init__(self, url: str) -> None:
        self._is_sqlite = sa.make_url(url).get_backend_name() == "sqlite"
        self._engine = sa.create_engine(url)
        self._writer = self._engine.execution_options(ml_connector_write=True)
        if self._is_sqlite:
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
            for engine in (self._engine, self._writer):
                sa.event.listen(engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: one consistent picture."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, lock: str = "") -> Iterator[sa.Connection]:
        """A transaction that writes; committed at the end of the block, rolled back on an exception.

        On PostgreSQL, writers that give the same ``lock`` queue; on SQLite all writers do.
        """
        with self._writer.begin() as connection:
            if lock and not self._is_sqlite:
                connection.execute(
                    sa.text("select pg_advisory_xact_lock(hashtextextended(:lock, 0))"),
                    {"lock": lock},
                )
            yield connection

    def upsert(self, table: sa.Table, values: dict[str, Any]) -> sa.Executable:
        """Insert a row, or overwrite the one with the same primary key."""
        keys = [column.name for column in table.primary_key]
        insert = (sqlite if self._is_sqlite else postgresql).insert(table).values(values)
        rest = {name: insert.excluded[name] for name in values if name not in keys}
        statement: sa.Executable = insert.on_conflict_do_update(index_elements=keys, set_=rest)
        return statement

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _prepare_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    # The driver's own transaction handling is switched off: we say BEGIN ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("ml_connector_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
