"""COPY INTO: which files, which columns, and what becomes of rows that do not fit (ON_ERROR)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from ml_connector_dagster.sandbox.snowflake.catalog import Column
from ml_connector_dagster.sandbox.snowflake.sessions import Result, Session, said
from ml_connector_dagster.sandbox.snowflake.stages import Copy, Stages, columns_in


_LABELS: Final = ("file", "status", "rows_parsed", "rows_loaded", "errors_seen", "first_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """One COPY INTO on its way. ``columns`` are those of the table ``target`` (quoted)."""

    session: Session
    stages: Stages
    copy: Copy
    path: tuple[str, ...]
    target: str
    columns: list[Column]

    def run(self) -> Result:
        """Load what is not loaded yet. Inside a transaction that the caller ends."""
        folder, inside = self.stages.locate(self.copy.stage, self.session.home)
        files = [
            file
            for file in self.stages.files(folder, inside)
            if self.copy.force or not self.stages.loaded(self.path, file)
        ]
        if not files:
            return said("Copy executed with 0 files processed.")
        done = [self._load(file) for file in files]
        loaded = [
            file for file, one in zip(files, done, strict=True) if one["status"] != "LOAD_FAILED"
        ]
        self.stages.remember(self.path, loaded)
        if self.copy.purge:
            for file in loaded:
                file.unlink()
        answer = {label: [one[label] for one in done] for label in _LABELS}
        return Result(table=pa.table(answer), kind=0)

    def _load(self, file: Path) -> dict[str, Any]:
        sources = self._sources(file)
        parsed = self._count(file, "TRUE")
        good = parsed if self._fits(sources) is None else self._count(file, self._fits(sources))
        error = None if good == parsed else self._first_error(file, sources)
        if error is not None and self.copy.on_error == "ABORT_STATEMENT":
            raise error
        condition = self._fits(sources) if error else None
        failed = error is not None and (self.copy.on_error == "SKIP_FILE" or not good)
        loaded = 0 if failed else self._insert(file, sources, condition)
        return {
            "file": self._name(file),
            "status": "LOAD_FAILED" if failed else "PARTIALLY_LOADED" if error else "LOADED",
            "rows_parsed": parsed,
            "rows_loaded": loaded,
            "errors_seen": parsed - good,
            "first_error": None if error is None else str(error).split("\n")[0],
        }

    def _name(self, file: Path) -> str:
        return str(file.relative_to(self.stages.root)).partition("/")[2]

    def _sources(self, file: Path) -> dict[str, str]:
        """Column → what fills it."""
        present = columns_in(file)
        sources = {
            column.name: _quoted(present[column.name.upper()])
            for column in self.columns
            if column.name.upper() in present
        }
        for column, source in self.copy.metadata.items():
            name = "'" + self._name(file).replace("'", "''") + "'"
            sources[column] = name if source == "METADATA$FILENAME" else "file_row_number"
        return sources

    def _fits(self, sources: dict[str, str]) -> str | None:
        """When the table takes a row, as a condition; None when it takes any."""
        conditions = []
        for column in self.columns:
            source = sources.get(column.name)
            if source is None or column.name in self.copy.metadata:
                continue
            if column.type not in ("VARCHAR", "JSON"):
                conditions.append(
                    f"({source} IS NULL OR TRY_CAST({source} AS {column.type}) IS NOT NULL)"
                )
            if column.length is not None:
                conditions.append(f"coalesce(length({source}) <= {column.length}, TRUE)")
            if not column.nullable:
                conditions.append(f"{source} IS NOT NULL")
        return " AND ".join(conditions) or None

    def _count(self, file: Path, condition: str | None) -> int:
        found = self.session.cursor.execute(
            f"SELECT count(*) FROM read_parquet(?) WHERE {condition or 'TRUE'}", [str(file)]
        ).fetchall()
        return int(found[0][0])

    def _first_error(self, file: Path, sources: dict[str, str]) -> duckdb.Error:
        """What DuckDB says of the rows that do not fit, tried on a copy of the table's form."""
        cursor = self.session.cursor.cursor()
        form = ", ".join(
            f"{_quoted(column.name)} {column.type}"
            + ("" if column.nullable else " NOT NULL")
            + (
                ""
                if column.length is None
                else f" CHECK (length({_quoted(column.name)}) <= {column.length})"
            )
            for column in self.columns
        )
        names = ", ".join(_quoted(name) for name in sources)
        try:
            cursor.execute(f"CREATE TEMP TABLE tried ({form})")
            cursor.execute(
                f"INSERT INTO tried ({names}) SELECT {', '.join(sources.values())}"
                f" FROM read_parquet(?, file_row_number = true) WHERE NOT ({self._fits(sources)}) LIMIT 1",
                [str(file)],
            )
        except duckdb.Error as error:
            return error
        finally:
            cursor.execute("DROP TABLE IF EXISTS tried")
            cursor.close()
        raise AssertionError(f"{file} fits after all")

    def _insert(self, file: Path, sources: dict[str, str], condition: str | None) -> int:
        names = ", ".join(_quoted(name) for name in sources)
        found = self.session.cursor.execute(
            f"INSERT INTO {self.target} ({names}) SELECT {', '.join(sources.values())}"
            f" FROM read_parquet(?, file_row_number = true) WHERE {condition or 'TRUE'}",
            [str(file)],
        ).fetchall()
        return int(found[0][0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
