"""Statements of Snowflake, run by DuckDB: parsed and rewritten by sqlglot, checked against what the role may do.

Where DuckDB is laxer than Snowflake the statement is refused here; see the package's docstring for what is missing.
"""

import json
import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from ml_connector_dagster.sandbox.snowflake.accounts import Account
from ml_connector_dagster.sandbox.snowflake.refusals import (
    Refusal,
    no_such_object,
    not_permitted,
    not_simulated,
)
from ml_connector_dagster.sandbox.snowflake.stages import (
    NAME,
    Put,
    Stages,
    columns_in,
    parse_copy,
    parts,
)


#: statementTypeId of the connector protocol.
SELECT: Final = 0x1000
DDL: Final = 0x6000
_DML: Final[dict[type[exp.Expression], int]] = {
    exp.Insert: 0x3100,
    exp.Update: 0x3200,
    exp.Delete: 0x3300,
    exp.Merge: 0x3400,
}
_COUNTED: Final = {exp.Insert: "inserted", exp.Update: "updated", exp.Delete: "deleted"}
_LONGEST_BIND: Final = 16_777_216
_STAGE = re.compile(rf"(?is)^create\s+(or\s+replace\s+)?temporary\s+stage\s+({NAME})$")
_SESSION = re.compile(r"(?is)^alter\s+session\s+set\s+(\w+)\s*=\s*'((?:[^'\\]|''|\\.)*)'$")
_KEYS = re.compile(rf"(?is)^show\s+primary\s+keys\s+in\s+table\s+({NAME})$")
_FLATTEN = re.compile(r"(?i)TABLE\(FLATTEN\(INPUT => PARSE_JSON\(\?\)\)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a statement gave: rows, or a file to upload."""

    table: pa.Table
    kind: int
    put: Put | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """One session: its own transaction, parameters, and temporary stages."""

    user: str
    role: str
    warehouse: str
    database: str
    schema: str
    cursor: duckdb.DuckDBPyConnection
    parameters: dict[str, str] = field(default_factory=dict)
    in_transaction: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    lock: threading.RLock = field(default_factory=threading.RLock)
    stages: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def home(self) -> tuple[str, str]:
        return self.database, self.schema


class _Writer:
    """Held by the session that writes: statements of one session come on different threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: Session | None = None

    def take(self, session: Session) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._owner in (None, session), timeout=60):
                raise Refusal("000625", "57014", "Statement has locked table for too long")
            self._owner = session

    def give(self) -> None:
        with self._changed:
            self._owner = None
            self._changed.notify_all()


class Engine:
    """The databases of one account."""

    def __init__(self, root: Path, account: Account, databases: Sequence[str]) -> None:
        self.account = account
        self.stages = Stages(root / "stages")
        self._duck = duckdb.connect()
        self._duck.execute("SET GLOBAL TimeZone = 'UTC'")
        self._databases = set(databases)
        self._writer = _Writer()
        for name in databases:
            self._duck.execute(f"ATTACH ':memory:' AS \"{name}\"")

    def close(self) -> None:
        self._duck.close()

    def open_session(
        self, user: str, role: str, warehouse: str, database: str, schema: str
    ) -> Session:
        return Session(
            user=user,
            role=role,
            warehouse=warehouse,
            database=database,
            schema=schema,
            cursor=self._duck.cursor(),
        )

    def close_session(self, session: Session) -> None:
        """Roll back what is open, and forget what is temporary."""
        with session.lock:
            if session.in_transaction:
                self._end(session, "ROLLBACK")
            for stage in session.stages:
                self.stages.drop(stage)
            session.cursor.close()

    def execute(self, session: Session, sql: str, binds: Sequence[Any] = ()) -> Result:
        """Run one statement; raises Refusal."""
        with session.lock:
            try:
                return self._execute(session, sql.strip().rstrip(";").strip(), list(binds))
            except duckdb.InterruptException as error:
                raise Refusal("000604", "57014", "SQL execution canceled") from error
            except duckdb.Error as error:
                raise _translated(error) from error
            except (ParseError, TokenError) as error:
                first = str(error).split("\n")[0]
                raise Refusal("001003", "42000", f"SQL compilation error:\n{first}") from error

    def _execute(self, session: Session, sql: str, binds: list[Any]) -> Result:
        head = sql[:10].upper()
        if head.startswith("PUT"):
            put = self.stages.put(sql, session.home)
            return Result(table=pa.table({}), kind=0, put=put)
        if match := _STAGE.match(sql):
            name = (*session.home, *parts(match[2]))[-3:]
            self._check(session, "CREATE STAGE", "SCHEMA", name[:2])
            self.stages.create(name, replace=bool(match[1]), if_missing=False)
            session.stages.append(name)
            return _said(f"Stage area {name[-1]} successfully created.")
        if head.startswith("REMOVE"):
            removed = self.stages.remove(sql.split(None, 1)[1], session.home)
            return Result(table=pa.table({"name": pa.array(removed, pa.string())}), kind=0)
        if match := _SESSION.match(sql):
            session.parameters[match[1].upper()] = match[2]
            return _said("Statement executed successfully.")
        if match := _KEYS.match(sql):
            return self._primary_keys(session, match[1])
        if head.startswith("COPY"):
            return self._copy(session, sql)
        return self._sql(session, sql, binds)

    def _sql(self, session: Session, sql: str, binds: list[Any]) -> Result:
        sql, lists = _rows_of_binds(sql, binds)
        tree = sqlglot.parse_one(sql, read="snowflake")
        if isinstance(tree, exp.Transaction | exp.Commit | exp.Rollback):
            if isinstance(tree, exp.Transaction):
                self._begin(session)
            elif session.in_transaction:
                self._end(session, "COMMIT" if isinstance(tree, exp.Commit) else "ROLLBACK")
            return _said("Statement executed successfully.")
        tree = normalize_identifiers(tree, dialect="snowflake")
        if sum(1 for _ in tree.find_all(exp.Placeholder)) != len(binds):
            raise Refusal("002049", "42601", "SQL compilation error:\nBind variables not set.")
        self._permit(session, tree)
        self._qualify(session, tree, set(lists))
        for type_ in tree.find_all(exp.DataType):
            if type_.this == exp.DataType.Type.VARIANT:
                type_.set("this", exp.DataType.Type.JSON)
        for name, table in lists.items():
            session.cursor.register(name, table)
        try:
            return self._run(session, tree, binds)
        finally:
            for name in lists:
                session.cursor.unregister(name)

    def _run(self, session: Session, tree: Any, binds: list[Any]) -> Result:
        if isinstance(tree, exp.Create | exp.Alter | exp.Drop | exp.Comment | exp.TruncateTable):
            with self._writing(session, ends_transaction=True):
                for statement in self._definitions(session, tree):
                    session.cursor.execute(statement)
            return _said("Statement executed successfully.")
        for kind, type_id in _DML.items():
            if isinstance(tree, kind):
                with self._writing(session):
                    return self._change(session, tree, binds, type_id)
        if not isinstance(tree, exp.Query):
            raise not_simulated(tree.key)
        self._warehouse(session)
        found = session.cursor.sql(tree.sql("duckdb"), params=binds).to_arrow_table()
        return Result(table=found, kind=SELECT)

    def _change(self, session: Session, tree: Any, binds: list[Any], kind: int) -> Result:
        self._warehouse(session)
        if not isinstance(tree, exp.Merge):
            count = session.cursor.execute(tree.sql("duckdb"), binds).fetchall()[0][0]
            label = f"number of rows {_COUNTED[type(tree)]}"
            return Result(table=pa.table({label: [count]}), kind=kind)
        for when in tree.find_all(exp.When):
            then = when.args["then"]
            if isinstance(then, exp.Update):
                for one in then.expressions:  # DuckDB refuses SET target.column
                    one.set("this", exp.column(one.this.name, quoted=True))
        sql = f"{tree.sql('duckdb')} RETURNING merge_action"
        done = Counter(row[0] for row in session.cursor.execute(sql, binds).fetchall())
        labels = {"INSERT": "inserted", "UPDATE": "updated"}
        counts = {f"number of rows {label}": [done[key]] for key, label in labels.items()}
        return Result(table=pa.table(counts), kind=kind)

    def _definitions(self, session: Session, tree: Any) -> Iterator[str]:
        if isinstance(tree, exp.Create):
            yield from self._creation(session, tree)
        elif isinstance(tree, exp.Alter) and len(tree.args["actions"]) > 1:
            for action in tree.args["actions"]:
                one = tree.copy()
                one.set("actions", [action.copy()])
                yield one.sql("duckdb")
        else:
            yield tree.sql("duckdb")

    def _creation(self, session: Session, tree: Any) -> Iterator[str]:
        if tree.kind not in ("TABLE", "SCHEMA", "VIEW"):
            raise not_simulated(f"CREATE {tree.kind}")
        properties = tree.args.get("properties")
        if properties is not None and properties.find(exp.TemporaryProperty):
            raise not_simulated("temporary tables; make it TRANSIENT")
        tree.set("properties", None)
        for column in tree.find_all(exp.ColumnDef):
            kept = [
                one
                for one in column.args.get("constraints") or []
                if isinstance(one.kind, exp.NotNullColumnConstraint | exp.DefaultColumnConstraint)
            ]
            column.set("constraints", kept)
        name = tree.this.find(exp.Table)
        path = tuple(part.name for part in name.parts)
        if tree.kind == "TABLE" and tree.args.get("replace"):
            self.stages.history.pop(path, None)
        yield tree.sql("duckdb")
        owned = (tree.kind, ".".join(path))
        if tree.kind != "VIEW":
            self.account.roles[session.role].grants.add(("OWNERSHIP", *owned))

    def _qualify(self, session: Session, tree: Any, lists: set[str]) -> None:
        """Give every table its whole name."""
        names = {one.alias for one in tree.find_all(exp.CTE)} | lists
        schema = isinstance(tree, exp.Create | exp.Drop) and tree.kind == "SCHEMA"
        for table in list(tree.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier) or table.name in names:
                continue
            if table.db.upper() == "INFORMATION_SCHEMA":
                self._information(session, table)
                continue
            path = [part.name for part in table.parts]
            whole = [session.database, *path][-2:] if schema else [*session.home, *path][-3:]
            keys = ("catalog", "db") if schema else ("catalog", "db", "this")
            if schema:
                table.set("this", exp.to_identifier(whole[1], quoted=True))
                table.set("db", exp.to_identifier(whole[0], quoted=True))
                continue
            for key, part in zip(keys, whole, strict=True):
                table.set(key, exp.to_identifier(part, quoted=True))

    def _information(self, session: Session, table: Any) -> None:
        if table.name.upper() != "COLUMNS":
            raise not_simulated(f"INFORMATION_SCHEMA.{table.name}")
        database = (table.catalog or session.database).replace("'", "''")
        query = sqlglot.parse_one(_COLUMNS.format(database=database), read="duckdb")
        alias = exp.TableAlias(this=exp.to_identifier(table.alias or "COLUMNS", quoted=True))
        table.replace(exp.Subquery(this=query, alias=alias))

    # privileges

    def _permit(self, session: Session, tree: Any) -> None:
        if isinstance(tree, exp.Create) and tree.kind == "SCHEMA":
            path = [part.name for part in tree.this.find(exp.Table).parts if part.name]
            database = path[0] if len(path) > 1 else session.database
            self._use(session, "DATABASE", database)
            exists = self._schema_exists((database, path[-1]))
            if not (exists and tree.args.get("exists")):
                self._check(session, "CREATE SCHEMA", "DATABASE", (database,))
            return
        for table in tree.find_all(exp.Table):
            if isinstance(table.this, exp.Identifier) and len(table.parts) == 3:
                path = [part.name for part in table.parts]
                self._use(session, "DATABASE", path[0])
                if path[1].upper() == "INFORMATION_SCHEMA":
                    continue
                if not self._schema_exists(path[:2]):
                    raise no_such_object("Schema", ".".join(path[:2]))
                self._use(session, "SCHEMA", ".".join(path[:2]))
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            path = [part.name for part in tree.this.find(exp.Table).parts]
            exists = bool(tree.args.get("exists") and self._columns(path))
            if not exists:
                self._check(session, "CREATE TABLE", "SCHEMA", path[:2])

    def _use(self, session: Session, kind: str, name: str) -> None:
        known = name in self._databases if kind == "DATABASE" else True
        if not known or not self.account.may(session.role, "USAGE", kind, name):
            raise no_such_object(kind.capitalize(), name)

    def _check(self, session: Session, privilege: str, kind: str, path: Sequence[str]) -> None:
        name = ".".join(path)
        if not self.account.may(session.role, privilege, kind, name):
            raise not_permitted(kind.lower(), name)

    def _warehouse(self, session: Session) -> None:
        name = session.warehouse
        if name not in self.account.warehouses or not self.account.may(
            session.role, "USAGE", "WAREHOUSE", name
        ):
            raise Refusal(
                "000606",
                "57P03",
                "No active warehouse selected in the current session. "
                "Select an active warehouse with the 'use warehouse' command.",
            )

    def _schema_exists(self, path: Sequence[str]) -> bool:
        cursor = self._duck.cursor()
        found = cursor.execute(
            "SELECT 1 FROM duckdb_schemas() WHERE database_name = ? AND schema_name = ?", list(path)
        ).fetchall()
        return bool(found)

    # transactions

    def _begin(self, session: Session) -> None:
        if not session.in_transaction:
            self._writer.take(session)
            session.cursor.execute("BEGIN")
            session.in_transaction = True

    def _end(self, session: Session, how: str) -> None:
        try:
            session.cursor.execute(how)
        finally:
            session.in_transaction = False
            self._writer.give()

    @contextmanager
    def _writing(self, session: Session, *, ends_transaction: bool = False) -> Iterator[None]:
        if session.in_transaction and ends_transaction:  # DDL commits, in Snowflake
            self._end(session, "COMMIT")
        if session.in_transaction:
            yield
            return
        self._writer.take(session)
        try:
            yield
        finally:
            self._writer.give()

    # loading

    def _columns(self, path: Sequence[str]) -> list[str]:
        cursor = self._duck.cursor()
        found = cursor.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = ? AND schema_name = ?"
            " AND table_name = ? ORDER BY column_index",
            list(path),
        ).fetchall()
        return [name for (name,) in found]

    def _primary_keys(self, session: Session, name: str) -> Result:
        path = (*session.home, *parts(name))[-3:]
        if not self._columns(path):
            raise no_such_object("Table", ".".join(path))
        labels = ("created_on", "database_name", "schema_name", "table_name", "column_name")
        return Result(table=pa.table({one: pa.array([], pa.string()) for one in labels}), kind=0)

    def _copy(self, session: Session, sql: str) -> Result:
        self._warehouse(session)
        copy = parse_copy(sql)
        path = (*session.home, *copy.table)[-3:]
        wanted = self._columns(path)
        if not wanted:
            raise no_such_object("Table", ".".join(path))
        folder, inside = self.stages.locate(copy.stage, session.home)
        files = self.stages.files(folder, inside)
        new = [file for file in files if copy.force or not self.stages.loaded(path, file)]
        if not new:
            return _said("Copy executed with 0 files processed.")
        target = ".".join('"' + part.replace('"', '""') + '"' for part in path)
        with self._writing(session):
            alone = not session.in_transaction
            if alone:
                session.cursor.execute("BEGIN")
            try:
                done = [
                    self._copy_file(session, copy.metadata, target, wanted, file) for file in new
                ]
            except duckdb.Error:
                if alone:
                    session.cursor.execute("ROLLBACK")
                raise
            if alone:
                session.cursor.execute("COMMIT")
        self.stages.remember(path, new)
        if copy.purge:
            for file in new:
                file.unlink()
        columns = list(zip(*done, strict=True))
        labels = ("file", "status", "rows_loaded", "first_error")
        table = pa.table(
            {label: list(values) for label, values in zip(labels, columns, strict=True)}
        )
        return Result(table=table, kind=0)

    def _copy_file(
        self,
        session: Session,
        metadata: dict[str, str],
        target: str,
        wanted: list[str],
        file: Path,
    ) -> tuple[str, str, int, str | None]:
        present = columns_in(file)
        sources = {name: f'"{present[name.upper()]}"' for name in wanted if name.upper() in present}
        inside = str(file.relative_to(self.stages.root)).partition("/")[2]
        for column, source in metadata.items():
            literal = "'" + inside.replace("'", "''") + "'"
            sources[column] = literal if source == "METADATA$FILENAME" else "file_row_number"
        quoted = [name.replace('"', '""') for name in sources]
        into = ", ".join(f'"{name}"' for name in quoted)
        count = session.cursor.execute(
            f"INSERT INTO {target} ({into}) SELECT {', '.join(sources.values())}"
            " FROM read_parquet(?, file_row_number = true)",
            [str(file)],
        ).fetchall()[0][0]
        return inside, "LOADED", count, None


_COLUMNS: Final = """
    SELECT database_name AS "TABLE_CATALOG", schema_name AS "TABLE_SCHEMA", table_name AS "TABLE_NAME",
        column_name AS "COLUMN_NAME", column_index AS "ORDINAL_POSITION",
        CASE WHEN is_nullable THEN 'YES' ELSE 'NO' END AS "IS_NULLABLE",
        CASE WHEN data_type LIKE 'DECIMAL%' OR data_type IN ('INTEGER', 'BIGINT') THEN 'NUMBER'
            WHEN data_type = 'VARCHAR' THEN 'TEXT' WHEN data_type = 'JSON' THEN 'VARIANT'
            WHEN data_type = 'TIMESTAMP' THEN 'TIMESTAMP_NTZ'
            WHEN data_type LIKE 'TIMESTAMP W%' THEN 'TIMESTAMP_TZ'
            WHEN data_type = 'DOUBLE' THEN 'FLOAT' ELSE data_type END AS "DATA_TYPE",
        numeric_precision AS "NUMERIC_PRECISION", numeric_scale AS "NUMERIC_SCALE"
    FROM duckdb_columns() WHERE database_name = '{database}'
"""


def _rows_of_binds(sql: str, binds: list[Any]) -> tuple[str, dict[str, pa.Table]]:
    """Bound JSON arrays of arrays of texts that FLATTEN unpacks, as tables of (index, value).

    ``value[n]::VARCHAR`` is the n-th text, null for a JSON null.
    """
    lists: dict[str, pa.Table] = {}
    while match := _FLATTEN.search(sql):
        text = binds.pop(sql[: match.start()].count("?"))
        if not isinstance(text, str) or len(text.encode()) > _LONGEST_BIND:
            raise Refusal("100078", "22000", "String is too long and would be truncated")
        rows = json.loads(text)
        name = f"__FLAT{len(lists)}"
        lists[name] = pa.table(
            {
                "INDEX": pa.array(range(len(rows)), pa.int64()),
                "VALUE": pa.array(rows, pa.list_(pa.string())),
            }
        )
        sql = sql[: match.start()] + name + sql[match.end() :]
    return sql, lists


def _said(text: str) -> Result:
    return Result(table=pa.table({"status": [text]}), kind=DDL)


def _translated(error: duckdb.Error) -> Refusal:
    text = str(error).split("\n")[0]
    if isinstance(error, duckdb.CatalogException):
        match = re.search(r'(?:name|Schema with name) "?([^"! ]+)', text)
        return no_such_object("Table", match[1] if match else text)
    if isinstance(error, duckdb.InvalidInputException) and "more than once" in text:
        return Refusal("100090", "42P18", "Duplicate row detected during DML action")
    if isinstance(error, duckdb.ConstraintException):
        return Refusal("100072", "22000", f"NULL result in a non-nullable column: {text}")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return Refusal("100038", "22018", text)
    if isinstance(error, duckdb.ParserException):
        return Refusal("001003", "42000", f"SQL compilation error:\n{text}")
    return Refusal("000904", "42000", f"SQL compilation error:\n{text}")
