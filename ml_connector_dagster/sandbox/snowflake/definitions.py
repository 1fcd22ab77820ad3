"""CREATE, ALTER, DROP, COMMENT and TRUNCATE. All of them end the session's transaction, as in Snowflake."""

from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.snowflake.catalog import TEMPORARY, Catalog, Path, length_of
from ml_connector_dagster.sandbox.snowflake.privileges import target_of
from ml_connector_dagster.sandbox.snowflake.refusals import Refusal, not_simulated
from ml_connector_dagster.sandbox.snowflake.rewriting import in_duckdb
from ml_connector_dagster.sandbox.snowflake.sessions import Session
from ml_connector_dagster.sandbox.snowflake.stages import Stages


class Definitions:
    """Statements that define something, as DuckDB takes them."""

    def __init__(self, catalog: Catalog, stages: Stages) -> None:
        self._catalog = catalog
        self._stages = stages

    def run(self, session: Session, tree: Any) -> None:
        """Do it, and remember what DuckDB does not."""
        if isinstance(tree, exp.Create):
            self._create(session, tree)
        elif isinstance(tree, exp.Drop):
            path = tuple(part.name for part in target_of(tree).parts)
            session.cursor.execute(in_duckdb(tree))
            self._dropped(tree.kind, path)
        elif isinstance(tree, exp.Alter):
            for statement in _one_action_each(tree):
                session.cursor.execute(statement)
        else:
            session.cursor.execute(in_duckdb(tree))

    def _create(self, session: Session, tree: Any) -> None:
        if tree.kind not in ("TABLE", "SCHEMA", "VIEW"):
            raise not_simulated(f"CREATE {tree.kind}")
        path = tuple(part.name for part in target_of(tree).parts)
        properties = tree.args.get("properties")
        temporary = properties is not None and properties.find(exp.TemporaryProperty) is not None
        transient = properties is not None and properties.find(exp.TransientProperty) is not None
        if path in self._catalog.entries and not tree.args.get("replace"):
            if not tree.args.get("exists"):
                raise Refusal(
                    "002002",
                    "42710",
                    f"SQL compilation error:\nObject '{path[-1]}' already exists.",
                )
            return
        self._refuse_other_kind(tree.kind, path)
        tree.set("properties", None)
        keys = _constraints(tree)
        if temporary:
            path = self._temporary(session, tree, path)
        session.cursor.execute(in_duckdb(tree))
        if tree.kind == "TABLE":
            self._stages.forget_loads(path)
            self._catalog.forget(path)
        self._catalog.add(
            path, kind=tree.kind, owner=session.role, transient=transient, keys=tuple(keys)
        )

    def _refuse_other_kind(self, kind: str, path: Path) -> None:
        there = self._catalog.entries.get(path)
        if there is not None and there.kind != kind:
            raise Refusal(
                "001998",
                "42710",
                f"SQL compilation error:\nObject '{'.'.join(path)}' already exists as {there.kind}",
            )

    def _temporary(self, session: Session, tree: Any, path: Path) -> Path:
        """A name of its own in the same schema: DuckDB's temp schema could not be written in one transaction with it."""
        name = f"{TEMPORARY}{session.id}_{path[-1]}"
        target_of(tree).set("this", exp.to_identifier(name, quoted=True))
        session.temporary[path] = name
        return (*path[:2], name)

    def _dropped(self, kind: str | None, path: Path) -> None:
        if kind == "SCHEMA":
            self._catalog.forget_schema(path)
        self._stages.forget_loads(path)
        self._catalog.forget(path)


def _constraints(tree: Any) -> list[str]:
    """Leave what DuckDB is to enforce for Snowflake; answers the columns of the PRIMARY KEY."""
    keys = []
    for key in list(tree.find_all(exp.PrimaryKey)):
        keys += [one.name for one in key.expressions]
        key.pop()
    for unenforced in [*tree.find_all(exp.UniqueColumnConstraint), *tree.find_all(exp.ForeignKey)]:
        if not isinstance(unenforced.parent, exp.ColumnConstraint):
            unenforced.pop()
    columns = list(tree.find_all(exp.ColumnDef))
    for column in columns:
        kinds = [one.kind for one in column.args.get("constraints") or []]
        if any(isinstance(kind, exp.PrimaryKeyColumnConstraint) for kind in kinds):
            keys.append(column.name)
        if any(
            isinstance(
                kind, exp.AutoIncrementColumnConstraint | exp.GeneratedAsIdentityColumnConstraint
            )
            for kind in kinds
        ):
            raise not_simulated("AUTOINCREMENT")
    for column in columns:
        column.set("constraints", list(_kept(column, is_key=column.name in keys)))
    return keys


def _kept(column: Any, *, is_key: bool) -> Iterator[exp.ColumnConstraint]:
    given = [one.kind for one in column.args.get("constraints") or []]
    kept: list[Any] = [
        kind
        for kind in given
        if isinstance(kind, exp.NotNullColumnConstraint | exp.DefaultColumnConstraint)
    ]
    if is_key and not any(isinstance(kind, exp.NotNullColumnConstraint) for kind in kept):
        kept.append(exp.NotNullColumnConstraint())
    length = length_of(column.kind) if column.kind.is_type(*exp.DataType.TEXT_TYPES) else None
    if length is not None:
        # DuckDB would take longer texts.
        name = exp.to_identifier(column.name, quoted=True).sql("duckdb")
        condition = sqlglot.parse_one(f"length({name}) <= {length}", read="duckdb")
        kept.append(exp.CheckColumnConstraint(this=condition))
    yield from (exp.ColumnConstraint(kind=kind) for kind in kept)


def _one_action_each(tree: Any) -> Iterator[str]:
    """DuckDB takes one action per ALTER."""
    for action in tree.args["actions"]:
        if isinstance(action, exp.ColumnDef) and action.kind is not None:
            if action.kind.is_type(*exp.DataType.TEXT_TYPES) and length_of(action.kind):
                raise not_simulated("ADD COLUMN of a VARCHAR with a length")
            constraints = action.args.get("constraints") or []
            if any(isinstance(one.kind, exp.NotNullColumnConstraint) for one in constraints):
                raise not_simulated("ADD COLUMN … NOT NULL")
            action.set(
                "constraints",
                [one for one in constraints if isinstance(one.kind, exp.DefaultColumnConstraint)],
            )
        one = tree.copy()
        one.set("actions", [action.copy()])
        yield in_duckdb(one)
