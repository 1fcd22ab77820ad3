"""The SQL that Compass takes here, turned into SQL over the ERP's database.

A strict subset: one SELECT of columns, texts and count(*), of tables that are joined by equal columns, with comparisons.
What has another type than the column it is compared with is refused, as it would be there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.ion.compass.tables import ColumnType, LakeTable


_KNOWN: Final = (
    exp.Select, exp.From, exp.Join, exp.Table, exp.TableAlias, exp.Identifier, exp.Column, exp.Star, exp.Alias,
    exp.Literal, exp.Neg, exp.Count, exp.Where, exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT,
    exp.LTE, exp.In, exp.Between, exp.Is, exp.Null, exp.Order, exp.Ordered, exp.Limit,
)  # fmt: skip
_COMPARISONS: Final = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class BadStatementError(Exception):
    """Compass says no; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement that can be run. ``columns``: the names of its result; ``tables``: what it reads, the first one first."""

    sql: str
    columns: tuple[str, ...]
    tables: tuple[LakeTable, ...]


def read_statement(text: str, tables: Mapping[str, LakeTable], absent: frozenset[str]) -> Statement:
    """Understand ``text``. ``absent``: columns that this installation does not have. Raises BadStatementError."""
    select = _parsed(text)
    scope = dict(_scope(select, tables))
    for column in select.find_all(exp.Column):
        if not isinstance(column.this, exp.Star):
            _type_of(column, scope, absent)
    for condition in select.find_all(*_COMPARISONS, exp.In, exp.Between):
        _check_types(condition, scope, absent)
    names, values = _projections(select, scope, absent)
    select.set("expressions", values)
    used = tuple({table.name: table for table in scope.values()}.values())
    parts = ", ".join(f'"lake {table.name}" AS ({table.sql()})' for table in used)
    for one in select.find_all(exp.Table):
        one.set(
            "this", exp.to_identifier(f"lake {scope[one.alias_or_name.upper()].name}", quoted=True)
        )
    return Statement(sql=f"WITH {parts} {select.sql(dialect='sqlite')}", columns=names, tables=used)


def main_table(text: str) -> str:
    """The table after FROM, for the journal; "" when there is none."""
    match = re.search(r"\bfrom\s+\"?(\w+)", text, re.IGNORECASE)
    return match[1] if match else ""


def _parsed(text: str) -> exp.Select:
    try:
        statements = sqlglot.parse(text, read="trino")
    except sqlglot.errors.SqlglotError as error:
        raise BadStatementError(f"SYNTAX_ERROR: {str(error).splitlines()[0]}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        raise BadStatementError("Only a single SELECT statement is supported")
    for node in statements[0].walk():
        if not isinstance(node, _KNOWN):
            raise BadStatementError(f"SYNTAX_ERROR: {node.key} is not supported")
    return statements[0]


def _scope(select: exp.Select, tables: Mapping[str, LakeTable]) -> Iterator[tuple[str, LakeTable]]:
    """Alias in capitals → table."""
    found = list(select.find_all(exp.Table))
    if not found:
        raise BadStatementError("SYNTAX_ERROR: a table is expected after FROM")
    for one in found:
        table = tables.get(one.name.upper())
        if table is None:
            raise BadStatementError(f"Table '{one.name}' does not exist")
        if not one.alias:
            one.set("alias", exp.TableAlias(this=exp.to_identifier(one.name)))
        yield one.alias.upper(), table


def _type_of(
    column: exp.Column, scope: Mapping[str, LakeTable], absent: frozenset[str]
) -> ColumnType:
    owners = (
        [scope[column.table.upper()]]
        if column.table.upper() in scope
        else []
        if column.table
        else list(scope.values())
    )
    types = [
        known.type
        for owner in owners
        for name, known in owner.columns.items()
        if name.upper() == column.name.upper() and name not in absent
    ]
    if len(types) != 1:
        why = "is ambiguous" if types else "cannot be resolved"
        raise BadStatementError(f"Column '{column.sql()}' {why}")
    return types[0]


def _check_types(
    condition: exp.Condition, scope: Mapping[str, LakeTable], absent: frozenset[str]
) -> None:
    parts: list[Any] = [one for one in condition.args.values() if isinstance(one, exp.Condition)]
    parts += [one for many in condition.args.values() if isinstance(many, list) for one in many]
    columns = [one for one in parts if isinstance(one, exp.Column)]
    if not columns:
        return
    kind = _type_of(columns[0], scope, absent)
    for one in parts:
        if isinstance(one, exp.Column):
            other = _type_of(one, scope, absent)
        else:
            literal = one.this if isinstance(one, exp.Neg) else one
            other = "varchar" if literal.args.get("is_string") else "integer"
            if kind == "timestamp" and other == "varchar" and _MOMENT.fullmatch(literal.name):
                other = "timestamp"
        if other != kind or kind == "decimal":
            raise BadStatementError(
                f"SYNTAX_ERROR: '{condition.sql()}' cannot be applied to {kind}, {other}"
            )


def _projections(
    select: exp.Select, scope: Mapping[str, LakeTable], absent: frozenset[str]
) -> tuple[tuple[str, ...], Sequence[exp.Expression]]:
    names: list[str] = []
    values: list[exp.Expression] = []
    for one in select.expressions:
        inner = one.this if isinstance(one, exp.Alias) else one
        if isinstance(inner, exp.Star) or (
            isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)
        ):
            wanted = inner.table.upper() if isinstance(inner, exp.Column) else ""
            for alias, table in scope.items():
                for name in table.columns:
                    if wanted in ("", alias) and name not in absent:
                        names.append(name)
                        values.append(exp.column(name, table=alias, quoted=True))
        elif isinstance(inner, exp.Column | exp.Literal | exp.Count):
            names.append(one.alias_or_name or f"_col{len(names)}")
            values.append(one)
        else:
            raise BadStatementError(f"SYNTAX_ERROR: {one.sql()} is not supported in a select list")
    return tuple(names), values
