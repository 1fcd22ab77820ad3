"""What the ledger must know of a kind of database."""

from typing import Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


#: How long a transaction waits for its lock. A write takes milliseconds, so this is only met when a process hangs.
LOCK_SECONDS: Final = 60.0


class Dialect(Protocol):
    """How a writing transaction begins, and which errors pass by themselves."""

    def begin_write(self, connection: Connection, subject: str, *, durable: bool) -> None:
        """Begin a transaction that is alone with ``subject``."""
        ...

    def is_locked(self, error: DBAPIError) -> bool:
        """Whether somebody else kept the lock for ``LOCK_SECONDS``."""
        ...

    def is_away(self, error: DBAPIError) -> bool:
        """Whether the server cannot be reached, or gave the transaction up for a reason that passes."""
        ...
