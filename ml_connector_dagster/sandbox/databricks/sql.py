"""Run one statement: parse it, check names and privileges, let the engine do it. What a loader does not need is refused.

Types and clauses that the engine lacks are kept in the catalog instead: comments and table properties.
"""

import re
import shutil
from collections.abc import Callable, Mapping
from typing import Final, cast

import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.catalog import Catalog, Relation
from ml_connector_dagster.sandbox.databricks.engine import Engine, Name, ticked
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import ApiError, SqlError, insufficient
from ml_connector_dagster.sandbox.databricks.volumes import Volumes


#: A parameter as it was sent: value (None is NULL) and type.
Parameters = Mapping[str, tuple[str | None, str]]

_NAME: Final = r"(`[^`]+`|\w+)"
_CREATE_SCHEMA: Final = re.compile(
    rf"CREATE\s+SCHEMA\s+(IF\s+NOT\s+EXISTS\s+)?{_NAME}\.{_NAME}(\s+COMMENT\s+'.*')?\s*",
    re.I | re.S,
)
_CREATE_VOLUME: Final = re.compile(
    rf"CREATE\s+VOLUME\s+(IF\s+NOT\s+EXISTS\s+)?{_NAME}\.{_NAME}\.{_NAME}(\s+COMMENT\s+'.*')?\s*",
    re.I | re.S,
)
_TOKEN: Final = re.compile(r"parameter_token_(\d+)_")
#: Without column mapping, Delta refuses these in the name of a column.
_ODD_IN_COLUMNS: Final = re.compile(r"[ ,;{}()\n\t=]")
_PARAMETER_TYPES: Final = frozenset(
    {"STRING", "BIGINT", "INT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"}
)
#: Parquet files of other writers are taken as Julian before 1582, unless told otherwise (read_files' options).
_READ_OPTIONS: Final = {"format": "parquet", "datetimerebasemode": "CORRECTED"}


class Warehouse:
    """Takes the statements of the workspace."""

    def __init__(
        self, engine: Engine, catalog: Catalog, volumes: Volumes, privileges: Privileges
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._volumes = volumes
        self._privileges = privileges

    def run(self, text: str, parameters: Parameters) -> pa.Table:
        """The result of one statement; a statement without a result gives a table without columns."""
        if made := _CREATE_SCHEMA.fullmatch(text.strip()):
            return self._create_schema(*_plain(made[2], made[3]), exists_ok=bool(made[1]))
        if made := _CREATE_VOLUME.fullmatch(text.strip()):
            return self._create_volume(*_plain(made[2], made[3], made[4]), exists_ok=bool(made[1]))
        tree = _parse(text)
        values = _bind(tree, parameters)
        action = self._action(tree)

        def render(node: exp.Expression) -> str:
            return _TOKEN.sub(lambda found: values[int(found[1])], node.sql(dialect="databricks"))

        return action(tree, render)

    def _action(
        self, tree: exp.Expression
    ) -> Callable[[exp.Expression, Callable[[exp.Expression], str]], pa.Table]:
        if isinstance(tree, exp.Select | exp.Union):
            return self._select
        if isinstance(tree, exp.Merge):
            return self._merge
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            return self._create_table
        if isinstance(tree, exp.Create) and tree.kind == "VIEW":
            return self._create_view
        if isinstance(tree, exp.Alter):
            return self._alter_view if tree.args.get("kind") == "VIEW" else self._add_columns
        if isinstance(tree, exp.Drop) and tree.kind == "TABLE":
            return self._drop_table
        raise SqlError(f"[SANDBOX] this kind of statement is not simulated: {tree.sql()[:100]}")

    def _create_schema(self, catalog: str, schema: str, *, exists_ok: bool) -> pa.Table:
        with self._catalog.lock:
            if catalog not in self._catalog.catalogs:
                self._catalog.check_schema(catalog, schema)
            self._privileges.need("CREATE SCHEMA", catalog)  # even when the schema is there
            if (catalog, schema) in self._catalog.schemas:
                if exists_ok:
                    return pa.table({})
                raise SqlError(f"[SCHEMA_ALREADY_EXISTS] Cannot create schema `{schema}`.")
            self._engine.run(f"CREATE SCHEMA IF NOT EXISTS {ticked(catalog, schema)}")
            self._catalog.schemas.add((catalog, schema))
            self._privileges.own(catalog, schema)
        return pa.table({})

    def _create_volume(self, *name: str, exists_ok: bool) -> pa.Table:
        with self._catalog.lock:
            self._catalog.check_schema(*name[:2])
            self._privileges.need("CREATE VOLUME", *name[:2])
            if self._volumes.exists(*name):
                if exists_ok:
                    return pa.table({})
                raise SqlError(f"[VOLUME_ALREADY_EXISTS] Cannot create volume `{name[2]}`.")
            self._volumes.make(*name)
            self._privileges.own(*name)
        return pa.table({})

    def _select(self, tree: exp.Expression, render: Callable[[exp.Expression], str]) -> pa.Table:
        self._read(tree)
        return self._engine.run(render(tree))

    def _merge(self, tree: exp.Expression, render: Callable[[exp.Expression], str]) -> pa.Table:
        with self._catalog.lock:
            target = self._qualify(tree.this)
            self._read(tree, writes=tree.this)
            if self._catalog.relation(target).kind != "MANAGED":
                raise SqlError(
                    f"[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] 'MERGE' expects a table but `{target[2]}` is a view."
                )
            before = self._engine.commits(target)
            self._engine.run(render(tree))
            if self._engine.commits(target) == before:
                return pa.table(
                    {
                        f"num_{what}_rows": [0]
                        for what in ("affected", "updated", "deleted", "inserted")
                    }
                )
            return self._engine.merge_metrics(target)

    def _create_table(
        self, tree: exp.Expression, render: Callable[[exp.Expression], str]
    ) -> pa.Table:
        schema = tree.this if isinstance(tree.this, exp.Schema) else None
        name = self._qualify(schema.this if schema else tree.this)
        relation = _described(tree, Relation(kind="MANAGED"))
        with self._catalog.lock:
            self._catalog.check_schema(*name[:2])
            self._privileges.need("CREATE TABLE", *name[:2])
            if tree.expression is not None:
                self._read(tree.expression)
            if tree.args.get("replace"):
                raise SqlError("[SANDBOX] CREATE OR REPLACE TABLE is not simulated")
            if name in self._catalog.relations:
                if tree.args.get("exists"):
                    return pa.table({})
                raise SqlError(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create `{name[2]}`.")
            columns = _columns(schema.expressions) if schema else []
            _check_names([column for column, _, _ in columns], relation)
            location = f"USING DELTA LOCATION '{self._engine.location(name)}'"
            if tree.expression is not None:
                try:
                    self._engine.run(
                        f"CREATE TABLE {ticked(*name)} {location} AS {render(tree.expression)}"
                    )
                except SqlError:
                    self._forget(name)
                    raise
            else:
                listed = ", ".join(f"{ticked(column)} {kind}" for column, kind, _ in columns)
                self._engine.run(f"CREATE TABLE {ticked(*name)} ({listed}) {location}")
            relation.column_comments = {column: comment for column, _, comment in columns}
            self._catalog.relations[name] = relation
            self._privileges.own(*name)
        return pa.table({})

    def _create_view(
        self, tree: exp.Expression, render: Callable[[exp.Expression], str]
    ) -> pa.Table:
        name = self._qualify(tree.this)
        with self._catalog.lock:
            self._catalog.check_schema(*name[:2])
            self._privileges.need("CREATE TABLE", *name[:2])
            self._read(tree.expression)
            known = self._catalog.relations.get(name)
            if known is not None:
                if known.kind != "VIEW":
                    raise SqlError(
                        f"[EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE] `{name[2]}` is a table, not a view."
                    )
                if tree.args.get("exists"):
                    return pa.table({})
                if not tree.args.get("replace"):
                    raise SqlError(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create `{name[2]}`.")
                if not self._privileges.owns(*name):
                    raise insufficient("MANAGE", "Table", ".".join(name))
            relation = _described(tree, Relation(kind="VIEW", query=render(tree.expression)))
            relation.columns = self._columns_of(relation.query)
            self._catalog.relations[name] = relation
            self._privileges.own(*name)
        return pa.table({})

    def _columns_of(self, query: str) -> tuple[tuple[str, str], ...]:
        shape = self._engine.run(f"SELECT * FROM ({query}) LIMIT 0").schema
        return tuple((field.name, type_text(field.type)) for field in shape)

    def _alter_view(
        self, tree: exp.Expression, render: Callable[[exp.Expression], str]
    ) -> pa.Table:
        actions = tree.args.get("actions") or []
        if len(actions) != 1 or not isinstance(actions[0], exp.Query):
            raise SqlError(f"[SANDBOX] only ALTER VIEW … AS query is simulated: {tree.sql()[:100]}")
        name = self._qualify(tree.this)
        with self._catalog.lock:
            relation = self._catalog.relation(name)
            if relation.kind != "VIEW":
                raise SqlError(
                    f"[EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE] `{name[2]}` is a table, not a view."
                )
            if not self._privileges.owns(*name):
                raise insufficient("MANAGE", "Table", ".".join(name))
            select = cast("exp.Expression", actions[0])
            self._read(select)
            query = render(select)
            relation.columns = self._columns_of(query)
            relation.query = query
        return pa.table({})

    def _add_columns(
        self, tree: exp.Expression, render: Callable[[exp.Expression], str]
    ) -> pa.Table:
        actions = tree.args.get("actions") or []
        if len(actions) != 1 or not isinstance(actions[0], exp.Schema):
            raise SqlError(
                f"[SANDBOX] only ALTER TABLE … ADD COLUMNS (…) is simulated: {tree.sql()[:100]}"
            )
        columns = _columns(actions[0].expressions)
        with self._catalog.lock:
            name = self._qualify(tree.this)
            relation = self._catalog.relation(name)
            self._privileges.need("MODIFY", *name)
            present = {column.lower() for column, _ in self._engine.columns(name)}
            for column, _, _ in columns:
                if column.lower() in present:
                    raise SqlError(
                        f"[FIELD_ALREADY_EXISTS] Cannot add column, because `{column}` already exists in the table."
                    )
            _check_names([column for column, _, _ in columns], relation)
            self._engine.add_columns(name, [(column, kind) for column, kind, _ in columns])
            relation.column_comments |= {column: comment for column, _, comment in columns}
        return pa.table({})

    def _drop_table(
        self, tree: exp.Expression, render: Callable[[exp.Expression], str]
    ) -> pa.Table:
        with self._catalog.lock:
            name = self._qualify(next(tree.find_all(exp.Table)))
            self._privileges.enter(*name[:2])
            if name not in self._catalog.relations:
                if tree.args.get("exists"):
                    return pa.table({})
                self._catalog.relation(name)
            if not self._privileges.owns(*name):
                raise insufficient("MANAGE", "Table", ".".join(name))
            self._forget(name)
            del self._catalog.relations[name]
            self._privileges.disown(*name)
        return pa.table({})

    def _forget(self, name: Name) -> None:
        self._engine.run(f"DROP TABLE IF EXISTS {ticked(*name)}")
        shutil.rmtree(self._engine.location(name), ignore_errors=True)

    def _read(self, tree: exp.Expression, *, writes: exp.Expression | None = None) -> None:
        """Check every table of ``tree`` (``writes`` is written, too), and put files in place of read_files."""
        aliases = {one.alias for one in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Anonymous):
                self._read_files(table)
                continue
            if table.name in aliases and not table.db:
                continue
            name = self._qualify(table)
            self._privileges.enter(*name[:2])
            relation = self._catalog.relation(name)
            self._privileges.need("SELECT", *name)
            if relation.kind == "VIEW" and table is not writes:
                # Sail's own views lose the quotes of columns' names.
                query = sqlglot.parse_one(relation.query, read="databricks")
                table.replace(exp.Subquery(this=query, alias=table.args.get("alias") or table.this))
            if table is writes:
                self._privileges.need("MODIFY", *name)

    def _read_files(self, table: exp.Table) -> None:
        call = table.this
        if call.name.lower() != "read_files":
            raise SqlError(f"[UNRESOLVABLE_TABLE_VALUED_FUNCTION] Could not resolve `{call.name}`.")
        path, *rest = call.expressions
        options = {one.this.name.lower(): one.expression.name for one in rest}
        if options != _READ_OPTIONS:
            raise SqlError(
                f"[SANDBOX] read_files is simulated with {_READ_OPTIONS} only, not {options}"
            )
        try:
            volume, local = self._volumes.local(path.name)
        except ApiError as error:
            raise SqlError(f"[PATH_NOT_FOUND] {error.message}") from error
        self._privileges.need("READ VOLUME", *volume, kind="Volume")
        files = sorted(local.glob("*.parquet")) if local.is_dir() else []
        if not files:
            raise SqlError(
                f"[CANNOT_INFER_EMPTY_SCHEMA] No files were found at {path.name}. SQLSTATE: 42000"
            )
        for file in files:
            pq.read_metadata(file)  # a file that was cut off is an error, not fewer rows
        replacement = exp.to_table("x")
        replacement.set("this", exp.to_identifier(str(local), quoted=True))
        replacement.set("db", exp.to_identifier("parquet"))
        if table.alias:
            replacement.set("alias", table.args["alias"])
        table.replace(replacement)

    def _qualify(self, table: exp.Expression) -> Name:
        parts = [part.name for part in cast("exp.Table", table).parts]
        if len(parts) != 3:
            raise SqlError(f"[SANDBOX] name tables with catalog and schema, not {'.'.join(parts)}")
        if not all(re.fullmatch(r"[^ ./\x00-\x1f\x7f]{1,255}", part) for part in parts):
            raise SqlError(
                f"[INVALID_PARAMETER_VALUE.INVALID_NAME] {'.'.join(parts)} is not a valid name"
            )
        name = (parts[0].lower(), parts[1].lower(), parts[2].lower())
        for key, part in zip(("catalog", "db", "this"), name, strict=True):
            table.set(key, exp.to_identifier(part, quoted=True))
        self._catalog.check_schema(*name[:2])
        return name


def type_text(kind: pa.DataType) -> str:
    """An Arrow type as Spark names it."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    names = {"int64": "bigint", "int32": "int", "date32[day]": "date", "bool": "boolean"}
    text = str(kind)
    return names.get(text, "string" if "string" in text or text == "utf8_view" else text)


def _parse(text: str) -> exp.Expression:
    try:
        trees = sqlglot.parse(text, read="databricks")
    except sqlglot.errors.SqlglotError as error:
        raise SqlError(f"[PARSE_SYNTAX_ERROR] Syntax error. SQLSTATE: 42601\n{error}") from error
    if len(trees) != 1 or trees[0] is None:
        raise SqlError("[PARSE_SYNTAX_ERROR] one statement is needed. SQLSTATE: 42601")
    return cast("exp.Expression", trees[0])


def _bind(tree: exp.Expression, parameters: Parameters) -> list[str]:
    """Put a numbered token in place of each parameter; answers the SQL literals."""
    values: list[str] = []
    for marker in list(tree.find_all(exp.Placeholder)):
        if not marker.name:
            raise SqlError("[SANDBOX] positional parameters are not simulated; use named ones")
        if marker.name not in parameters:
            raise SqlError(
                f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {marker.name}. SQLSTATE: 42P02"
            )
        value, kind = parameters[marker.name]
        if kind not in _PARAMETER_TYPES:
            raise SqlError(f"[SANDBOX] parameters of type {kind} are not simulated")
        marker.replace(exp.Var(this=f"parameter_token_{len(values)}_"))
        literal = "NULL" if value is None else _literal(value)
        plain = kind == "STRING" and value is not None
        values.append(literal if plain else f"CAST({literal} AS {kind})")
    return values


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _plain(*names: str) -> tuple[str, ...]:
    return tuple(name.strip("`").lower() for name in names)


def _columns(definitions: list[exp.Expression]) -> list[tuple[str, str, str]]:
    """Name, type and comment of each column definition."""
    columns = []
    for one in definitions:
        if not isinstance(one, exp.ColumnDef) or one.args.get("kind") is None:
            raise SqlError(f"[SANDBOX] only plain columns are simulated: {one.sql()}")
        comment = ""
        for constraint in one.args.get("constraints") or []:
            if not isinstance(constraint.kind, exp.CommentColumnConstraint):
                raise SqlError(f"[SANDBOX] this constraint is not simulated: {constraint.sql()}")
            comment = constraint.kind.this.name
        kind = one.args["kind"].sql(dialect="databricks").lower().replace(", ", ",")
        columns.append((one.name, kind, comment))
    return columns


def _described(tree: exp.Expression, relation: Relation) -> Relation:
    """The relation with the comment and properties of its statement."""
    found = tree.args.get("properties")
    for one in found.expressions if found else []:
        if isinstance(one, exp.SchemaCommentProperty):
            relation.comment = one.this.name
        elif isinstance(one, exp.Property) and type(one) is exp.Property:
            relation.properties[one.this.name] = one.args["value"].name
        elif not isinstance(one, exp.FileFormatProperty):
            raise SqlError(f"[SANDBOX] this clause is not simulated: {one.sql()}")
    return relation


def _check_names(columns: list[str], relation: Relation) -> None:
    if relation.properties.get("delta.columnMapping.mode") == "name":
        return
    odd = [column for column in columns if _ODD_IN_COLUMNS.search(column)]
    if odd:
        raise SqlError(
            f"[DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES] Found invalid character(s) among ' ,;{{}}()\\n\\t=' in the "
            f"column names of your schema. Invalid column names: {', '.join(odd)}. Please use other characters and "
            "try again. Alternatively, enable Column Mapping. SQLSTATE: 42K05"
        )
