"""The database behind a connection of the stand-in: mostly a DuckDB file, opened for one statement at a time.

DuckDB lets one process write and none read meanwhile; so a file that is in use is waited for, and never kept open.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import duckdb


#: What DuckDB says while another process, or another kind of connection in this one, has the file.
_IN_USE: Final = ("lock", "different configuration", "already attached", "already open")
_PAUSE: Final = 0.02
#: No statement of a client reaches the files of this machine.
_CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": False,
    "threads": 2,
}


class SqlError(Exception):
    """What the database says about a statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The answer to a statement."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


class Database(Protocol):
    """What is behind a connection. ``dialect``: which SQL it speaks, as Looker calls it."""

    @property
    def dialect(self) -> str: ...

    @property
    def exists(self) -> bool: ...

    def read(self, sql: str) -> Rows:
        """The rows of a query. Raises SqlError."""
        ...

    def run(self, sql: str) -> Rows:
        """One statement, which may write if the connection's user may. Raises SqlError."""
        ...


class DuckDbFile:
    """A database file. ``patience``: seconds that a file in use is waited for."""

    dialect = "duckdb"

    def __init__(self, path: Path, *, writable: bool, patience: float) -> None:
        self.path = path
        self.writable = writable
        self._patience = patience
        self._lock = threading.Lock()

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def read(self, sql: str) -> Rows:
        """The rows of a query. Raises SqlError."""
        return self._run(sql, read_only=True)

    def run(self, sql: str) -> Rows:
        """One statement, of a user who may write if the connection is writable. Raises SqlError."""
        try:
            statements = duckdb.extract_statements(sql)
        except duckdb.Error as error:
            raise SqlError(f"SQL Syntax Error: {error}") from None
        if len(statements) != 1:
            raise SqlError(f"one statement at a time, not {len(statements)}")
        reads = statements[0].type == duckdb.StatementType.SELECT
        return self._run(sql, read_only=reads or not self.writable)

    def _run(self, sql: str, *, read_only: bool) -> Rows:
        with self._lock:
            connection = self._open(read_only)
            try:
                cursor = connection.execute(sql)
                columns = tuple(str(one[0]) for one in cursor.description or ())
                return Rows(columns=columns, rows=cursor.fetchall())
            except duckdb.Error as error:
                raise SqlError(f"SQL Error: {error}") from None
            finally:
                connection.close()

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        if not self.path.exists():
            raise SqlError(f"the database {self.path.name} is not there")
        until = time.monotonic() + self._patience
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=_CONFIG)
            except duckdb.Error as error:
                in_use = any(sign in str(error).lower() for sign in _IN_USE)
                if not in_use or time.monotonic() > until:
                    raise SqlError(f"cannot connect: {error}") from None
            time.sleep(_PAUSE)
