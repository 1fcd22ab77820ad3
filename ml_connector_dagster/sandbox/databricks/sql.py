"""Run one statement: parse it, check names and privileges, let the engine do it. What a loader does not need is refused."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pyarrow as pa
from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.catalog import Catalog
from ml_connector_dagster.sandbox.databricks.constraints import Constraints
from ml_connector_dagster.sandbox.databricks.definitions import Definitions, Render
from ml_connector_dagster.sandbox.databricks.engine import Engine, Name, ticked
from ml_connector_dagster.sandbox.databricks.names import Resolver
from ml_connector_dagster.sandbox.databricks.parsing import (
    TOKEN,
    Parameters,
    bind,
    parse,
    without_comments,
)
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import SqlError
from ml_connector_dagster.sandbox.databricks.volumes import Volumes


_NAME: Final = r"(`[^`]+`|\w+)"
_CREATE_SCHEMA: Final = re.compile(
    rf"CREATE\s+SCHEMA\s+(IF\s+NOT\s+EXISTS\s+)?{_NAME}\.{_NAME}(\s+COMMENT\s+'.*')?", re.I | re.S
)
_CREATE_VOLUME: Final = re.compile(
    rf"CREATE\s+VOLUME\s+(IF\s+NOT\s+EXISTS\s+)?{_NAME}\.{_NAME}\.{_NAME}(\s+COMMENT\s+'.*')?",
    re.I | re.S,
)
_DROP_SCHEMA: Final = re.compile(
    rf"DROP\s+SCHEMA\s+(IF\s+EXISTS\s+)?{_NAME}\.{_NAME}\s+CASCADE", re.I
)
_SHOW_PROPERTIES: Final = re.compile(rf"SHOW\s+TBLPROPERTIES\s+{_NAME}\.{_NAME}\.{_NAME}", re.I)
_NOTHING: Final = {
    f"num_{what}_rows": [0] for what in ("affected", "updated", "deleted", "inserted")
}


class Warehouse:
    """Takes the statements of the workspace."""

    def __init__(
        self, engine: Engine, catalog: Catalog, volumes: Volumes, privileges: Privileges
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._resolver = Resolver(catalog, volumes, privileges)
        self._constraints = Constraints(engine)
        self._definitions = Definitions(
            engine, catalog, volumes, privileges, self._resolver, self._constraints
        )

    def run(self, text: str, parameters: Parameters) -> pa.Table:
        """The result of one statement; a statement without a result gives a table without columns."""
        text = without_comments(text)
        if found := _CREATE_SCHEMA.fullmatch(text):
            return self._definitions.create_schema(
                *_plain(found[2], found[3]), exists_ok=bool(found[1])
            )
        if found := _CREATE_VOLUME.fullmatch(text):
            return self._definitions.create_volume(
                *_plain(found[2], found[3], found[4]), exists_ok=bool(found[1])
            )
        if found := _DROP_SCHEMA.fullmatch(text):
            return self._definitions.drop_schema(
                *_plain(found[2], found[3]), exists_ok=bool(found[1])
            )
        if found := _SHOW_PROPERTIES.fullmatch(text):
            return self._definitions.properties(*_plain(found[1], found[2], found[3]))
        tree = parse(text)
        values = bind(tree, parameters)
        action = self._action(tree)

        def render(node: exp.Expression) -> str:
            sql = node.sql(dialect="databricks", comments=False)
            return TOKEN.sub(lambda token: values[int(token[1])], sql)

        return action(tree, render)

    def _action(self, tree: exp.Expression) -> Callable[[exp.Expression, Render], pa.Table]:
        if isinstance(tree, exp.Select | exp.Union):
            return self._select
        if isinstance(tree, exp.Merge):
            return self._merge
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            return self._definitions.create_table
        if isinstance(tree, exp.Create) and tree.kind == "VIEW":
            return self._definitions.create_view
        if isinstance(tree, exp.Alter):
            return (
                self._definitions.alter_view
                if tree.args.get("kind") == "VIEW"
                else self._definitions.alter_table
            )
        if isinstance(tree, exp.Drop) and tree.kind == "TABLE":
            return self._definitions.drop_table
        raise SqlError(f"[SANDBOX] this kind of statement is not simulated: {tree.sql()[:100]}")

    def _select(self, tree: exp.Expression, render: Render) -> pa.Table:
        self._resolver.read(tree)
        return self._engine.run(render(tree))

    def _merge(self, tree: exp.Expression, render: Render) -> pa.Table:
        with self._catalog.lock:
            target = self._resolver.qualify(tree.this)
            self._resolver.read(tree, writes=tree.this)
            relation = self._catalog.relation(target)
            if relation.kind != "MANAGED":
                raise SqlError(
                    f"[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] 'MERGE' expects a table but `{target[2]}` is a view."
                )
            before = self._engine.version(target)
            with self._settled_source(tree, target, render):
                self._engine.run(render(tree))
            if self._engine.version(target) == before:
                return pa.table(_NOTHING)
            self._constraints.hold(target, relation, before)
            return self._engine.merge_metrics(target)

    @contextmanager
    def _settled_source(self, tree: exp.Expression, target: Name, render: Render) -> Iterator[None]:
        """Sail looks for nulls before it joins, in rows that are not to be written. So they are filtered beforehand."""
        source = tree.args["using"]
        if not isinstance(source, exp.Subquery) or all(
            column.nullable for column in self._engine.columns(target)
        ):
            yield
            return
        aside = (*target[:2], f"{target[2]}__source")
        self._engine.drop(aside)
        self._engine.run(
            f"CREATE TABLE {ticked(*aside)} USING DELTA LOCATION '{self._engine.location(aside)}'"
            f" AS {render(source.this)}"
        )
        table = exp.to_table(ticked(*aside), dialect="databricks")
        table.set("alias", source.args.get("alias"))
        tree.set("using", table)
        try:
            yield
        finally:
            self._engine.drop(aside)


def _plain(*names: str) -> tuple[str, ...]:
    return tuple(name.strip("`").lower() for name in names)
