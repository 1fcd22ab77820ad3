"""The database file: who may open it, when, and how. Facts and measurements: reference/warehouses.md §C.

DuckDB lets one process in, readers included, as soon as it writes. So connections are short, and our processes
queue at a lock file beside the database. Somebody else's connection (a shell, a notebook, a BI tool) knows nothing
of that queue; it is waited for with growing, jittered pauses.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from ml_connector_dagster.model.errors import ConfigError, TransientError


FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFile:
    """One DuckDB file. ``wait_seconds`` bounds the queue and the wait for strangers together."""

    path: Path
    memory_limit: str
    threads: int
    wait_seconds: float = 600.0

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The only writer there is, until the block ends. Makes the file when it is not there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._alone() as deadline, self._connection(deadline, read_only=False) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A read-only connection; None when there is no file yet."""
        if not self.path.exists():
            yield None
            return
        with self._alone() as deadline, self._connection(deadline, read_only=True) as connection:
            yield connection

    @contextmanager
    def _alone(self) -> Iterator[float]:
        deadline = time.monotonic() + self.wait_seconds
        lock = FileLock(f"{self.path}.lock", timeout=self.wait_seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise TransientError(
                f"{self.path} is busy: {lock.lock_file} was not free within {self.wait_seconds:g} s. Another "
                "delivery is still writing, or hangs; let it finish or end it, then run this one again"
            ) from error
        try:
            yield deadline
        finally:
            lock.release()

    @contextmanager
    def _connection(
        self, deadline: float, *, read_only: bool
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = self._connect(deadline, read_only=read_only)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    def _connect(self, deadline: float, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        pause = FIRST_PAUSE
        while True:
            try:
                return duckdb.connect(self.path, read_only=read_only, config=self._config)
            except duckdb.Error as error:
                if not _is_in_use(error):
                    raise ConfigError(
                        f"{self.path} cannot be opened as a DuckDB database: {error}"
                    ) from error
                if time.monotonic() >= deadline:
                    raise TransientError(
                        f"{self.path} is open elsewhere, and was not given free within "
                        f"{self.wait_seconds:g} s. Close the other program, then run this again. "
                        f"DuckDB says: {error}"
                    ) from error
            time.sleep(min(pause * random.uniform(0.5, 1.5), max(0.0, deadline - time.monotonic())))
            pause = min(pause * 1.7, LONGEST_PAUSE)

    @property
    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": self.memory_limit,
            "threads": self.threads,
            "temp_directory": f"{self.path}.tmp",
            # Nothing is fetched from the internet behind the user's back, and all that we use is built in.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Each staged file is read once or twice and then never again: memory is better used elsewhere.
            "enable_external_file_cache": False,
            # A checkpoint writes what is new and nothing else; see destination.TIDY_EVERY.
            "max_vacuum_tasks": 0,
            # Tables have no order, and keeping one costs memory.
            "preserve_insertion_order": False,
        }


def _is_in_use(error: duckdb.Error) -> bool:
    """Whether another process, or another connection of this process, holds the file."""
    text = str(error)
    if isinstance(error, duckdb.IOException):
        return "Could not set lock on file" in text
    return isinstance(error, duckdb.ConnectionException) and "different configuration" in text
