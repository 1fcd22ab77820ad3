"""The ledger in PostgreSQL, for several machines.

A write transaction begins with an advisory lock on its subject's hash, which the server frees when the transaction or
its connection ends (postgresql.org/docs, "Explicit Locking", advisory locks). READ COMMITTED is enough behind it:
whoever would change the same rows had to wait. Reads are REPEATABLE READ, one state throughout. ``durable=False`` is
``synchronous_commit = off`` for that transaction: it may be lost when the server's machine dies, and only together with
those after it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from ml_connector_dagster.ledger.dialects import LOCK_SECONDS, busy
from ml_connector_dagster.model.errors import MissingDriverError


_CONNECT_SECONDS: Final = 10

#: SQLSTATE of a lock that was not to be had in time (postgresql.org/docs, appendix "PostgreSQL Error Codes").
_LOCK_NOT_AVAILABLE: Final = "55P03"

#: Classes and codes of what passes: connection exceptions, rollbacks (deadlock, serialization), operator intervention
#: (shutdown, starting up), too many connections.
_PASSING_CLASSES: Final = ("08", "40", "57P")
_PASSING: Final = ("53300",)

#: One round trip: how long to wait, how durable the commit is, and the lock; all for this transaction only.
_BEGIN = text(
    "SELECT set_config('lock_timeout', :timeout, true), set_config('synchronous_commit', :synchronous, true),"
    " pg_advisory_xact_lock(:subject)"
)

#: Held by a connection of its own, outside of any transaction; the server frees it when that connection ends.
_TAKE = text("SELECT set_config('lock_timeout', :timeout, false), pg_advisory_lock(:subject)")


class PostgresDialect:
    """One writer at a time for each subject."""

    def begin_write(self, connection: Connection, subject: str, *, durable: bool) -> None:
        connection.execution_options(isolation_level="READ COMMITTED")
        connection.begin()
        connection.execute(
            _BEGIN,
            {
                "timeout": f"{LOCK_SECONDS:.0f}s",
                "synchronous": "on" if durable else "off",
                "subject": _number(subject),
            },
        )

    @contextmanager
    def alone(self, engine: Engine, subject: str, wait_seconds: float) -> Iterator[None]:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # Ends the session with the block, so that neither the lock nor the setting stays in the pool.
        connection.detach()
        with connection:
            try:
                connection.execute(
                    _TAKE,
                    {"timeout": f"{max(wait_seconds, 0.001):.3f}s", "subject": _number(subject)},
                )
            except DBAPIError as error:
                if self.is_locked(error):
                    raise busy(subject, wait_seconds, "an advisory lock of PostgreSQL") from error
                raise
            yield

    def is_locked(self, error: DBAPIError) -> bool:
        return _code(error) == _LOCK_NOT_AVAILABLE

    def is_away(self, error: DBAPIError) -> bool:
        code = _code(error)
        if not code:
            # A connection that could not be made or was cut has no SQLSTATE.
            return error.connection_invalidated or isinstance(error, OperationalError)
        return code.startswith(_PASSING_CLASSES) or code in _PASSING


def open_engine(url: URL) -> Engine:
    """Connections to the server of ``url``, made when they are needed. Raises MissingDriverError without psycopg2."""
    try:
        return create_engine(
            url,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
            isolation_level="REPEATABLE READ",
            pool_pre_ping=True,  # a server that was restarted costs nobody a run
            max_overflow=-1,
            hide_parameters=True,  # an error must not print the records that a statement carried
        )
    except ModuleNotFoundError as error:
        raise MissingDriverError(error.name or "psycopg2", "postgres") from error


def _number(subject: str) -> int:
    """64 bits of a subject: two that share them would wait for each other, and nothing worse."""
    return int.from_bytes(
        hashlib.blake2b(subject.encode(), digest_size=8).digest(), "big", signed=True
    )


def _code(error: DBAPIError) -> str:
    return getattr(error.orig, "pgcode", None) or ""
