"""What a table refuses: CHECK, lengths of texts. NOT NULL and overflow are the engine's own.

A statement that breaks a constraint fails as a whole; here it is carried out, looked at, and taken back. Messages are in
the words of Delta (error classes DELTA_VIOLATE_CONSTRAINT_WITH_VALUES and DELTA_EXCEED_CHAR_VARCHAR_LIMIT). A CHECK must
be true for each row: a null is not.
"""

import re

from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.catalog import Relation
from ml_connector_dagster.sandbox.databricks.engine import Engine, Name, ticked
from ml_connector_dagster.sandbox.databricks.refusals import SqlError


class Constraints:
    """Adds constraints to tables, and holds the rows to them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: Name, relation: Relation, action: exp.Expression) -> None:
        """ALTER TABLE … ADD CONSTRAINT … CHECK (…); the rows that are there must keep it."""
        (constraint,) = action.expressions
        kind = constraint.expressions[0] if constraint.expressions else None
        if not isinstance(kind, exp.CheckColumnConstraint):
            raise SqlError(f"[SANDBOX] this constraint is not simulated: {constraint.sql()}")
        check = constraint.name.lower()
        condition = kind.this.sql(dialect="databricks")
        if check in relation.checks:
            raise SqlError(
                f"[DELTA_CONSTRAINT_ALREADY_EXISTS] Constraint '{check}' already exists. SQLSTATE: 42710"
            )
        broken = self._engine.run(
            f"SELECT count(*) AS n FROM {ticked(*name)} WHERE NOT coalesce(({condition}), FALSE)"
        )["n"][0].as_py()
        if broken:
            raise SqlError(
                f"[DELTA_NEW_CHECK_CONSTRAINT_VIOLATION] {broken} rows in {'.'.join(name)} violate the new CHECK "
                f"constraint ({condition}) SQLSTATE: 23512"
            )
        relation.checks[check] = condition

    def hold(self, name: Name, relation: Relation, version: int) -> None:
        """Raise SqlError, with the table as of ``version`` again, when a row breaks a constraint."""
        try:
            broken = self._broken_check(name, relation) or self._too_long(name, relation)
        except SqlError:
            self._engine.restore(name, version)
            raise
        if broken:
            self._engine.restore(name, version)
            raise SqlError(broken)

    def _broken_check(self, name: Name, relation: Relation) -> str:
        for check, condition in relation.checks.items():
            rows = self._engine.run(
                f"SELECT * FROM {ticked(*name)} WHERE NOT coalesce(({condition}), FALSE) LIMIT 1"
            ).to_pylist()
            if rows:
                named = {column for column in rows[0] if re.search(rf"\b{column}\b", condition)}
                values = "".join(f"\n - {column} : {rows[0][column]}" for column in sorted(named))
                return (
                    f"[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint {check} ({condition}) violated by row "
                    f"with values:{values} SQLSTATE: 23001"
                )
        return ""

    def _too_long(self, name: Name, relation: Relation) -> str:
        for column, declared in relation.declared_types.items():
            longest = re.fullmatch(r"(?:var)?char\((\d+)\)", declared)
            if longest is None:
                continue
            rows = self._engine.run(
                f"SELECT {ticked(column)} AS value FROM {ticked(*name)}"
                f" WHERE char_length({ticked(column)}) > {longest[1]} LIMIT 1"
            ).to_pylist()
            if rows:
                return (
                    f'[DELTA_EXCEED_CHAR_VARCHAR_LIMIT] Value "{rows[0]["value"]}" exceeds char/varchar type length '
                    f"limitation. Failed check: ((length({column}) <= {longest[1]})). SQLSTATE: 22001"
                )
        return ""
