"""A DuckDB file for one comparison: bounded memory, disk for the rest, gone at the end.

A database in memory would spill into the folder that the process happens to run in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final


if TYPE_CHECKING:
    import duckdb


#: What does not fit goes to disk.
MEMORY: Final = "256MB"
THREADS: Final = 2


@contextmanager
def scratch_database(folder: Path, name: str) -> Iterator["duckdb.DuckDBPyConnection"]:
    """An empty database below ``folder``, for the block alone. ``name`` tells a person what a crash has left there."""
    import duckdb  # definitions load without it

    with (
        TemporaryDirectory(prefix=f"{name}-", dir=folder) as aside,
        duckdb.connect(
            str(Path(aside) / f"{name}.duckdb"),
            config={"memory_limit": MEMORY, "threads": THREADS, "temp_directory": aside},
        ) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
