"""Statements of Snowflake, run by DuckDB: parsed and rewritten by sqlglot, checked against what the role may do.

Where DuckDB is laxer than Snowflake the statement is refused here; see the package's docstring for what is missing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from ml_connector_dagster.sandbox.snowflake.accounts import Account
from ml_connector_dagster.sandbox.snowflake.catalog import Catalog
from ml_connector_dagster.sandbox.snowflake.copying import Copying
from ml_connector_dagster.sandbox.snowflake.definitions import Definitions
from ml_connector_dagster.sandbox.snowflake.privileges import Privileges
from ml_connector_dagster.sandbox.snowflake.refusals import (
    Refusal,
    cancelled,
    no_such_object,
    not_simulated,
    translated,
)
from ml_connector_dagster.sandbox.snowflake.rewriting import (
    at_the_time,
    attached,
    for_duckdb,
    in_duckdb,
    rows_of_binds,
)
from ml_connector_dagster.sandbox.snowflake.sessions import (
    SELECT,
    Result,
    Session,
    Writer,
    said,
)
from ml_connector_dagster.sandbox.snowflake.stages import NAME, Stages, parse_copy, parts


_DML: Final[dict[type[exp.Expression], int]] = {
    exp.Insert: 0x3100,
    exp.Update: 0x3200,
    exp.Delete: 0x3300,
    exp.Merge: 0x3400,
}
#: Functions that DuckDB lacks, and sqlglot has no words for.
_MACROS: Final = ("TRY_HEX_DECODE_STRING(hex) AS TRY(decode(from_hex(hex)))",)
_DEFINITIONS: Final = (exp.Create, exp.Alter, exp.Drop, exp.Comment, exp.TruncateTable)
_COUNTED: Final = {exp.Insert: "inserted", exp.Update: "updated", exp.Delete: "deleted"}
_STAGE = re.compile(rf"(?is)^create\s+(or\s+replace\s+)?temporary\s+stage\s+({NAME})$")
_SESSION = re.compile(r"(?is)^alter\s+session\s+set\s+(\w+)\s*=\s*'((?:[^'\\]|''|\\.)*)'$")
_KEYS = re.compile(rf"(?is)^show\s+primary\s+keys\s+in\s+table\s+({NAME})$")


class Engine:
    """The databases of one account."""

    def __init__(self, root: Path, account: Account, databases: Sequence[str]) -> None:
        self.stages = Stages(root / "stages")
        self._duck = duckdb.connect()
        self._duck.execute("SET GLOBAL TimeZone = 'UTC'")
        for macro in _MACROS:
            self._duck.execute(f"CREATE MACRO {macro}")
        for name in databases:
            self._duck.execute(f"ATTACH ':memory:' AS {_quoted(attached(name))}")
        self.catalog = Catalog(self._duck, account, databases)
        self._privileges = Privileges(account, self.catalog)
        self._definitions = Definitions(self.catalog, self.stages)
        self._writer = Writer()
        self._verbs: dict[str, Callable[[Session, str], Result]] = {
            "PUT": self._put,
            "COPY": self._copy,
            "REMOVE": self._remove,
        }

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
            for path, name in session.temporary.items():
                table = _path((*path[:2], name))
                session.cursor.execute(f"DROP TABLE IF EXISTS {table}")
                self.catalog.forget((*path[:2], name))
            session.cursor.close()

    def cancel(self, session: Session) -> None:
        """Interrupt what runs, or waits for its turn to write."""
        session.cancelled = True
        session.cursor.interrupt()
        self._writer.look_again()

    def execute(self, session: Session, sql: str, binds: Sequence[Any] = ()) -> Result:
        """Run one statement; raises Refusal."""
        with session.lock:
            if session.cancelled:
                raise cancelled()
            try:
                return self._execute(session, sql.strip().rstrip(";").strip(), list(binds))
            except duckdb.InterruptException as error:
                raise cancelled() from error
            except duckdb.Error as error:
                raise translated(error) from error
            except (ParseError, TokenError) as error:
                first = str(error).split("\n")[0]
                raise Refusal("001003", "42000", f"SQL compilation error:\n{first}") from error

    def _execute(self, session: Session, sql: str, binds: list[Any]) -> Result:
        verb = sql.split(None, 1)[0].upper() if sql else ""
        if verb in self._verbs:
            return self._verbs[verb](session, sql)
        if match := _STAGE.match(sql):
            name = (*session.home, *parts(match[2]))[-3:]
            self._privileges.check(session, "CREATE STAGE", "SCHEMA", name[:2])
            self.stages.create(name, replace=bool(match[1]), if_missing=False)
            session.stages.append(name)
            return said(f"Stage area {name[-1]} successfully created.")
        if match := _SESSION.match(sql):
            session.parameters[match[1].upper()] = match[2]
            return said("Statement executed successfully.")
        if match := _KEYS.match(sql):
            return self._primary_keys(session, match[1])
        return self._sql(session, sql, binds)

    def _sql(self, session: Session, sql: str, binds: list[Any]) -> Result:
        sql, lists = rows_of_binds(sql, binds)
        tree = sqlglot.parse_one(sql, read="snowflake")
        if isinstance(tree, exp.Transaction | exp.Commit | exp.Rollback):
            if isinstance(tree, exp.Transaction):
                self._begin(session)
            elif session.in_transaction:
                self._end(session, "COMMIT" if isinstance(tree, exp.Commit) else "ROLLBACK")
            return said("Statement executed successfully.")
        tree = normalize_identifiers(tree, dialect="snowflake")
        if sum(1 for _ in tree.find_all(exp.Placeholder)) != len(binds):
            raise Refusal("002049", "42601", "SQL compilation error:\nBind variables not set.")
        self._qualify(session, tree, set(lists))
        self._privileges.permit(session, tree)
        at_the_time(tree, self.catalog.now)
        for name, table in lists.items():
            session.cursor.register(name, table)
        try:
            return self._run(session, tree, binds)
        finally:
            for name in lists:
                session.cursor.unregister(name)

    def _run(self, session: Session, tree: Any, binds: list[Any]) -> Result:
        if isinstance(tree, _DEFINITIONS):
            with self._writing(session, ends_transaction=True):
                self._definitions.run(session, tree)
            return said("Statement executed successfully.")
        self._privileges.check_warehouse(session)
        for kind, type_id in _DML.items():
            if isinstance(tree, kind):
                with self._writing(session):
                    return self._change(session, tree, binds, type_id)
        if not isinstance(tree, exp.Query):
            raise not_simulated(tree.key)
        found = session.cursor.sql(in_duckdb(tree), params=binds).to_arrow_table()
        return Result(table=found, kind=SELECT)

    def _change(self, session: Session, tree: Any, binds: list[Any], kind: int) -> Result:
        sql = for_duckdb(tree)
        if not isinstance(tree, exp.Merge):
            count = session.cursor.execute(sql, binds).fetchall()[0][0]
            label = f"number of rows {_COUNTED[type(tree)]}"
            return Result(table=pa.table({label: [count]}), kind=kind)
        done = Counter(row[0] for row in session.cursor.execute(sql, binds).fetchall())
        labels = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}
        counts = {
            f"number of rows {label}": [done[key]]
            for key, label in labels.items()
            if label != "deleted" or done[key]
        }
        return Result(table=pa.table(counts), kind=kind)

    def _qualify(self, session: Session, tree: Any, lists: set[str]) -> None:
        """Give every table its whole name, or that of the temporary table behind it."""
        names = {one.alias for one in tree.find_all(exp.CTE)} | lists
        schema = isinstance(tree, exp.Create | exp.Drop) and tree.kind == "SCHEMA"
        for table in list(tree.find_all(exp.Table)):
            if schema and not table.catalog:
                table.set("catalog", exp.to_identifier(session.database, quoted=True))
            if schema or not isinstance(table.this, exp.Identifier):
                continue
            path = [part.name for part in table.parts]
            if len(path) == 1 and path[0] in names:
                continue
            if table.db.upper() == "INFORMATION_SCHEMA":
                self._privileges.check_database(session, table.catalog or session.database)
                self.catalog.information(session, table)
                continue
            whole = [*session.home, *path][-3:]
            if not isinstance(tree, exp.Create):
                whole[-1] = session.temporary.get(tuple(whole), whole[-1])
            for key, part in zip(("catalog", "db", "this"), whole, strict=True):
                table.set(key, exp.to_identifier(part, quoted=True))

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

    # other statements

    def _put(self, session: Session, sql: str) -> Result:
        put = self.stages.put(sql, session.home)
        return Result(table=pa.table({}), kind=0, put=put)

    def _remove(self, session: Session, sql: str) -> Result:
        removed = self.stages.remove(sql.split(None, 1)[1], session.home)
        return Result(table=pa.table({"name": pa.array(removed, pa.string())}), kind=0)

    def _primary_keys(self, session: Session, name: str) -> Result:
        path = (*session.home, *parts(name))[-3:]
        entry = self.catalog.entries.get(path)
        if entry is None:
            raise no_such_object("Table", ".".join(path))
        place = ("database_name", "schema_name", "table_name")
        rows = [
            dict(zip(place, path, strict=True))
            | {"created_on": entry.created, "column_name": column, "key_sequence": number}
            for number, column in enumerate(entry.keys, 1)
        ]
        columns = {
            "created_on": pa.timestamp("us", "UTC"),
            **dict.fromkeys((*place, "column_name"), pa.string()),
            "key_sequence": pa.int64(),
        }
        schema = pa.schema(list(columns.items()))
        return Result(table=pa.Table.from_pylist(rows, schema=schema), kind=0)

    def _copy(self, session: Session, sql: str) -> Result:
        self._privileges.check_warehouse(session)
        copy = parse_copy(sql)
        path = (*session.home, *copy.table)[-3:]
        path = (*path[:2], session.temporary.get(path, path[-1]))
        self._privileges.touch(session, path, "INSERT")
        copying = Copying(
            session=session,
            stages=self.stages,
            copy=copy,
            path=path,
            target=_path(path),
            columns=self.catalog.columns(path),
        )
        with self._writing(session):
            alone = not session.in_transaction
            if alone:
                session.cursor.execute("BEGIN")
            try:
                done = copying.run()
            except duckdb.Error:
                if alone:
                    session.cursor.execute("ROLLBACK")
                raise
            if alone:
                session.cursor.execute("COMMIT")
        return done


def _path(path: Sequence[str]) -> str:
    return ".".join(_quoted(part) for part in (attached(path[0]), *path[1:]))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
