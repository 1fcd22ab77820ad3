"""Statements that define things: schemas, volumes, tables, views, columns, constraints.

Clauses that the engine lacks are kept in the catalog instead: comments, table properties, lengths, checks.
"""

import re
from collections.abc import Callable
from typing import Final, cast

import pyarrow as pa
from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.catalog import Catalog, Relation
from ml_connector_dagster.sandbox.databricks.constraints import Constraints
from ml_connector_dagster.sandbox.databricks.engine import Engine, Name, ticked
from ml_connector_dagster.sandbox.databricks.names import Resolver
from ml_connector_dagster.sandbox.databricks.parsing import (
    ColumnDefinition,
    column_definitions,
    type_text,
)
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import SqlError, insufficient
from ml_connector_dagster.sandbox.databricks.volumes import Volumes


#: A part of a tree, with its parameters, as the engine's SQL.
Render = Callable[[exp.Expression], str]

#: Without column mapping, Delta refuses these in the name of a column.
_ODD_IN_COLUMNS: Final = re.compile(r"[ ,;{}()\n\t=]")


class Definitions:
    """Carries out definitions for one principal."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        volumes: Volumes,
        privileges: Privileges,
        resolver: Resolver,
        constraints: Constraints,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._volumes = volumes
        self._privileges = privileges
        self._resolver = resolver
        self._constraints = constraints

    def create_schema(self, catalog: str, schema: str, *, exists_ok: bool) -> pa.Table:
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

    def create_volume(self, *name: str, exists_ok: bool) -> pa.Table:
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

    def create_table(self, tree: exp.Expression, render: Render) -> pa.Table:
        schema = tree.this if isinstance(tree.this, exp.Schema) else None
        name = self._resolver.qualify(schema.this if schema else tree.this)
        relation = _described(tree, Relation(kind="MANAGED"))
        with self._catalog.lock:
            self._catalog.check_schema(*name[:2])
            self._privileges.need("CREATE TABLE", *name[:2])
            if tree.expression is not None:
                self._resolver.read(tree.expression)
            if tree.args.get("replace"):
                raise SqlError("[SANDBOX] CREATE OR REPLACE TABLE is not simulated")
            if name in self._catalog.relations:
                if tree.args.get("exists"):
                    return pa.table({})
                raise SqlError(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create `{name[2]}`.")
            columns = column_definitions(schema.expressions) if schema else []
            _check_names(columns, relation)
            location = f"USING DELTA LOCATION '{self._engine.location(name)}'"
            if tree.expression is not None:
                try:
                    self._engine.run(
                        f"CREATE TABLE {ticked(*name)} {location} AS {render(tree.expression)}"
                    )
                except SqlError:
                    self._engine.drop(name)
                    raise
            else:
                listed = ", ".join(
                    f"{ticked(one.name)} {one.engine_type}{'' if one.nullable else ' NOT NULL'}"
                    for one in columns
                )
                self._engine.run(f"CREATE TABLE {ticked(*name)} ({listed}) {location}")
            relation.describe(columns)
            self._catalog.relations[name] = relation
            self._privileges.own(*name)
        return pa.table({})

    def create_view(self, tree: exp.Expression, render: Render) -> pa.Table:
        name = self._resolver.qualify(tree.this)
        with self._catalog.lock:
            self._catalog.check_schema(*name[:2])
            self._privileges.need("CREATE TABLE", *name[:2])
            definition = tree.expression.sql(dialect="databricks")
            self._resolver.read(tree.expression)
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
            if known is not None:
                self._privileges.forget(*name)  # replacing a view does not keep who may read it
            relation = _described(tree, Relation(kind="VIEW", query=render(tree.expression)))
            relation.definition = definition
            relation.columns = self._columns_of(relation.query)
            self._catalog.relations[name] = relation
            self._privileges.own(*name)
        return pa.table({})

    def _columns_of(self, query: str) -> tuple[tuple[str, str], ...]:
        shape = self._engine.run(f"SELECT * FROM ({query}) LIMIT 0").schema
        return tuple((field.name, type_text(field.type)) for field in shape)

    def alter_view(self, tree: exp.Expression, render: Render) -> pa.Table:
        actions = tree.args.get("actions") or []
        if len(actions) != 1 or not isinstance(actions[0], exp.Query):
            raise SqlError(f"[SANDBOX] only ALTER VIEW … AS query is simulated: {tree.sql()[:100]}")
        name = self._resolver.qualify(tree.this)
        with self._catalog.lock:
            relation = self._catalog.relation(name)
            if relation.kind != "VIEW":
                raise SqlError(
                    f"[EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE] `{name[2]}` is a table, not a view."
                )
            if not self._privileges.owns(*name):
                raise insufficient("MANAGE", "Table", ".".join(name))
            select = cast("exp.Expression", actions[0])
            written = select.sql(dialect="databricks")
            self._resolver.read(select)
            query = render(select)
            relation.columns = self._columns_of(query)
            relation.query = query
            relation.definition = written
        return pa.table({})

    def alter_table(self, tree: exp.Expression, render: Render) -> pa.Table:
        """ADD COLUMNS, or ADD CONSTRAINT … CHECK."""
        actions = tree.args.get("actions") or []
        name = self._resolver.qualify(tree.this)
        with self._catalog.lock:
            relation = self._catalog.relation(name)
            self._privileges.need("MODIFY", *name)
            if len(actions) == 1 and isinstance(actions[0], exp.Schema):
                self._add_columns(name, relation, column_definitions(actions[0].expressions))
            elif len(actions) == 1 and isinstance(actions[0], exp.AddConstraint):
                self._constraints.add(name, relation, actions[0])
            else:
                raise SqlError(f"[SANDBOX] this change is not simulated: {tree.sql()[:100]}")
        return pa.table({})

    def _add_columns(self, name: Name, relation: Relation, columns: list[ColumnDefinition]) -> None:
        present = {column.name.lower() for column in self._engine.columns(name)}
        for column in columns:
            if column.name.lower() in present:
                raise SqlError(
                    f"[FIELD_ALREADY_EXISTS] Cannot add column, because `{column.name}` already exists in the table."
                )
        _check_names(columns, relation)
        self._engine.add_columns(name, [(one.name, one.engine_type) for one in columns])
        relation.describe(columns)

    def drop_table(self, tree: exp.Expression, render: Render) -> pa.Table:
        with self._catalog.lock:
            name = self._resolver.qualify(next(tree.find_all(exp.Table)))
            self._privileges.enter(*name[:2])
            if name not in self._catalog.relations:
                if tree.args.get("exists"):
                    return pa.table({})
                self._catalog.relation(name)
            if not self._privileges.owns(*name):
                raise insufficient("MANAGE", "Table", ".".join(name))
            self._engine.drop(name)
            del self._catalog.relations[name]
            self._privileges.disown(*name)
        return pa.table({})

    def drop_schema(self, catalog: str, schema: str, *, exists_ok: bool) -> pa.Table:
        """DROP SCHEMA … CASCADE"""
        with self._catalog.lock:
            if (catalog, schema) not in self._catalog.schemas:
                if exists_ok:
                    return pa.table({})
                self._catalog.check_schema(catalog, schema)
            if not self._privileges.owns(catalog, schema):
                raise insufficient("MANAGE", "Schema", f"{catalog}.{schema}")
            for name in [one for one in self._catalog.relations if one[:2] == (catalog, schema)]:
                self._engine.drop(name)
                del self._catalog.relations[name]
                self._privileges.disown(*name)
            for volume in self._volumes.drop_all(catalog, schema):
                self._privileges.disown(catalog, schema, volume)
            self._catalog.schemas.discard((catalog, schema))
            self._privileges.disown(catalog, schema)
        return pa.table({})

    def properties(self, *name: str) -> pa.Table:
        """SHOW TBLPROPERTIES"""
        place = (name[0], name[1], name[2])
        self._catalog.check_schema(*place[:2])
        relation = self._catalog.relation(place)
        self._privileges.need("SELECT", *place)
        shown = relation.properties | {
            f"delta.constraints.{check}": condition for check, condition in relation.checks.items()
        }
        return pa.table(
            {
                "key": pa.array(list(shown), pa.string()),
                "value": pa.array(list(shown.values()), pa.string()),
            }
        )


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


def _check_names(columns: list[ColumnDefinition], relation: Relation) -> None:
    if relation.properties.get("delta.columnMapping.mode") == "name":
        return
    odd = [one.name for one in columns if _ODD_IN_COLUMNS.search(one.name)]
    if odd:
        raise SqlError(
            f"[DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES] Found invalid character(s) among ' ,;{{}}()\\n\\t=' in the "
            f"column names of your schema. Invalid column names: {', '.join(odd)}. Please use other characters and "
            "try again. Alternatively, enable Column Mapping. SQLSTATE: 42K05"
        )
