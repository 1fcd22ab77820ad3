"""Which connection opens which destination. A vendor's package is imported when a flow names it, and not before."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.config.applications import MondayConnection, SalesforceConnection
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import Connection, FlowDestination
from ml_connector_dagster.config.warehouses import (
    DatabricksConnection,
    DuckDBConnection,
    SnowflakeConnection,
)
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.applications.destination import (
    ApplicationDestination,
    go_on,
)
from ml_connector_dagster.destinations.applications.placements import Mapped, mapped_entity
from ml_connector_dagster.destinations.applications.state import RemoteRecords
from ml_connector_dagster.destinations.contract import Destination, Warehouse
from ml_connector_dagster.model.companions import companions_of
from ml_connector_dagster.model.errors import ConfigError, CredentialError, MissingDriverError


if TYPE_CHECKING:
    from ml_connector_dagster.destinations.looker.api import Looker
    from ml_connector_dagster.destinations.looker.quotas import CallCounts


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
) -> Warehouse:
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
) -> Warehouse:
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
) -> Warehouse:
    from ml_connector_dagster.destinations.snowflake import SnowflakeDestination

    return SnowflakeDestination(
        target.name,
        connection,
        credentials(connection.credential),
        target.schema_name,
        per_company=target.tables == "per_company",
        flow=flow,
    )


#: The model of a connection → what opens it as a warehouse.
WAREHOUSES: Final[Mapping[type[Connection], Callable[..., Warehouse]]] = {
    DatabricksConnection: _databricks,
    DuckDBConnection: _duckdb,
    SnowflakeConnection: _snowflake,
}


@contextmanager
def opened_looker(
    connection: LookerConnection,
    credentials: Credentials,
    counts: "CallCounts",
    *,
    now: Callable[[], datetime],
    pause: Callable[[float], None] = time.sleep,
) -> "Iterator[Looker]":
    """Looker, with a new login, closed at the end of the block. Raises like ``open_destination``."""
    try:
        from ml_connector_dagster.destinations.looker import open_looker
    except ModuleNotFoundError as error:
        raise MissingDriverError(error.name or connection.type, connection.type) from error
    looker = open_looker(
        connection, credentials(connection.credential), counts, now=now, pause=pause
    )
    try:
        looker.log_in()
        yield looker
    finally:
        looker.close()


def _through_looker(
    connection: LookerConnection,
    target: FlowDestination,
    credentials: Credentials,
    call_counts: "Callable[[str], CallCounts] | None",
) -> Warehouse:
    from ml_connector_dagster.destinations.looker import SqlRunnerDestination, open_looker

    if call_counts is None:
        raise ConfigError(
            f"destination {target.name}: Looker's calls are counted, so it needs a ledger"
        )
    looker = open_looker(
        connection,
        credentials(connection.credential),
        call_counts(connection.name),
        now=utc_now,
    )
    return SqlRunnerDestination(target.name, looker, connection, target.schema_name, now=utc_now)


def _monday(connection: MondayConnection, credentials: Credentials) -> Application:
    from ml_connector_dagster.destinations.monday import open_monday

    return open_monday(connection, credentials(connection.credential))


def _salesforce(connection: SalesforceConnection, credentials: Credentials) -> Application:
    from ml_connector_dagster.destinations.salesforce import open_salesforce

    return open_salesforce(connection, credentials(connection.credential))


#: The model of a connection → what opens it as an application.
APPLICATIONS: Final[Mapping[type[Connection], Callable[..., Application]]] = {
    MondayConnection: _monday,
    SalesforceConnection: _salesforce,
}


def utc_now() -> datetime:
    """The clock of a real destination."""
    return datetime.now(UTC)


def open_application(
    connection: Connection, credentials: Credentials = _no_credentials
) -> Application:
    """The application behind ``connection``; close it. Raises like ``open_destination``."""
    try:
        return APPLICATIONS[type(connection)](connection, credentials)
    except ModuleNotFoundError as error:
        raise MissingDriverError(error.name or connection.type, connection.type) from error


def mapping_of(connection: Connection, target: FlowDestination) -> Callable[[str], Mapped]:
    """Entity → how it stands in the application; raises ConfigError when it does not."""

    @cache
    def mapped(entity: str) -> Mapped:
        return mapped_entity(connection.type, entity, target.mapping)

    return mapped


def application_destination(
    application: Application,
    connection: Connection,
    target: FlowDestination,
    records: RemoteRecords | None,
    *,
    now: Callable[[], datetime] = utc_now,
    checkpoint: Callable[[str], None] = go_on,
) -> ApplicationDestination:
    """The destination ``target`` of a flow in an open application. ``records`` are the ledger's."""
    if records is None:
        raise ConfigError(
            f"destination {target.name}: an application needs a ledger that remembers what it has accepted"
        )
    return ApplicationDestination(
        target.name,
        application,
        records,
        mapping_of(connection, target),
        companions=lambda entity: tuple(
            name for name in companions_of(entity) if name in target.mapping
        ),
        now=now,
        checkpoint=checkpoint,
    )


@contextmanager
def open_destination(
    connection: Connection,
    target: FlowDestination,
    home: Path,
    credentials: Credentials = _no_credentials,
    *,
    flow: str = "",
    records: RemoteRecords | None = None,
    call_counts: "Callable[[str], CallCounts] | None" = None,
) -> Iterator[Destination]:
    """The destination ``target`` of a flow, closed at the end of the block. Relative paths are inside ``home``.

    ``flow`` is the flow's name: warehouses write it beside their statements ("" for no flow in particular).
    ``records`` is what an application has accepted so far (the ledger's); warehouses know by themselves.
    ``call_counts`` counts the calls of a connection that pays by the call.
    Raises ConfigError when the connection is not one that takes records, MissingDriverError when its package
    is not installed.
    """
    if type(connection) in APPLICATIONS:
        with _driver_of(connection):
            application = open_application(connection, credentials)
            destination: Destination = application_destination(
                application, connection, target, records
            )
        try:
            yield destination
        finally:
            destination.close()
    else:
        with open_warehouse(
            connection, target, home, credentials, flow=flow, call_counts=call_counts
        ) as warehouse:
            yield warehouse


@contextmanager
def open_warehouse(
    connection: Connection,
    target: FlowDestination,
    home: Path,
    credentials: Credentials = _no_credentials,
    *,
    flow: str = "",
    call_counts: "Callable[[str], CallCounts] | None" = None,
) -> Iterator[Warehouse]:
    """Like ``open_destination``, for what only a warehouse can do. Raises ConfigError for anything else."""
    opener = WAREHOUSES.get(type(connection))
    with _driver_of(connection):
        if isinstance(connection, LookerConnection):
            warehouse = _through_looker(connection, target, credentials, call_counts)
        elif opener is not None:
            warehouse = opener(connection, target, home, credentials, flow)
        else:
            raise _no_warehouse(connection)
    try:
        yield warehouse
    finally:
        warehouse.close()


def _no_warehouse(connection: Connection) -> ConfigError:
    what = f"connection {connection.name!r} is of type {connection.type!r}, which"
    if type(connection) in APPLICATIONS:
        return ConfigError(f"{what} is no warehouse")
    models = (*WAREHOUSES, *APPLICATIONS, LookerConnection)
    known = ", ".join(sorted(model.model_fields["type"].default for model in models))
    return ConfigError(f"{what} takes no records; a destination is one of: {known}")


@contextmanager
def _driver_of(connection: Connection) -> Iterator[None]:
    """A package that is not installed is named together with what installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingDriverError(error.name or connection.type, connection.type) from error
