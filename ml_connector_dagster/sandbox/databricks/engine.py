"""Sail behind Arrow Flight SQL: Spark SQL on Delta tables in a folder. delta-rs adds columns, which Sail cannot.

Facts (reference warehouses §B2): Sail's catalogs are declared by environment variables before it starts; its
metastore is in memory; the counts it answers for a MERGE are wrong, the ones in the Delta log are right.
"""

import importlib
import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ml_connector_dagster.sandbox.databricks.refusals import SqlError


Name = tuple[str, str, str]


class EngineColumn(NamedTuple):
    """A column of a table, its type in Unity Catalog's words."""

    name: str
    type: str
    nullable: bool = True


#: What Unity Catalog calls the primitive types of the Delta protocol.
_TYPE_TEXTS = {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}
_DELTA_TYPES = {text: delta for delta, text in _TYPE_TEXTS.items()}


def ticked(*parts: str) -> str:
    """A name, or a path of names, as Spark quotes it."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def _take_interrupts_back() -> None:
    """Sail's runtime takes Ctrl-C for itself, and the process that serves it would not end by it any more."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, handler)


class Engine:
    """One Sail server and the Delta tables below ``root``. Statements may come from several threads.

    Args:
        threads: how many parts of a statement run at a time; 0 for one per processor.
    """

    def __init__(self, root: Path, catalogs: Sequence[str], threads: int = 0) -> None:
        self._root = root
        declared = ",".join(
            f'{{type="memory", name="{name}", initial_database=["default"]}}' for name in catalogs
        )
        os.environ.update(
            {
                "SAIL_CATALOG__LIST": f"[{declared}]",
                "SAIL_CATALOG__DEFAULT_CATALOG": catalogs[0],
                "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(threads),
                "RUST_LOG": "off",
            }
        )
        dbapi: Any = importlib.import_module("adbc_driver_flightsql.dbapi")
        server: Any = importlib.import_module("pysail.flight").FlightSqlServer

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._server = server(ip="127.0.0.1", port=port)
        self._server.start(background=True)
        self._connect: Callable[[], Any] = lambda: dbapi.connect(
            f"grpc://127.0.0.1:{port}", autocommit=True
        )
        self._local = threading.local()
        self._opened: list[Any] = []
        self.run("SELECT 1")  # it listens from here on
        _take_interrupts_back()

    def close(self) -> None:
        for connection in self._opened:
            connection.close()
        self._server.stop()

    def run(self, sql: str) -> pa.Table:
        """The rows of one statement; raises SqlError with Sail's own words."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
            self._opened.append(self._local.connection)
        try:
            with self._local.connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetch_arrow_table()
        except self._local.connection.Error as error:
            raise SqlError(_in_databricks_words(str(error))) from error

    def location(self, name: Name) -> Path:
        """Where a table's Delta log and files are."""
        return self._root.joinpath(*name)

    def register(self, name: Name) -> None:
        """Let Sail see the Delta table that is at the name's location."""
        self.run(f"DROP TABLE IF EXISTS {ticked(*name)}")
        self.run(f"CREATE TABLE {ticked(*name)} USING DELTA LOCATION '{self.location(name)}'")

    def drop(self, name: Name) -> None:
        """Drop the table, if it is there, with its files."""
        self.run(f"DROP TABLE IF EXISTS {ticked(*name)}")
        shutil.rmtree(self.location(name), ignore_errors=True)

    def columns(self, name: Name) -> list[EngineColumn]:
        """The columns, from the Delta log."""
        from deltalake import DeltaTable

        schema = json.loads(DeltaTable(str(self.location(name))).schema().to_json())
        return [
            EngineColumn(
                field["name"], _TYPE_TEXTS.get(field["type"], field["type"]), field["nullable"]
            )
            for field in schema["fields"]
        ]

    def add_columns(self, name: Name, columns: Sequence[tuple[str, str]]) -> None:
        """ALTER TABLE ADD COLUMNS."""
        from deltalake import DeltaTable
        from deltalake.schema import Field

        fields = [
            Field.from_json(
                json.dumps(
                    {
                        "name": column,
                        "type": _DELTA_TYPES.get(type_text, type_text),
                        "nullable": True,
                        "metadata": {},
                    }
                )
            )
            for column, type_text in columns
        ]
        DeltaTable(str(self.location(name))).alter.add_columns(fields)
        self.register(name)

    def merge_metrics(self, name: Name) -> pa.Table:
        """What a MERGE answers, from the last commit of the log."""
        commits = sorted((self.location(name) / "_delta_log").glob("*.json"))
        metrics: dict[str, Any] = {}
        for line in (
            commits[-1].read_text().strip().split("\n")
        ):  # splitlines() also splits at U+2028
            action = json.loads(line)
            if "commitInfo" in action:
                metrics = action["commitInfo"].get("operationMetrics") or {}
        updated, deleted, inserted = (
            int(metrics.get(f"numTargetRows{what}") or 0)
            for what in ("Updated", "Deleted", "Inserted")
        )
        return pa.table(
            {
                "num_affected_rows": [updated + deleted + inserted],
                "num_updated_rows": [updated],
                "num_deleted_rows": [deleted],
                "num_inserted_rows": [inserted],
            }
        )

    def version(self, name: Name) -> int:
        """The last version in the Delta log of a table."""
        return len(list((self.location(name) / "_delta_log").glob("*.json"))) - 1

    def restore(self, name: Name, version: int) -> None:
        """The table's rows as of ``version`` again."""
        from deltalake import DeltaTable

        DeltaTable(str(self.location(name))).restore(version)
        self.register(name)


def _in_databricks_words(message: str) -> str:
    if "MERGE_CARDINALITY_VIOLATION" in message:
        return (
            "[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot perform Merge as multiple source rows "
            "matched and attempted to modify the same target row in the Delta table. SQLSTATE: 21506"
        )
    if "too large to store in a Decimal" in message or "Can't cast value" in message:
        return (
            "[DELTA_CAST_OVERFLOW_IN_TABLE_WRITE] Failed to write a value due to an overflow. Use `try_cast` on the "
            f"input value to tolerate overflow and return NULL instead. SQLSTATE: 22003\n{message}"
        )
    return message
