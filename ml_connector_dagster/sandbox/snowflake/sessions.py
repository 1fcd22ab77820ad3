"""Sessions, and who may write: one at a time in the whole account."""

import secrets
import threading
from dataclasses import dataclass, field
from typing import Final

import duckdb
import pyarrow as pa

from ml_connector_dagster.sandbox.snowflake.refusals import Refusal, cancelled
from ml_connector_dagster.sandbox.snowflake.stages import Put


#: statementTypeId of the connector protocol.
SELECT: Final = 0x1000
DDL: Final = 0x6000
SECONDS_FOR_A_LOCK: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement gave: rows, or a file to upload."""

    table: pa.Table
    kind: int
    put: Put | None = None


def said(text: str) -> Result:
    """One row with a sentence: the answer to most statements that are no query."""
    return Result(table=pa.table({"status": [text]}), kind=DDL)


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """One session: its own transaction, parameters, temporary tables and stages.

    ``temporary``: the whole name that the session uses → the name of the table behind it.
    """

    user: str
    role: str
    warehouse: str
    database: str
    schema: str
    cursor: duckdb.DuckDBPyConnection
    parameters: dict[str, str] = field(default_factory=dict)
    in_transaction: bool = False
    cancelled: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    lock: threading.RLock = field(default_factory=threading.RLock)
    stages: list[tuple[str, ...]] = field(default_factory=list)
    temporary: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def home(self) -> tuple[str, str]:
        return self.database, self.schema


class Writer:
    """Held by the session that writes: statements of one session come on different threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: Session | None = None

    def take(self, session: Session) -> None:
        """Wait for the turn of ``session``; raises Refusal when it is cancelled, or after a minute."""
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._owner in (None, session) or session.cancelled,
                timeout=SECONDS_FOR_A_LOCK,
            )
            if session.cancelled:
                raise cancelled()
            if not free:
                raise Refusal("000625", "57014", "Statement has locked table for too long")
            self._owner = session

    def give(self) -> None:
        with self._changed:
            self._owner = None
            self._changed.notify_all()

    def look_again(self) -> None:
        """Somebody in the line was cancelled."""
        with self._changed:
            self._changed.notify_all()
