"""What is there: columns as DuckDB has them, and beside them what DuckDB does not keep.

The length of a VARCHAR is a CHECK constraint in DuckDB, and read back from there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.snowflake.accounts import Account
from ml_connector_dagster.sandbox.snowflake.refusals import not_simulated
from ml_connector_dagster.sandbox.snowflake.rewriting import attached
from ml_connector_dagster.sandbox.snowflake.sessions import Session


#: A view that a query of INFORMATION_SCHEMA reads: the tables and views that its role may see.
VISIBLE: Final = "__VISIBLE"
#: How the table behind a temporary one is called.
TEMPORARY: Final = "__T_"

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A table or view. ``keys``: its PRIMARY KEY, which Snowflake does not enforce either."""

    kind: str
    owner: str
    created: datetime
    transient: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. ``type`` is DuckDB's; ``length`` None when any text fits."""

    name: str
    type: str
    nullable: bool
    length: int | None


class Catalog:
    """Databases, schemas, tables and views of one account."""

    def __init__(
        self,
        duck: duckdb.DuckDBPyConnection,
        account: Account,
        databases: Sequence[str],
    ) -> None:
        self._duck = duck
        self._account = account
        self.databases = frozenset(databases)
        self.entries: dict[Path, Entry] = {}
        self._parsed: dict[tuple[str, str], Any] = {}

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._account.now(), UTC)

    def add(
        self,
        path: Path,
        *,
        kind: str,
        owner: str,
        transient: bool = False,
        keys: tuple[str, ...] = (),
    ) -> None:
        """Remember what was made (a schema, too); its role owns it."""
        self.entries[path] = Entry(
            kind=kind, owner=owner, created=self.now, transient=transient, keys=keys
        )
        self._account.roles[owner].grants.add(("OWNERSHIP", kind, ".".join(path)))

    def forget(self, path: Path) -> None:
        """Forget what was dropped, and everybody's privileges on it."""
        entry = self.entries.pop(path, None)
        if entry is None:
            return
        for role in self._account.roles.values():
            role.grants -= {
                one for one in tuple(role.grants) if one[1:] == (entry.kind, ".".join(path))
            }

    def forget_schema(self, schema: Path) -> None:
        for path in [one for one in tuple(self.entries) if one[:2] == schema]:
            self.forget(path)

    def has_schema(self, path: Sequence[str]) -> bool:
        return tuple(path) in self.entries

    def columns(self, path: Sequence[str]) -> list[Column]:
        """In order; empty when there is no such table."""
        lengths = {
            name: int(length)
            for name, length in self._ask(
                f"SELECT * FROM ({_LENGTHS}) WHERE database_name = ? AND schema_name = ? AND table_name = ?",
                path,
                "column_name, length",
            )
        }
        found = self._ask(
            "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = ?"
            " AND schema_name = ? AND table_name = ? ORDER BY column_index",
            path,
        )
        return [
            Column(name=name, type=type_, nullable=nullable, length=lengths.get(name))
            for name, type_, nullable in found
        ]

    def _ask(self, sql: str, path: Sequence[str], only: str = "*") -> list[tuple[Any, ...]]:
        return (
            self._duck.cursor()
            .execute(f"SELECT {only} FROM ({sql})", [attached(path[0]), *path[1:]])
            .fetchall()
        )

    # INFORMATION_SCHEMA

    def information(self, session: Session, table: Any) -> None:
        """Put a query of ours in the place of ``table`` of an INFORMATION_SCHEMA."""
        query = _INFORMATION.get(table.name.upper())
        if query is None:
            raise not_simulated(f"INFORMATION_SCHEMA.{table.name}")
        session.cursor.register(VISIBLE, self._visible(session.role))
        database = attached(table.catalog or session.database).replace("'", "''")
        key = (table.name.upper(), database)
        if key not in self._parsed:
            whole = query.format(database=database)
            self._parsed[key] = sqlglot.parse_one(whole, read="duckdb")
        alias = exp.TableAlias(this=exp.to_identifier(table.alias or table.name, quoted=True))
        table.replace(exp.Subquery(this=self._parsed[key].copy(), alias=alias))

    def _visible(self, role: str) -> pa.Table:
        """Whoever has no privilege on a table does not see it."""
        granted = {one[1:] for one in tuple(self._account.roles[role].grants)}
        found = [
            (attached(path[0]), *path[1:], entry.kind, entry.owner, entry.created, entry.transient)
            for path, entry in tuple(self.entries.items())
            if (entry.kind, ".".join(path)) in granted
            and len(path) == 3
            and not path[-1].startswith(TEMPORARY)
        ]
        rows = [dict(zip(_VISIBLE.names, one, strict=True)) for one in found]
        return pa.Table.from_pylist(rows, schema=_VISIBLE)


_VISIBLE: Final = pa.schema(
    [
        ("database_name", pa.string()),
        ("schema_name", pa.string()),
        ("table_name", pa.string()),
        ("kind", pa.string()),
        ("owner", pa.string()),
        ("created", pa.timestamp("us", "UTC")),
        ("transient", pa.bool_()),
    ]
)

_LENGTHS: Final = r"""
    SELECT database_name, schema_name, table_name, constraint_column_names[1] AS column_name,
        CAST(regexp_extract(expression, '<= (\d+)', 1) AS INTEGER) AS length
    FROM duckdb_constraints() WHERE constraint_type = 'CHECK'
"""

_INFORMATION: Final = {
    "COLUMNS": rf"""
        SELECT substr(c.database_name, 2) AS "TABLE_CATALOG", c.schema_name AS "TABLE_SCHEMA", c.table_name AS "TABLE_NAME",
            c.column_name AS "COLUMN_NAME", c.column_index AS "ORDINAL_POSITION",
            c.column_default AS "COLUMN_DEFAULT",
            CASE WHEN c.is_nullable THEN 'YES' ELSE 'NO' END AS "IS_NULLABLE",
            CASE WHEN c.data_type LIKE 'DECIMAL%' OR c.data_type IN ('INTEGER', 'BIGINT') THEN 'NUMBER'
                WHEN c.data_type = 'VARCHAR' THEN 'TEXT' WHEN c.data_type = 'JSON' THEN 'VARIANT'
                WHEN c.data_type = 'TIMESTAMP' THEN 'TIMESTAMP_NTZ'
                WHEN c.data_type LIKE 'TIMESTAMP W%' THEN 'TIMESTAMP_TZ'
                WHEN c.data_type = 'DOUBLE' THEN 'FLOAT' ELSE c.data_type END AS "DATA_TYPE",
            CASE WHEN c.data_type = 'VARCHAR' THEN coalesce(l.length, 16777216) END AS "CHARACTER_MAXIMUM_LENGTH",
            CASE WHEN c.data_type IN ('INTEGER', 'BIGINT') THEN 38 ELSE c.numeric_precision END AS "NUMERIC_PRECISION",
            c.numeric_scale AS "NUMERIC_SCALE",
            CASE WHEN c.data_type LIKE 'TIMESTAMP%' THEN 6 END AS "DATETIME_PRECISION",
            'NO' AS "IS_IDENTITY"
        FROM duckdb_columns() AS c
        JOIN {VISIBLE} AS v USING (database_name, schema_name, table_name)
        LEFT JOIN ({_LENGTHS}) AS l USING (database_name, schema_name, table_name, column_name)
        WHERE c.database_name = '{{database}}'
    """,
    "TABLES": f"""
        SELECT substr(database_name, 2) AS "TABLE_CATALOG", schema_name AS "TABLE_SCHEMA", table_name AS "TABLE_NAME",
            owner AS "TABLE_OWNER", CASE kind WHEN 'VIEW' THEN 'VIEW' ELSE 'BASE TABLE' END AS "TABLE_TYPE",
            CASE WHEN transient THEN 'YES' ELSE 'NO' END AS "IS_TRANSIENT",
            created AS "CREATED", created AS "LAST_ALTERED"
        FROM {VISIBLE} WHERE database_name = '{{database}}'
    """,
}


def length_of(column_type: Any) -> int | None:
    """What stands in the brackets of VARCHAR(n)."""
    match = re.search(r"\((\d+)\)", column_type.sql("snowflake"))
    return int(match[1]) if match else None
