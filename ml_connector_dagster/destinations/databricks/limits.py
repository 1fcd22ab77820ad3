"""Find the rows that a user's own table would refuse, before they are written: in one query, for all rows at once.

A MERGE fails as a whole for one bad row. Only tables that somebody else made have such limits: NOT NULL, CHECK,
VARCHAR(10), DECIMAL(8,2). Our own tables pass here without a query over the rows. A number that would only fit rounded is
refused, too, though Delta would round it: what is stored is what the ERP said.
"""

from collections.abc import Mapping
from typing import Final

from ml_connector_dagster.destinations.databricks.tables import Columns
from ml_connector_dagster.destinations.databricks.types import (
    is_narrower,
    length,
    literal,
    ticked,
)


#: How much of a value, and of a whole reason, is told.
_LONGEST_VALUE: Final = 200
_LONGEST_REASON: Final = 500


def refused_rows(
    source: str,
    table: str,
    *,
    brought: Mapping[str, str],
    columns: Columns,
    checks: Mapping[str, str],
) -> str:
    """A relation (record_id, reason) with a reason for each row of ``source`` that ``table`` refuses; "" without limits.

    Args:
        brought: name → type of the columns of ``source``; what it does not bring, a stored row keeps.
        checks: name → condition of the table's CHECK constraints, over its columns. Delta wants them to be true: a
            null is not.
    """
    limits = [one for name, kind in brought.items() for one in _limits(name, kind, columns)]
    limits += [
        (
            f"NOT coalesce(({condition}), FALSE)",
            literal(
                f"[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint {name} ({condition}) violated by this record"
            ),
        )
        for name, condition in checks.items()
    ]
    if not limits:
        return ""
    cases = " ".join(f"WHEN {refused} THEN {reason}" for refused, reason in limits)
    return (
        f"(SELECT `key of the row` AS record_id, left(CASE {cases} END, {_LONGEST_REASON}) AS reason FROM ("
        f"SELECT i.record_id AS `key of the row`, {_row_to_be(brought, columns)}"
        f" FROM {source} AS i LEFT JOIN {table} AS t ON t.record_id = i.record_id) AS row_to_be)"
    )


def _row_to_be(brought: Mapping[str, str], columns: Columns) -> str:
    """The table's columns as they would be stored, by their own names; and what was sent for them."""
    kinds = {name.lower(): kind for name, kind in brought.items()}
    values = []
    for key, column in columns.items():
        value = f"i.{ticked(column.name)}" if key in kinds else f"t.{ticked(column.name)}"
        if key in kinds and kinds[key] != "string" and is_narrower(kinds[key], column.type):
            value = f"TRY_CAST({value} AS {column.type.upper()})"
        values.append(f"{value} AS {ticked(column.name)}")
    values += [f"i.{ticked(name)} AS {_sent(name)}" for name in brought]
    return ", ".join(values)


def _limits(name: str, kind: str, columns: Columns) -> list[tuple[str, str]]:
    """Pairs of SQL: when a row is refused, and what is said."""
    column, sent = columns[name.lower()], _sent(name)
    limits = []
    if not column.nullable:
        words = f"[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: {column.name}."
        limits.append((f"{sent} IS NULL", literal(words)))
    longest = length(column.type)
    if longest is not None:
        words = f"' exceeds the length limitation of {column.type}"
        limits.append(
            (
                f"char_length({sent}) > {longest}",
                f"concat({literal(f'[DELTA_EXCEED_CHAR_VARCHAR_LIMIT] column {column.name}: ' + chr(39))},"
                f" left({sent}, {_LONGEST_VALUE}), {literal(words)})",
            )
        )
    elif is_narrower(kind, column.type):
        limits.append(
            (
                f"coalesce(CAST({ticked(column.name)} AS {kind.upper()}) <> {sent}, {sent} IS NOT NULL)",
                f"concat({literal(f'column {column.name}: ')}, CAST({sent} AS STRING),"
                f" {literal(f' does not fit {column.type} exactly')})",
            )
        )
    return limits


def _sent(name: str) -> str:
    return ticked(f"{name} as sent")
