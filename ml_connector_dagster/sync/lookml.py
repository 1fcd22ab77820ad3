"""LookML of a flow: what it is generated for, whether it fits the warehouse, what Looker's own validator says."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.config.looker import LookerConnection, LookerPublication
from ml_connector_dagster.config.project import Connection, Flow, Project
from ml_connector_dagster.config.warehouses import DatabricksConnection, SnowflakeConnection
from ml_connector_dagster.destinations.contract import Warehouse
from ml_connector_dagster.destinations.identifiers import literal, quoted
from ml_connector_dagster.lookml.checking import Fit, check, fit
from ml_connector_dagster.lookml.names import DIALECTS, DialectName
from ml_connector_dagster.lookml.parsed import Problem
from ml_connector_dagster.lookml.project import LookmlProject, read, write
from ml_connector_dagster.lookml.tables import MARKER_TABLE
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.workspace import Workspace


if TYPE_CHECKING:
    from ml_connector_dagster.destinations.looker.api import ProjectProblem

_DIALECTS: Final[Mapping[str, DialectName]] = {
    "databricks": "databricks",
    "duckdb": "duckdb",
    "snowflake": "snowflake",
}


def lookml_project(project: Project, flow: Flow) -> LookmlProject:
    """What LookML is generated for. Raises ConfigError when the flow publishes nothing in Looker."""
    wanted, looker = publication_of(project, flow)
    target = flow.looker_reads
    connection = project.connections[target.connection]
    kind = looker.dialect if isinstance(connection, LookerConnection) else connection.type
    return LookmlProject(
        project=wanted.project,
        model=wanted.model,
        label=f"ERP {flow.source}",
        connection=looker.database,
        dialect=DIALECTS[_DIALECTS[kind]],
        schema=(*_catalog(connection), target.schema_name),
        entities=tuple(ENTITIES[name] for name in flow.entities),
        marts=flow.own_marts,
        datagroup=wanted.datagroup,
    )


def publication_of(project: Project, flow: Flow) -> tuple[LookerPublication, LookerConnection]:
    """The flow's ``looker:`` block and its connection. Raises ConfigError when it has none."""
    if flow.looker is None:
        raise ConfigError(
            f"flow {flow.name!r} has no looker: block, so nothing of it is published in Looker"
        )
    connection = project.connections[flow.looker.connection]
    if not isinstance(connection, LookerConnection):
        raise ConfigError(f"{flow.looker.connection!r} is not a looker connection")
    return flow.looker, connection


def _catalog(connection: Connection) -> tuple[str, ...]:
    if isinstance(connection, SnowflakeConnection):
        return (connection.database,)
    if isinstance(connection, DatabricksConnection):
        return (connection.catalog,)
    if isinstance(connection, LookerConnection) and connection.catalog:
        return (connection.catalog,)
    return ()


def write_lookml(project: Project, flow: Flow, folder: Path) -> tuple[str, ...]:
    """Write the flow's LookML into ``folder`` (a clone of the project's git repository); the paths that changed."""
    return write(lookml_project(project, flow), folder)


def check_lookml(
    workspace: Workspace, flow: Flow, folder: Path | None = None
) -> tuple[tuple[Problem, ...], Fit]:
    """What is wrong with LookML in itself, and how it fits the warehouse; the LookML in ``folder``, or as generated."""
    files = lookml_project(workspace.project, flow).files() if folder is None else read(folder)
    return check(files), fit(files, table_columns(workspace, flow))


def table_columns(workspace: Workspace, flow: Flow) -> dict[str, frozenset[str]]:
    """The tables and views of the schema that Looker reads, as they really are, in lower case."""
    target = flow.looker_reads
    connection = workspace.project.connections[target.connection]
    catalog = "".join(f"{quoted(name)}." for name in _catalog(connection))
    query = (
        f"SELECT table_name AS t, column_name AS c FROM {catalog}information_schema.columns"
        f" WHERE lower(table_schema) = {literal(target.schema_name.lower())}"
    )
    # A publication makes the marker anew each time: before the first one it is not there, and not missing.
    found: dict[str, set[str]] = {MARKER_TABLE: {"sync_id", "finished_at"}}
    with workspace.destination(target, flow.name) as destination:
        warehouse: Warehouse = destination  # type: ignore[assignment]  # checked when the files were read
        for row in warehouse.ask(query).to_pylist():
            cells = {name.lower(): str(value).lower() for name, value in row.items()}
            found.setdefault(cells["t"], set()).add(cells["c"])
    return {name: frozenset(columns) for name, columns in found.items()}


def validate_lookml(workspace: Workspace, flow: Flow) -> "tuple[ProjectProblem, ...]":
    """What Looker's own validator says about the project that is deployed to production."""
    wanted, connection = publication_of(workspace.project, flow)
    with workspace.looker(connection.name) as looker:
        return looker.validate(wanted.project)


def explore_address(base_url: str, model: str, explore: str) -> str:
    """Where a person sees an explore."""
    return f"{base_url}/explore/{model}/{explore}"


def dashboard_address(base_url: str, model: str, dashboard: str) -> str:
    """Where a person sees a dashboard of LookML."""
    return f"{base_url}/dashboards/{model}::{dashboard}"
