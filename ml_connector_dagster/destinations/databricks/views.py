"""Views of a Databricks schema: over tables per company, and those that a flow defines (marts)."""

import re
from collections.abc import Iterable

from ml_connector_dagster.destinations.databricks.relations import Relation, TableColumn
from ml_connector_dagster.destinations.databricks.tables import (
    AUDIT_COMMENT,
    AUDIT_TYPES,
    Columns,
    Names,
)
from ml_connector_dagster.destinations.databricks.types import literal, ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.table_names import AUDIT
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.views import View


def define_view(workspace: Workspace, path: tuple[str, str, str], view: View, query: str) -> None:
    """Make the view, or give it its new query. Raises ConfigError when a table has its name."""
    there = workspace.relation(*path)
    if there is not None and there.kind != "VIEW":
        raise ConfigError(
            f"{'.'.join(path)} is a table, so it cannot become a view. Rename the table, or leave this mart out "
            "(marts:) of the flow"
        )
    _put(workspace, path, there, query, view.description)


def _put(
    workspace: Workspace,
    path: tuple[str, str, str],
    there: Relation | None,
    query: str,
    comment: str,
) -> None:
    """CREATE OR REPLACE would take away who may read it; ALTER does not."""
    if there is None:
        workspace.run(
            f"CREATE VIEW IF NOT EXISTS {ticked(*path)} COMMENT {literal(comment)} AS {query}"
        )
    else:
        workspace.run(f"ALTER VIEW {ticked(*path)} AS {query}")


def _shared(names: Names) -> tuple[str, ...]:
    """The names under which the tables of all companies are shown."""
    return names.entity, f"{names.entity}_history", AUDIT


def shows_company(workspace: Workspace, names: Names) -> bool:
    """Whether the views show the company's tables: a process may have died, or been overtaken, before it made them."""
    for shared in _shared(names):
        view = workspace.relation(names.catalog, names.schema, shared)
        own = re.escape(names.of_company(shared))
        if view is None or not re.search(rf"\b{own}\b", view.definition, re.IGNORECASE):
            return False
    return True


def union_views(workspace: Workspace, names: Names, entity: Entity) -> None:
    """Let ``<entity>``, its history and ``_audit`` show the tables of all companies.

    Which those are is asked of Unity Catalog, after our own were made: of two processes that each bring a new company,
    the one that asks last sees both. A company counts when it has all three tables, so that suppliers_backup is not one.
    """
    shown, history, audit = _shared(names)
    there = _tables(workspace, names)
    companies = [
        suffix
        for suffix in _suffixes(there, shown)
        if history + suffix in there and audit + suffix in there
    ]
    _view(workspace, names, shown, companies, entity.description)
    replaced = f"Replaced versions of {names.entity}, of all companies."
    _view(workspace, names, history, companies, replaced)
    _view(workspace, names, audit, _suffixes(there, audit), AUDIT_COMMENT)


def _tables(workspace: Workspace, names: Names) -> frozenset[str]:
    """The tables of the schema, views left out."""
    found = workspace.run(
        f"SELECT table_name FROM {ticked(names.catalog, 'information_schema', 'tables')}"
        " WHERE table_schema = :schema AND table_type <> 'VIEW'",
        {"schema": names.schema},
    )
    return frozenset(str(table).lower() for (table,) in found)


def _suffixes(tables: Iterable[str], shared: str) -> list[str]:
    """What follows ``shared`` in the names of tables: ``_100``."""
    return sorted(table.removeprefix(shared) for table in tables if table.startswith(f"{shared}_"))


def _view(
    workspace: Workspace, names: Names, view: str, suffixes: Iterable[str], comment: str
) -> None:
    there = workspace.relation(names.catalog, names.schema, view)
    if there is not None and there.kind != "VIEW":
        raise ConfigError(
            f"{names.shown(view)} is a table, so it cannot become the view over tables per company. "
            "Choose another schema for this flow, or go back to 'tables: shared'"
        )
    tables: dict[str, Columns] = {}
    for suffix in suffixes:
        found = workspace.relation(names.catalog, names.schema, view + suffix)
        if found is not None and (view != AUDIT or found.columns.keys() == AUDIT_TYPES.keys()):
            tables[view + suffix] = found.columns
    columns: dict[str, TableColumn] = {}
    for present in tables.values():
        columns |= {key: column for key, column in present.items() if key not in columns}
    selects = [
        "SELECT "
        + ", ".join(
            f"{ticked(one.name)}"
            if key in present
            else f"CAST(NULL AS {one.type.upper()}) AS {ticked(one.name)}"
            for key, one in columns.items()
        )
        + f" FROM {names.sql(table)}"
        for table, present in tables.items()
    ]
    path = (names.catalog, names.schema, view)
    _put(workspace, path, there, " UNION ALL ".join(selects), comment)
