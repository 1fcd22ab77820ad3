"""The one place that knows which database holds the ledger: how it is opened, and how a transaction begins.

SQLite in WAL mode. Readers never wait; writers wait for each other, because every write transaction takes the
write lock when it begins (``BEGIN IMMEDIATE``): one that first reads and then writes cannot fail halfway with
"database is locked", nor decide on what another has just changed. Follows SQLAlchemy's recipe for pysqlite
(docs.sqlalchemy.org, "Serializable isolation / Savepoints / Transactional DDL").

How much survives a power loss is chosen per transaction. In WAL mode what survives is always a prefix of the
commits, so a watermark never outlives the batch that proves it. Still, what happened (batches, deliveries, dead
letters) is committed with ``synchronous=FULL``: Dagster may already have written down that a partition is
materialised, and a remote record whose id is forgotten would be created twice. That is a few fsyncs a batch.
Shared state that is worth a minute (budget, token, breaker) is ``durable=False``, ``synchronous=NORMAL``: no fsync a
request. A process that dies loses nothing either way.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from ml_connector_dagster.model.errors import ConfigError, TransientError


_Value = TypeVar("_Value")

#: How long a transaction waits for the write lock. A write takes milliseconds, so this is only met when a process hangs.
LOCK_SECONDS: Final = 60.0

#: How long ``Database.alone`` waits: a delivery of many records to an application takes minutes.
ALONE_SECONDS: Final = 1800.0

_DURABLE: Final = {"begin": "BEGIN IMMEDIATE", "synchronous": "FULL"}
_LIGHT: Final = {"begin": "BEGIN IMMEDIATE", "synchronous": "NORMAL"}


class Database:
    """Transactions on the ledger's database. Thread-safe; one per process (it must not cross a fork)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._durable = engine.execution_options(**_DURABLE)
        self._light = engine.execution_options(**_LIGHT)

    @property
    def name(self) -> str:
        """Where it is, for messages; without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger throughout."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, subject: str, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction that is alone with ``subject``: committed at the end, rolled back on any exception.

        SQLite has one writer for everything; a database with finer locks locks only the subject.
        Raises TransientError when another process keeps the lock.
        """
        connection = (self._durable if durable else self._light).connect()
        with connection:
            try:
                connection.begin()
            except OperationalError as error:
                if "locked" not in str(error.orig):
                    raise
                raise TransientError(
                    f"the ledger {self.name} has been locked by another process for {LOCK_SECONDS:.0f} "
                    f"seconds ({subject} could not be written); find out which one hangs and end it"
                ) from error
            yield connection
            connection.commit()

    @contextmanager
    def alone(self, subject: str, *, wait_seconds: float = ALONE_SECONDS) -> Iterator[None]:
        """The only process and thread in a block of this ``subject``; for work that is longer than a transaction.

        Ends with the process that holds it, however that ends. Raises TransientError after ``wait_seconds``.
        """
        # SQLite is one machine's: a lock file beside it is seen by everybody who can open it.
        path = f"{self._engine.url.database}.{quote(subject, safe='')}.lock"
        lock = FileLock(path, timeout=wait_seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise TransientError(
                f"{subject} has been busy for {wait_seconds:g} seconds: another process is at it. Let it finish or "
                f"end it, then run this again ({path})"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open the database of ``url``, made if it is not there. Raises ConfigError for a URL that cannot be a ledger."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            f"{url!r} is not the URL of a ledger; use sqlite:////absolute/path/ledger.db"
        ) from error
    opener = DATABASES.get(parsed.get_backend_name())
    if opener is None:
        raise ConfigError(
            f"a ledger cannot be kept in {parsed.get_backend_name()!r}; this version knows: {', '.join(DATABASES)}"
        )
    return opener(parsed)


def _open_sqlite(url: URL) -> Database:
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
    return Database(engine)


def _on_connect(dbapi_connection: Any, record: Any) -> None:
    # The driver's own BEGIN comes too late and is never IMMEDIATE: ``_on_begin`` does it instead.
    dbapi_connection.isolation_level = None
    dbapi_connection.execute("PRAGMA foreign_keys = ON")


def _on_begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    synchronous = options.get("synchronous")
    if synchronous is not None and connection.info.get("synchronous") != synchronous:
        connection.exec_driver_sql(f"PRAGMA synchronous = {synchronous}")
        connection.info["synchronous"] = synchronous
    connection.exec_driver_sql(options.get("begin", "BEGIN"))


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


#: SQLAlchemy's backend name → how to open it.
DATABASES: Final[dict[str, Callable[[URL], Database]]] = {"sqlite": _open_sqlite}


#: Values of one IN list: SQLite takes 32,766 parameters at most.
CHUNK: Final = 10_000


def chunks(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """``values`` in pieces that fit into one statement."""
    for first in range(0, len(values), CHUNK):
        yield values[first : first + CHUNK]
