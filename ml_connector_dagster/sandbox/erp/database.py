"""The ERP's rows: one in-memory SQLite database behind a lock.

Text is stored without trailing blanks, numbers without decimals and dates (yyyyMMdd, 0 = blank) as integers, numbers
with decimals as decimal text, so that 17 digits survive. Every access holds the lock: requests on
several threads, and a test that changes rows meanwhile, are safe.
"""

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.erp.functions import add_functions
from ml_connector_dagster.sandbox.erp.tables import TABLES, Table


Row = tuple[int | str, ...]


def _create_statement(table: Table) -> str:
    columns = ", ".join(f"{table.prefix}{field} {_affinity(field)}" for field in table.fields)
    key = ", ".join(table.key_columns)
    return f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID"


def _bin_statements(table: Table) -> tuple[str, str]:
    """Where deleted rows go, for those who replicate the ERP; ``GONE`` is when, 0 until somebody has looked."""
    columns = ", ".join(table.columns)
    old = ", ".join(f"OLD.{column}" for column in table.columns)
    bin_table = f"GONE_{table.name}"
    return (
        f"CREATE TABLE {bin_table} ({columns}, {table.prefix}GONE INTEGER, "
        f"PRIMARY KEY ({', '.join(table.key_columns)})) WITHOUT ROWID",
        f"CREATE TRIGGER BIN_{table.name} AFTER DELETE ON {table.name} BEGIN "
        f"INSERT OR REPLACE INTO {bin_table} VALUES ({old}, 0); END",
    )


def _affinity(field: str) -> str:
    definition = DICTIONARY[field]
    # Without affinity a hostile text in a number column stays what it is.
    return "TEXT" if definition.type == "A" or definition.decimals else ""


class Database:
    """Tables of the ERP. Made empty, or from the image of another one."""

    def __init__(self, image: bytes | None = None) -> None:
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(
            ":memory:", check_same_thread=False, isolation_level=None
        )
        add_functions(self._connection)
        if image is None:
            for table in TABLES.values():
                for statement in (_create_statement(table), *_bin_statements(table)):
                    self._connection.execute(statement)
            self._connection.execute("CREATE INDEX BALANCES_KEY ON BALANCES (X2CONO, X2PTID)")
            self._connection.execute(
                "CREATE INDEX INVOICE ON FPLEDG (EPCONO, EPDIVI, EPSUNO, EPSINO)"
            )
        else:
            self._connection.deserialize(image)

    def image(self) -> bytes:
        """The whole database as bytes, for another ``Database`` to start from."""
        with self.lock:
            return self._connection.serialize()

    def restore(self, image: bytes) -> None:
        """Forget all rows and start again from ``image``."""
        with self.lock:
            self._connection.deserialize(image)

    def close(self) -> None:
        """Free the memory."""
        with self.lock:
            self._connection.close()

    def load(self, table: Table, rows: Iterable[Row]) -> None:
        """Insert rows whose values stand in the order of ``table.columns``."""
        marks = ", ".join("?" * len(table.columns))
        with self.lock:
            self._connection.execute("BEGIN")
            self._connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)
            self._connection.execute("COMMIT")

    def select(self, sql: str, values: Sequence[int | str | float] = ()) -> list[Row]:
        """All rows of a SELECT."""
        with self.lock:
            return cast(list[Row], self._connection.execute(sql, values).fetchall())

    def number(self, sql: str, values: Sequence[int | str | float] = ()) -> int:
        """The single integer that a SELECT gives; 0 for none."""
        rows = self.select(sql, values)
        return int(rows[0][0]) if rows and rows[0][0] is not None else 0

    def insert(self, table: Table, row: Mapping[str, int | str]) -> None:
        """Insert one row given by prefixed column."""
        self.load(table, [tuple(row[column] for column in table.columns)])

    def update(
        self, table: Table, key: Mapping[str, int | str], values: Mapping[str, int | str]
    ) -> int:
        """Set ``values`` in the rows that match ``key``; answers how many there were."""
        assignments = ", ".join(f"{column} = ?" for column in values)
        condition = " AND ".join(f"{column} = ?" for column in key)
        with self.lock:
            cursor = self._connection.execute(
                f"UPDATE {table.name} SET {assignments} WHERE {condition}",
                (*values.values(), *key.values()),
            )
            return cursor.rowcount

    def mark_gone(self, table: Table, milliseconds: int) -> None:
        """Rows that were deleted since the last call are known to be gone from now on."""
        column = f"{table.prefix}GONE"
        with self.lock:
            self._connection.execute(
                f"UPDATE GONE_{table.name} SET {column} = ? WHERE {column} = 0", (milliseconds,)
            )

    def delete(self, table: Table, key: Mapping[str, int | str]) -> int:
        """Delete the rows that match ``key``; answers how many there were."""
        condition = " AND ".join(f"{column} = ?" for column in key)
        with self.lock:
            return self._connection.execute(
                f"DELETE FROM {table.name} WHERE {condition}", tuple(key.values())
            ).rowcount
