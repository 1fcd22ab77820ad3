"""Tables per company: views under the shared names show all of them."""

from collections.abc import Iterable

from ml_connector_dagster.destinations.snowflake.names import exact, folded, identifier, text
from ml_connector_dagster.destinations.snowflake.tables import AUDIT_COMMENT, Schema
from ml_connector_dagster.destinations.table_names import AUDIT, TableNames
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS


#: Table → column → type, all as Snowflake has them.
Found = dict[str, dict[str, str]]


def union_views(schema: Schema, names: TableNames, entity: Entity) -> None:
    """Let ``<entity>``, its history and ``_audit`` show the tables of all companies.

    Which those are is asked of Snowflake, after our own were made: of two processes that each bring a new company, the
    one that asks last sees both. A company counts when it has all three tables, so that SUPPLIERS_BACKUP is not one.
    """
    history = f"{names.entity}_history"
    found = _tables(schema, names.entity, AUDIT)
    companies = [
        suffix
        for suffix in _suffixes(found, names.entity)
        if folded(history) + suffix in found and folded(AUDIT) + suffix in found
    ]
    receipts = {folded(name) for name in RECEIPT_COLUMNS}
    everywhere = [
        suffix
        for suffix in _suffixes(found, AUDIT)
        if found[folded(AUDIT) + suffix].keys() == receipts
    ]
    _view(schema, found, names.entity, companies, entity.description)
    replaced = f"Replaced versions of {names.entity}, of all companies."
    _view(schema, found, history, companies, replaced)
    _view(schema, found, AUDIT, everywhere, AUDIT_COMMENT)


def _tables(schema: Schema, *shared: str) -> Found:
    """The tables whose names begin with one of ``shared``."""
    information = f"{exact(schema.database)}.INFORMATION_SCHEMA"
    rows = schema.api.run(
        "SELECT c.TABLE_NAME, c.COLUMN_NAME, CASE c.DATA_TYPE WHEN 'TEXT' THEN 'VARCHAR' WHEN 'NUMBER'"
        " THEN 'NUMBER(' || c.NUMERIC_PRECISION || ',' || c.NUMERIC_SCALE || ')' ELSE c.DATA_TYPE END"
        f" FROM {information}.COLUMNS AS c JOIN {information}.TABLES AS t"
        " ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME"
        " WHERE c.TABLE_SCHEMA = ? AND t.TABLE_TYPE = 'BASE TABLE'"
        f" AND ({' OR '.join('STARTSWITH(c.TABLE_NAME, ?)' for _ in shared)})"
        " ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
        folded(schema.name),
        *(folded(name) for name in shared),
    ).rows
    found: Found = {}
    for table, column, type_ in rows:
        found.setdefault(str(table), {})[str(column)] = str(type_)
    return found


def _suffixes(found: Found, shared: str) -> list[str]:
    """What follows ``shared`` in the names of tables: ``_100``."""
    prefix = folded(f"{shared}_")
    return [table[len(prefix) - 1 :] for table in found if table.startswith(prefix)]


def _view(schema: Schema, found: Found, shared: str, suffixes: Iterable[str], comment: str) -> None:
    if folded(shared) in found:
        raise ConfigError(
            f"{schema.shown(shared)} is a table, so it cannot become the view over tables per company. "
            "Choose another schema for this flow, or go back to 'tables: shared'"
        )
    tables = [folded(shared) + suffix for suffix in suffixes]
    columns: dict[str, str] = {}
    for table in tables:
        columns |= {name: type_ for name, type_ in found[table].items() if name not in columns}
    selects = [
        "SELECT "
        + ", ".join(
            exact(name) if name in found[table] else f"NULL::{type_} AS {exact(name)}"
            for name, type_ in columns.items()
        )
        + f" FROM {exact(schema.database)}.{identifier(schema.name)}.{exact(table)}"
        for table in tables
    ]
    schema.api.run(
        f"CREATE OR REPLACE VIEW {schema.sql(shared)} COPY GRANTS COMMENT = {text(comment)}"
        f" AS {' UNION ALL '.join(selects)}"
    )
    schema.known.pop(shared, None)
