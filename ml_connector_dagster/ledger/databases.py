"""Transactions on the ledger's database, whichever it is.

Readers never wait. A writer names its *subject* and is alone with it from its first statement on, so one that first
reads and then writes cannot decide on what another has just changed.

How much survives a power loss is chosen per transaction. What survives is always a prefix of the commits, so a
watermark never outlives the batch that proves it. Still, what happened (batches, deliveries, dead letters) is committed
to disk: Dagster may already have written down that a partition is materialised, and a remote record whose id is
forgotten would be created twice. That is a few fsyncs a batch. Shared state that is worth a minute (budget, token,
breaker) is ``durable=False``: no fsync a request. A process that dies loses nothing either way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from ml_connector_dagster.credentials.redaction import redact, register_url
from ml_connector_dagster.ledger import postgresql, sqlite
from ml_connector_dagster.ledger.dialects import LOCK_SECONDS, Dialect
from ml_connector_dagster.model.errors import ConfigError, TransientError


_Value = TypeVar("_Value")

#: How long ``Database.alone`` waits: a delivery of many records to an application takes minutes.
ALONE_SECONDS: Final = 1800.0


class Database:
    """Transactions on the ledger's database. Thread-safe; one per process (it must not cross a fork)."""

    def __init__(self, engine: Engine, dialect: Dialect) -> None:
        self._engine = engine
        self._dialect = dialect

    @property
    def name(self) -> str:
        """Where it is, for messages; without a password."""
        return redact(self._engine.url.render_as_string(hide_password=True))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger throughout."""
        with self._explained("the ledger"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, subject: str, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction that is alone with ``subject``: committed at the end, rolled back on any exception.

        SQLite has one writer for everything; PostgreSQL locks only the subject.
        Raises TransientError when another process keeps the lock, or the database is away.
        """
        with self._explained(subject), self._engine.connect() as connection:
            self._dialect.begin_write(connection, subject, durable=durable)
            yield connection
            connection.commit()

    @contextmanager
    def alone(self, subject: str, *, wait_seconds: float = ALONE_SECONDS) -> Iterator[None]:
        """The only process and thread in a block of this ``subject``; for work that is longer than a transaction.

        Ends with the process that holds it, however that ends. Raises TransientError after ``wait_seconds``, or when
        the database is away.
        """
        with ExitStack() as stack:
            with self._explained(subject):
                stack.enter_context(self._dialect.alone(self._engine, subject, wait_seconds))
            yield

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _explained(self, subject: str) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if self._dialect.is_locked(error):
                raise TransientError(
                    f"the ledger {self.name} has been locked by another process for {LOCK_SECONDS:.0f} "
                    f"seconds ({subject} could not be written); find out which one hangs and end it"
                ) from error
            if self._dialect.is_away(error):
                reason = str(error.orig).strip().splitlines()
                raise TransientError(
                    f"the ledger {self.name} is away ({reason[0] if reason else 'no reason given'}); "
                    f"{subject} could not be used. Nothing is half-written: run again when it is back"
                ) from error
            raise


def open_database(url: str) -> Database:
    """Open the database of ``url``; a file is made if it is not there. Raises ConfigError for what cannot be a ledger."""
    register_url(url)
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "ML_CONNECTOR_LEDGER_URL is not the URL of a ledger; use sqlite:////absolute/path/ledger.db or "
            "postgresql://user:password@host/database"
        ) from error
    known = DIALECTS.get(parsed.get_backend_name())
    if known is None:
        raise ConfigError(
            f"a ledger cannot be kept in {parsed.get_backend_name()!r}; this version knows: {', '.join(DIALECTS)}"
        )
    opener, dialect = known
    return Database(opener(parsed), dialect)


#: SQLAlchemy's backend name → how to open it, and how it behaves.
DIALECTS: Final[dict[str, tuple[Callable[[URL], Engine], Dialect]]] = {
    "sqlite": (sqlite.open_engine, sqlite.SqliteDialect()),
    "postgresql": (postgresql.open_engine, postgresql.PostgresDialect()),
}


#: Values of one IN list: SQLite takes 32,766 parameters at most, PostgreSQL's protocol 65,535.
CHUNK: Final = 10_000


def chunks(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """``values`` in pieces that fit into one statement."""
    for first in range(0, len(values), CHUNK):
        yield values[first : first + CHUNK]
