"""Find the rows that a user's own table refuses, before writing: in bulk, not by trial and error.

An error ends a DuckDB transaction, so a refused row must be known beforehand. Only tables that somebody else made
have such limits: narrower types, NOT NULL, CHECK. Our own tables pass through here without a query over the rows.
"""

from collections.abc import Mapping

import duckdb

from ml_connector_dagster.destinations.duckdb.tables import Names, TableColumn
from ml_connector_dagster.destinations.duckdb.types import is_narrower
from ml_connector_dagster.destinations.identifiers import literal, quoted
from ml_connector_dagster.model.errors import ConfigError


def reject_what_does_not_fit(
    connection: duckdb.DuckDBPyConnection,
    names: Names,
    *,
    staged: Mapping[str, str],
    table: Mapping[str, TableColumn],
    files: list[str],
) -> None:
    """Set ``outcome`` and ``reason`` of those rows in ``decided`` that the table would refuse.

    A value counts as refused, too, when it would only fit rounded: what is stored is what the ERP said.
    The words are DuckDB's own.
    """
    limits = _limits(connection, names, staged, table)
    if not limits:
        return
    cases = " ".join(f"WHEN {refused} THEN {reason}" for refused, reason in limits)
    casts = ", ".join(
        f"TRY_CAST({quoted(name)} AS {table[name.lower()].type}) AS {quoted(name)}"
        for name in staged
    )
    raw = ", ".join(f"{quoted(name)} AS {quoted(f'{name} as sent')}" for name in staged)
    try:
        connection.execute(
            f"""
            UPDATE decided SET outcome = 'rejected', reason = found.reason
            FROM (
                SELECT _at_file, _at_position, left(CASE {cases} END, 500) AS reason
                FROM (
                    SELECT file_index AS _at_file, file_row_number AS _at_position, {casts}, {raw}
                    FROM read_parquet($files)
                )
            ) AS found
            WHERE decided.file = found._at_file AND decided.position = found._at_position
                AND found.reason IS NOT NULL AND decided.outcome <> 'unchanged'
            """,
            {"files": files},
        )
    except duckdb.Error as error:
        raise ConfigError(
            f"The constraints of table {names.schema}.{names.table} cannot be evaluated: {error}. "
            "Change or drop them, then deliver again"
        ) from error


def _limits(
    connection: duckdb.DuckDBPyConnection,
    names: Names,
    staged: Mapping[str, str],
    table: Mapping[str, TableColumn],
) -> list[tuple[str, str]]:
    """Pairs of SQL: when a row is refused, and the reason as text."""
    limits = []
    for name, expected in staged.items():
        column = table[name.lower()]
        sent = quoted(f"{name} as sent")
        if is_narrower(expected, column.type):
            before = f'column {column.name}: Casting value "'
            after = f'" to type {column.type} failed: value is out of range!'
            limits.append(
                (
                    f"{sent} IS DISTINCT FROM CAST({quoted(name)} AS {expected})",
                    f"{literal(before)} || CAST({sent} AS VARCHAR) || {literal(after)}",
                )
            )
        if not column.nullable:
            reason = f"NOT NULL constraint failed: {names.table}.{column.name}"
            limits.append((f"{sent} IS NULL", literal(reason)))
    return limits + _checks(connection, names, staged)


def _checks(
    connection: duckdb.DuckDBPyConnection, names: Names, staged: Mapping[str, str]
) -> list[tuple[str, str]]:
    found = connection.execute(
        "SELECT expression, constraint_text, constraint_column_names FROM duckdb_constraints()"
        " WHERE database_name = current_database() AND lower(schema_name) = lower(?)"
        " AND lower(table_name) = lower(?) AND constraint_type = 'CHECK'",
        [names.schema, names.table],
    ).fetchall()
    brought = {name.lower() for name in staged}
    return [
        (
            f"({expression}) = false",
            literal(f'CHECK constraint failed on table "{names.table}" with expression {text}'),
        )
        for expression, text, columns in found
        if {column.lower() for column in columns} <= brought
    ]
