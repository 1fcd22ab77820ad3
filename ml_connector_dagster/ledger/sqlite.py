"""The ledger in one SQLite file, for one machine.

WAL mode: readers never wait; writers wait for each other, because every write transaction takes the write lock when it
begins (``BEGIN IMMEDIATE``), so that it cannot fail halfway with "database is locked". Follows SQLAlchemy's recipe for
pysqlite (docs.sqlalchemy.org, "Serializable isolation / Savepoints / Transactional DDL").
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError

from ml_connector_dagster.ledger.dialects import LOCK_SECONDS, busy
from ml_connector_dagster.model.errors import ConfigError


#: ``PRAGMA synchronous`` of a transaction that is on disk when it is committed, and of one that need not be.
_SYNCHRONOUS: Final = {True: "FULL", False: "NORMAL"}


class SqliteDialect:
    """One writer at a time, whatever the subject."""

    def begin_write(self, connection: Connection, subject: str, *, durable: bool) -> None:
        connection.execution_options(ml_connector_synchronous=_SYNCHRONOUS[durable])
        connection.begin()

    @contextmanager
    def alone(self, engine: Engine, subject: str, wait_seconds: float) -> Iterator[None]:
        # One machine's: a lock file beside the database is seen by everybody who can open it.
        path = f"{engine.url.database}.{quote(subject, safe='')}.lock"
        lock = FileLock(path, timeout=wait_seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise busy(subject, wait_seconds, path) from error
        try:
            yield
        finally:
            lock.release()

    def is_locked(self, error: DBAPIError) -> bool:
        return isinstance(error, OperationalError) and "locked" in str(error.orig)

    def is_away(self, error: DBAPIError) -> bool:
        """Never: a file that is not there, or a full disk, does not pass by itself."""
        return False


def open_engine(url: URL) -> Engine:
    """Open the file of ``url``, made for this user alone. Raises ConfigError for a database in memory."""
    if not url.database or url.database == ":memory:" or "mode=memory" in str(url):
        raise ConfigError(
            "a ledger is shared by processes and cannot be kept in memory; use sqlite:////absolute/path/ledger.db"
        )
    file = Path(url.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    # Dead letters hold records of the ERP: for this user only, like the -wal and -shm files, which copy the mode.
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    engine = create_engine(
        url,
        connect_args={"timeout": LOCK_SECONDS},
        max_overflow=-1,
        hide_parameters=True,  # an error must not print the records that a statement carried
    )
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    try:
        _write_ahead(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _on_connect(dbapi_connection: Any, record: Any) -> None:
    # The driver's own BEGIN comes too late and is never IMMEDIATE: ``_on_begin`` does it instead.
    dbapi_connection.isolation_level = None
    dbapi_connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(connection: Connection) -> None:
    synchronous = connection.get_execution_options().get("ml_connector_synchronous")
    if synchronous is None:
        connection.exec_driver_sql("BEGIN")
        return
    if connection.info.get("synchronous") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous = {synchronous}")
        connection.info["synchronous"] = synchronous
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write_ahead(engine: Engine) -> None:
    """Switch a fresh file to WAL. It stays so; SQLite does not wait when two processes do it at once, so we do."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        give_up = time.monotonic() + LOCK_SECONDS
        while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
            except engine.dialect.loaded_dbapi.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.01)
    finally:
        connection.close()
