"""What a person who looks after an installation asks of the ledger's database. Nothing is changed by asking."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, make_url, text

from ml_connector_dagster.ledger.databases import open_database
from ml_connector_dagster.ledger.migrations import MIGRATIONS, version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHealth:
    """The database of a ledger as it was found.

    Attributes:
        place: its address, without a password.
        server: what it is, like "PostgreSQL 15.8" or "SQLite 3.46".
        version: of its tables; 0 when there are none yet, ``newest`` when all is done.
        newest: what this version of the connector makes.
        clock_ahead: how far the server's clock is ahead of ours; None where there is no server.
        round_trip: how long one question takes.
    """

    place: str
    server: str
    version: int
    newest: int
    clock_ahead: timedelta | None
    round_trip: timedelta

    @property
    def shared(self) -> bool:
        """Whether several machines may use it."""
        return self.clock_ahead is not None


def examine_ledger(url: str, now: Callable[[], datetime]) -> LedgerHealth | None:
    """The ledger at ``url``; None for a file that is not there yet, which is made on first use.

    Raises ConfigError for what cannot be a ledger, TransientError when its server does not answer.
    """
    database = open_database(url) if _is_there(url) else None
    if database is None:
        return None
    try:
        with database.read() as connection:
            version = version_of(connection)
            server, clock = _server(connection)
            began, sent = now(), time.perf_counter()
            told = None if clock is None else connection.execute(text(clock)).scalar_one()
            took = timedelta(seconds=time.perf_counter() - sent)
        return LedgerHealth(
            place=database.name,
            server=server,
            version=version,
            newest=MIGRATIONS[-1].version,
            # The server looked at its clock somewhere in between: half of it is the best guess.
            clock_ahead=None if told is None else told - (began + took / 2),
            round_trip=took,
        )
    finally:
        database.close()


def _is_there(url: str) -> bool:
    """SQLite would make the file."""
    if not url.startswith("sqlite"):
        return True
    name = make_url(url).database
    return name is not None and Path(name).exists()


def _server(connection: Connection) -> tuple[str, str | None]:
    """What it is, and how it is asked for the time."""
    if connection.dialect.name == "postgresql":
        found = connection.execute(text("SHOW server_version")).scalar_one()
        return f"PostgreSQL {found.split()[0]}", "SELECT clock_timestamp()"
    return f"SQLite {connection.execute(text('SELECT sqlite_version()')).scalar_one()}", None
