"""What the ledger must know of a kind of database."""

from contextlib import AbstractContextManager
from typing import Final, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ml_connector_dagster.model.errors import TransientError


#: How long a transaction waits for its lock. A write takes milliseconds, so this is only met when a process hangs.
LOCK_SECONDS: Final = 60.0


class Dialect(Protocol):
    """How a writing transaction begins, and which errors pass by themselves."""

    def begin_write(self, connection: Connection, subject: str, *, durable: bool) -> None:
        """Begin a transaction that is alone with ``subject``."""
        ...

    def alone(
        self, engine: Engine, subject: str, wait_seconds: float
    ) -> AbstractContextManager[None]:
        """Keep every other block of this ``subject`` out. Raises TransientError after ``wait_seconds``."""
        ...

    def is_locked(self, error: DBAPIError) -> bool:
        """Whether somebody else kept the lock for ``LOCK_SECONDS``."""
        ...

    def is_away(self, error: DBAPIError) -> bool:
        """Whether the server cannot be reached, or gave the transaction up for a reason that passes."""
        ...


def busy(subject: str, wait_seconds: float, where: str) -> TransientError:
    """The error of whoever waited in vain to be alone."""
    return TransientError(
        f"{subject} has been busy for {wait_seconds:g} seconds: another process is at it. Let it finish or "
        f"end it, then run this again ({where})"
    )
