"""Views of a Databricks schema: over tables per company, and those that a flow defines (marts)."""

from collections.abc import Iterable

from ml_connector_dagster.destinations.databricks.relations import TableColumn
from ml_connector_dagster.destinations.databricks.tables import AUDIT_COMMENT, Columns, Names
from ml_connector_dagster.destinations.databricks.types import literal, ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.identifiers import company_suffix
from ml_connector_dagster.destinations.table_names import AUDIT, BATCHES
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.views import View


def define_view(workspace: Workspace, path: tuple[str, str, str], view: View, query: str) -> None:
    """Make the view, or give it its new query. CREATE OR REPLACE would take away who may read it; ALTER does not."""
    there = workspace.relation(*path)
    if there is None:
        workspace.run(
            f"CREATE VIEW IF NOT EXISTS {ticked(*path)} COMMENT {literal(view.description)} AS {query}"
        )
    elif there.kind == "VIEW":
        workspace.run(f"ALTER VIEW {ticked(*path)} AS {query}")
    else:
        raise ConfigError(
            f"{'.'.join(path)} is a table, so it cannot become a view. Rename the table, or leave this mart out "
            "(marts:) of the flow"
        )


def union_views(workspace: Workspace, names: Names, entity: Entity) -> None:
    """Let ``<entity>``, its history and ``_audit`` show the tables of all companies."""
    found = workspace.run(
        f"SELECT DISTINCT entity, company FROM {names.sql(BATCHES)} WHERE company IS NOT NULL"
    )
    pairs = {(str(one), str(company)) for one, company in found} | {(names.entity, names.company)}
    of_entity = sorted(company for one, company in pairs if one == names.entity)
    everywhere = sorted({company for _, company in pairs})
    _view(workspace, names, names.entity, of_entity, entity.description)
    history = f"Replaced versions of {names.entity}, of all companies."
    _view(workspace, names, f"{names.entity}_history", of_entity, history)
    _view(workspace, names, AUDIT, everywhere, AUDIT_COMMENT)


def _view(
    workspace: Workspace, names: Names, view: str, companies: Iterable[str], comment: str
) -> None:
    there = workspace.relation(names.catalog, names.schema, view)
    if there is not None and there.kind != "VIEW":
        raise ConfigError(
            f"{names.shown(view)} is a table, so it cannot become the view over tables per company. "
            "Choose another schema for this flow, or go back to 'tables: shared'"
        )
    tables: dict[str, Columns] = {}
    for company in companies:
        table = f"{view}_{company_suffix(company)}"
        found = workspace.relation(names.catalog, names.schema, table)
        if found is not None:
            tables[table] = found.columns
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
    workspace.run(
        f"CREATE OR REPLACE VIEW {names.sql(view)} COMMENT {literal(comment)} AS {' UNION ALL '.join(selects)}"
    )
