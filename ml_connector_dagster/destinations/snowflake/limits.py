"""Find the rows that a user's own table would refuse, before they are written: in one expression, for all rows at once.

A MERGE fails as a whole for one bad row. Only tables that somebody else made have such limits: NOT NULL, VARCHAR(10),
NUMBER(8,2). The words are Snowflake's own, so that a dead letter says what a query would say. A number that would only
fit rounded is refused, too, though Snowflake would round it: what is stored is what the ERP said.
"""

from collections.abc import Mapping
from typing import Final

from ml_connector_dagster.destinations.snowflake.names import folded, identifier, text
from ml_connector_dagster.destinations.snowflake.tables import TableColumn
from ml_connector_dagster.destinations.snowflake.types import DIGITS
from ml_connector_dagster.model.entities import ColumnType


#: VARCHAR without a length.
ANY_LENGTH: Final = 16_777_216
_LONGEST_EXAMPLE: Final = 200


def reason(types: Mapping[str, ColumnType], table: Mapping[str, TableColumn]) -> str:
    """Why a row of columns ``types`` is refused by ``table``, as SQL over its values; NULL for a row that fits."""
    cases = [
        f"WHEN {refused} THEN {text(f'column {folded(name)}: ')} || {words}"
        for name, kind in types.items()
        for refused, words in _limits(identifier(name), kind, table[name])
    ]
    return f"CASE {' '.join(cases)} END" if cases else "NULL::VARCHAR"


def _limits(value: str, kind: ColumnType, column: TableColumn) -> list[tuple[str, str]]:
    """Pairs of SQL: when a value is refused, and what is said."""
    limits = []
    if not column.nullable:
        limits.append((f"{value} IS NULL", text("NULL result in a non-nullable column")))
    if kind is ColumnType.STRING and column.length < ANY_LENGTH:
        limits.append(
            (
                f"LENGTH({value}) > {column.length}",
                f"{text('String ' + chr(39))} || LEFT({value}, {_LONGEST_EXAMPLE})"
                f" || {text(chr(39) + ' is too long and would be truncated')}",
            )
        )
    if kind in DIGITS:
        limits += _number_limits(value, kind, column)
    return limits


def _number_limits(value: str, kind: ColumnType, column: TableColumn) -> list[tuple[str, str]]:
    limits = []
    before, after = DIGITS[kind]
    digits = column.precision - column.scale
    if digits < before:
        words = f"Number out of representable range: type {column}, value "
        limits.append(
            (f"ABS({value}) >= 1{'0' * digits}", f"{text(words)} || {value}::VARCHAR"),
        )
    if column.scale < after:
        words = f" has more decimals than {column}, which would round it"
        limits.append(
            (
                f"{value} <> ROUND({value}, {column.scale})",
                f"{text('Number ')} || {value}::VARCHAR || {text(words)}",
            )
        )
    return limits
