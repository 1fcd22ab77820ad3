"""Which connection opens which destination. A vendor's package is imported when a flow names it, and not before."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ml_connector_dagster.config.project import (
    Connection,
    DatabricksConnection,
    DuckDBConnection,
    FlowDestination,
    SnowflakeConnection,
)
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.model.errors import ConfigError, CredentialError, MissingDriverError


#: Gives a stored credential by its name; raises CredentialError.
Credentials = Callable[[str], Credential]


def _no_credentials(name: str) -> Credential:
    raise CredentialError(f"credential {name!r} is needed, and there is no store to take it from")


def _databricks(
    connection: DatabricksConnection,
    target: FlowDestination,
    home: Path,
    credentials: Credentials,
    flow: str,
) -> Destination:
    from ml_connector_dagster.destinations.databricks import (
        DatabricksDestination,
        Login,
        Workspace,
    )

    workspace = Workspace(
        connection.host,
        Login.of(connection.credential, credentials(connection.credential).values),
        connection.warehouse_id,
        request_timeout=connection.request_timeout_seconds,
        patience=connection.retry_seconds,
        statement_timeout=connection.statement_timeout_seconds,
    )
    return DatabricksDestination(
        target.name,
        workspace,
        connection.catalog,
        target.schema_name,
        volume=connection.volume,
        inline_rows=connection.inline_rows,
        per_company=target.tables == "per_company",
        flow=flow,
    )


def _duckdb(
    connection: DuckDBConnection,
    target: FlowDestination,
    home: Path,
    credentials: Credentials,
    flow: str,
) -> Destination:
    from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination

    file = DatabaseFile(
        path=home / connection.path,
        memory_limit=connection.memory_limit,
        threads=connection.threads,
    )
    return DuckDBDestination(
        target.name, file, target.schema_name, per_company=target.tables == "per_company"
    )


def _snowflake(
    connection: SnowflakeConnection,
    target: FlowDestination,
    home: Path,
    credentials: Credentials,
    flow: str,
) -> Destination:
    from ml_connector_dagster.destinations.snowflake import SnowflakeDestination

    return SnowflakeDestination(
        target.name,
        connection,
        credentials(connection.credential),
        target.schema_name,
        per_company=target.tables == "per_company",
        flow=flow,
    )


#: The model of a connection → what opens it as a destination.
DESTINATIONS: Final[Mapping[type[Connection], Callable[..., Destination]]] = {
    DatabricksConnection: _databricks,
    DuckDBConnection: _duckdb,
    SnowflakeConnection: _snowflake,
}


@contextmanager
def open_destination(
    connection: Connection,
    target: FlowDestination,
    home: Path,
    credentials: Credentials = _no_credentials,
    *,
    flow: str = "",
) -> Iterator[Destination]:
    """The destination ``target`` of a flow, closed at the end of the block. Relative paths are inside ``home``.

    ``flow`` is the flow's name: warehouses write it beside their statements ("" for no flow in particular).
    Raises ConfigError when the connection is not one that takes records, MissingDriverError when its package
    is not installed.
    """
    opener = DESTINATIONS.get(type(connection))
    if opener is None:
        known = ", ".join(sorted(model.model_fields["type"].default for model in DESTINATIONS))
        raise ConfigError(
            f"connection {connection.name!r} is of type {connection.type!r}, which takes no records; "
            f"a destination is one of: {known}"
        )
    try:
        destination = opener(connection, target, home, credentials, flow)
    except ModuleNotFoundError as error:
        raise MissingDriverError(error.name or connection.type, connection.type) from error
    try:
        yield destination
    finally:
        destination.close()
