"""A catalog's ``information_schema``: its tables and columns, as far as the principal may read them.

From https://docs.databricks.com/en/sql/language-manual/sql-ref-information-schema.html: two views, and of them the columns
that a reader of names needs.
"""

from collections.abc import Iterator
from typing import cast

import sqlglot
from sqlglot import exp

from ml_connector_dagster.sandbox.databricks.catalog import Catalog
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import SqlError


SCHEMA = "information_schema"

_PLACE = ("table_catalog", "table_schema", "table_name")
_VIEWS = {
    "tables": (*_PLACE, "table_type"),
    "columns": (*_PLACE, "column_name", "full_data_type"),
}


def information(catalog: Catalog, privileges: Privileges, within: str, view: str) -> exp.Expr:
    """``<within>.information_schema.<view>`` as a query. Raises SqlError for a view that is not simulated."""
    if view not in _VIEWS:
        raise SqlError(f"[SANDBOX] {SCHEMA} has {' and '.join(_VIEWS)} here, not {view}")
    names = _VIEWS[view]
    rows = list(_rows(catalog, privileges, within, view))
    values = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
    nothing = f"({', '.join('NULL' for _ in names)})"
    query = f"SELECT * FROM (VALUES {values or nothing}) AS i({', '.join(names)})"
    tree = sqlglot.parse_one(query if rows else f"{query} WHERE FALSE", read="databricks")
    return cast("exp.Expression", tree)


def _rows(
    catalog: Catalog, privileges: Privileges, within: str, view: str
) -> Iterator[tuple[str, ...]]:
    for name, relation in sorted(catalog.relations.items(), key=lambda one: one[0]):
        if name[0] != within or not privileges.has("SELECT", *name):
            continue
        if view == "tables":
            yield (*name, relation.kind)
        else:
            yield from ((*name, one.name, one.type) for one in catalog.columns(name))


def _literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
