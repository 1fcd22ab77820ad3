"""Statements as text into trees: parameters, column definitions, names of types."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

import pyarrow as pa
import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.refusals import SqlError


#: A parameter as it was sent: value (None is NULL) and type.
Parameters = Mapping[str, tuple[str | None, str]]

#: What stands for a parameter in a tree until it is rendered.
TOKEN: Final = re.compile(r"parameter_token_(\d+)_")
_COMMENT: Final = re.compile(r"\s*/\*.*?\*/", re.S)
_PARAMETER_TYPES: Final = frozenset(
    {"STRING", "BIGINT", "INT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDefinition:
    """A column as a statement defines it."""

    name: str
    type: str
    comment: str = ""
    nullable: bool = True

    @property
    def engine_type(self) -> str:
        """The type that is stored: lengths of texts are the catalog's business."""
        return re.sub(r"(var)?char\(\d+\)", "string", self.type)


def without_comments(text: str) -> str:
    """The statement behind the comments that it begins with."""
    while found := _COMMENT.match(text):
        text = text[found.end() :]
    return text.strip()


def parse(text: str) -> exp.Expression:
    """The tree of one statement."""
    try:
        trees = sqlglot.parse(text, read="databricks")
    except sqlglot.errors.SqlglotError as error:
        raise SqlError(f"[PARSE_SYNTAX_ERROR] Syntax error. SQLSTATE: 42601\n{error}") from error
    if len(trees) != 1 or trees[0] is None:
        raise SqlError("[PARSE_SYNTAX_ERROR] one statement is needed. SQLSTATE: 42601")
    return cast("exp.Expression", trees[0])


def bind(tree: exp.Expression, parameters: Parameters) -> list[str]:
    """Put a numbered token in place of each parameter; answers the SQL literals."""
    values: list[str] = []
    for marker in list(tree.find_all(exp.Placeholder)):
        if not marker.args.get("this"):
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


def column_definitions(definitions: list[exp.Expression]) -> list[ColumnDefinition]:
    """The columns that CREATE TABLE or ADD COLUMNS lists."""
    columns = []
    for one in definitions:
        if not isinstance(one, exp.ColumnDef) or one.args.get("kind") is None:
            raise SqlError(f"[SANDBOX] only plain columns are simulated: {one.sql()}")
        comment, nullable = "", True
        for constraint in one.args.get("constraints") or []:
            if isinstance(constraint.kind, exp.CommentColumnConstraint):
                comment = constraint.kind.this.name
            elif isinstance(constraint.kind, exp.NotNullColumnConstraint):
                nullable = False
            else:
                raise SqlError(f"[SANDBOX] this constraint is not simulated: {constraint.sql()}")
        kind = one.args["kind"].sql(dialect="databricks").lower().replace(", ", ",")
        columns.append(
            ColumnDefinition(name=one.name, type=kind, comment=comment, nullable=nullable)
        )
    return columns


def type_text(kind: pa.DataType) -> str:
    """An Arrow type as Spark names it."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    names = {"int64": "bigint", "int32": "int", "date32[day]": "date", "bool": "boolean"}
    text = str(kind)
    return names.get(text, "string" if "string" in text or text == "utf8_view" else text)
