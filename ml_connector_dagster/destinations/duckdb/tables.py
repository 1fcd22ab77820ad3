"""Tables of a DuckDB warehouse: names, types, making them and adding columns. Views over tables per company.

There is no PRIMARY KEY: a merge into a keyed table costs 7 to 19 times as much (reference/warehouses.md §C).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS
from ml_connector_dagster.destinations.duckdb.types import TYPES, fits_family
from ml_connector_dagster.destinations.identifiers import company_suffix, literal, quoted
from ml_connector_dagster.destinations.table_names import AUDIT, BATCHES, TableNames
from ml_connector_dagster.model.entities import ColumnType, Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS


_AUDIT_TYPES: Final = {
    name: TYPES[ColumnType.TIMESTAMP if name == "delivered_at" else ColumnType.STRING]
    for name in RECEIPT_COLUMNS
}
_AUDIT_COMMENT: Final = (
    "One row for each record that a delivery inserted, updated, marked deleted or rejected."
)
_BATCHES_COMMENT: Final = (
    "One row for each batch that has been applied, written together with its data."
)
_BATCHES_TYPES: Final = {
    "batch_id": "VARCHAR",
    "tenant": "VARCHAR",
    "entity": "VARCHAR",
    "company": "VARCHAR",
    "table_name": "VARCHAR",
    "run_id": "VARCHAR",
    "inserted": "BIGINT",
    "updated": "BIGINT",
    "unchanged": "BIGINT",
    "deleted": "BIGINT",
    "rejected": "BIGINT",
    "receipts": "VARCHAR",
    "delivered_at": "TIMESTAMP WITH TIME ZONE",
}
_HISTORY_DESCRIPTIONS: Final = {
    "_replaced_at": "when a newer version took this one's place",
    "_replaced_by_batch": "the batch that carried the newer version",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names(TableNames):
    """The tables that one batch goes to, in a schema."""

    schema: str

    def sql(self, name: str) -> str:
        """``name`` in this schema, quoted."""
        return quoted(self.schema, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column as the database has it."""

    name: str
    type: str
    nullable: bool
    default: str | None
    generated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What a schema has, asked once: DuckDB takes milliseconds for every question about its catalog.

    ``columns``: lower-case name of a table or view → its columns by lower-case name, in order.
    """

    columns: Mapping[str, dict[str, TableColumn]]
    views: frozenset[str]

    def kind(self, name: str) -> str | None:
        """Whether ``name`` is a "table" or a "view"; None when it is not there."""
        if name.lower() in self.views:
            return "view"
        return "table" if name.lower() in self.columns else None


def present(connection: duckdb.DuckDBPyConnection, schema: str, names: Iterable[str]) -> Present:
    """What there is of the tables and views called ``names``."""
    wanted = {"schema": schema, "names": [name.lower() for name in names]}
    found = connection.execute(
        "SELECT lower(table_name), column_name, data_type, is_nullable, column_default, is_generated"
        " FROM duckdb_columns() WHERE database_name = current_database()"
        " AND lower(schema_name) = lower($schema) AND list_contains($names, lower(table_name))"
        " ORDER BY column_index",
        wanted,
    ).fetchall()
    views = connection.execute(
        "SELECT lower(view_name) FROM duckdb_views() WHERE database_name = current_database()"
        " AND lower(schema_name) = lower($schema) AND list_contains($names, lower(view_name))",
        wanted,
    ).fetchall()
    columns: dict[str, dict[str, TableColumn]] = {}
    for table, name, type_name, nullable, default, generated in found:
        columns.setdefault(table, {})[name.lower()] = TableColumn(
            name=name,
            type=type_name,
            nullable=nullable,
            default=default,
            generated=generated in (True, "YES"),
        )
    return Present(columns=columns, views=frozenset(view for (view,) in views))


def columns_of(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str
) -> dict[str, TableColumn]:
    """Lower-case name → column, in table order; empty when there is no such table (or view)."""
    return present(connection, schema, [table]).columns.get(table.lower(), {})


def make_schema(connection: duckdb.DuckDBPyConnection, schema: str) -> None:
    """The schema and its ``_batches``."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
    there = present(connection, schema, [BATCHES])
    _create(connection, there, schema, BATCHES, _BATCHES_TYPES, _BATCHES_COMMENT, {})


def make_tables(
    connection: duckdb.DuckDBPyConnection,
    names: Names,
    entity: Entity,
    staged: Mapping[str, str],
) -> dict[str, TableColumn]:
    """Make or widen the table, its history and its audit for columns ``staged`` (name → DuckDB type).

    Answers the table's columns. Raises ConfigError for a table whose columns cannot hold what the ERP sends.
    """
    there = present(connection, names.schema, [names.audit, names.table, names.history])
    _create(connection, there, names.schema, names.audit, _AUDIT_TYPES, _AUDIT_COMMENT, {})
    descriptions = {column.name: column.description for column in entity.all_columns}
    if _create(
        connection, there, names.schema, names.table, staged, entity.description, descriptions
    ):
        table = columns_of(connection, names.schema, names.table)
    else:
        table = there.columns[names.table.lower()]
    _refuse_unfit(names, table, staged)
    _refuse_unique(connection, names)
    if _add_missing(connection, names.schema, names.table, table, staged, descriptions):
        table = columns_of(connection, names.schema, names.table)

    kept = {column.name: column.type for column in table.values()}
    kept |= dict(zip(HISTORY_COLUMNS, ("TIMESTAMP WITH TIME ZONE", "VARCHAR"), strict=True))
    comment = (
        f"Replaced versions of {names.table}: with the rows there, every version ever accepted."
    )
    descriptions |= _HISTORY_DESCRIPTIONS
    if not _create(connection, there, names.schema, names.history, kept, comment, descriptions):
        history = there.columns[names.history.lower()]
        _add_missing(connection, names.schema, names.history, history, kept, descriptions)
    return table


def _create(
    connection: duckdb.DuckDBPyConnection,
    there: Present,
    schema: str,
    table: str,
    types: Mapping[str, str],
    comment: str,
    descriptions: Mapping[str, str],
) -> bool:
    """Whether the table had to be made."""
    if there.kind(table) == "table":
        return False
    if there.kind(table) == "view":
        raise ConfigError(
            f"{schema}.{table} is a view, so rows cannot be written to it. If the flow had 'tables: per_company' "
            "before, go back to that, or choose another schema"
        )
    target = quoted(schema, table)
    columns = ", ".join(f"{quoted(name)} {type_name}" for name, type_name in types.items())
    connection.execute(f"CREATE TABLE {target} ({columns})")
    connection.execute(f"COMMENT ON TABLE {target} IS {literal(comment)}")
    _describe(connection, target, types, descriptions)
    return True


def _add_missing(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    table: str,
    there: Mapping[str, TableColumn],
    wanted: Mapping[str, str],
    descriptions: Mapping[str, str],
) -> bool:
    """Whether columns had to be added."""
    target = quoted(schema, table)
    new = {name: type_name for name, type_name in wanted.items() if name.lower() not in there}
    for name, type_name in new.items():
        connection.execute(f"ALTER TABLE {target} ADD COLUMN {quoted(name)} {type_name}")
    _describe(connection, target, new, descriptions)
    return bool(new)


def _describe(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    columns: Iterable[str],
    descriptions: Mapping[str, str],
) -> None:
    for name in columns:
        if name in descriptions:
            comment = literal(descriptions[name])
            connection.execute(f"COMMENT ON COLUMN {target}.{quoted(name)} IS {comment}")


def _refuse_unfit(
    names: Names, table: Mapping[str, TableColumn], staged: Mapping[str, str]
) -> None:
    where = f"{names.schema}.{names.table}"
    problems = []
    for name, expected in staged.items():
        found = table.get(name.lower())
        if found is not None and not fits_family(expected, found.type):
            problems.append(f"column {name} is {found.type}, and {expected} is needed")
    brought = {name.lower() for name in staged}
    problems += [
        f"column {column.name} is NOT NULL without a default, and no field of the ERP fills it"
        for key, column in table.items()
        if key not in brought and not column.nullable and column.default is None
    ]
    if problems:
        raise ConfigError(
            f"Table {where} exists and cannot take this entity: {'; '.join(problems)}. Change these columns "
            f"(ALTER TABLE), or rename the table, and the next delivery makes a fitting one"
        )


def _refuse_unique(connection: duckdb.DuckDBPyConnection, names: Names) -> None:
    found = connection.execute(
        "SELECT constraint_text FROM duckdb_constraints() WHERE database_name = current_database()"
        " AND lower(schema_name) = lower($schema) AND lower(table_name) = lower($table)"
        " AND constraint_type NOT IN ('NOT NULL', 'CHECK')"
        " UNION ALL SELECT index_name FROM duckdb_indexes() WHERE database_name = current_database()"
        " AND lower(schema_name) = lower($schema) AND lower(table_name) = lower($table) AND is_unique",
        {"schema": names.schema, "table": names.table},
    ).fetchall()
    if found:
        raise ConfigError(
            f"Table {names.schema}.{names.table} has {', '.join(text for (text,) in found)}. Keys make a delivery "
            "many times slower and are not needed: record_id is kept unique here. Drop the constraint, or copy the "
            "rows to a table without it (CREATE TABLE … AS SELECT …)"
        )


def union_views(connection: duckdb.DuckDBPyConnection, names: Names, entity: Entity) -> None:
    """Let ``<entity>``, its history and ``_audit`` show the tables of all companies."""
    companies = connection.execute(
        f"SELECT DISTINCT entity, company FROM {names.sql(BATCHES)}"
        " UNION SELECT ?, ? ORDER BY entity, company",
        [names.entity, names.company],
    ).fetchall()
    of_entity = [company for name, company in companies if name == names.entity]
    everywhere = sorted({company for _, company in companies})
    _view(connection, names, names.entity, of_entity, entity.description)
    history = f"Replaced versions of {names.entity}, of all companies."
    _view(connection, names, f"{names.entity}_history", of_entity, history)
    _view(connection, names, AUDIT, everywhere, _AUDIT_COMMENT)


def _view(
    connection: duckdb.DuckDBPyConnection,
    names: Names,
    view: str,
    companies: Iterable[str],
    comment: str,
) -> None:
    tables = [f"{view}_{company_suffix(company)}" for company in companies]
    there = present(connection, names.schema, [view, *tables])
    if there.kind(view) == "table":
        raise ConfigError(
            f"{names.schema}.{view} is a table, so it cannot become the view over tables per company. "
            "Choose another schema for this flow, or go back to 'tables: shared'"
        )
    selects = " UNION ALL BY NAME ".join(
        f"SELECT * FROM {names.sql(table)}" for table in tables if there.kind(table) == "table"
    )
    connection.execute(f"CREATE OR REPLACE VIEW {names.sql(view)} AS {selects}")
    connection.execute(f"COMMENT ON VIEW {names.sql(view)} IS {literal(comment)}")
