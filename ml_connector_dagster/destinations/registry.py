"""Which connection opens which destination. A vendor's package is imported when a flow names it, and not before."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ml_connector_dagster.config.project import Connection, DuckDBConnection, FlowDestination
from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.model.errors import ConfigError, MissingDriverError


def _duckdb(connection: DuckDBConnection, target: FlowDestination, home: Path) -> Destination:
    from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination

    file = DatabaseFile(
        path=home / connection.path,
        memory_limit=connection.memory_limit,
        threads=connection.threads,
    )
    return DuckDBDestination(
        target.name, file, target.schema_name, per_company=target.tables == "per_company"
    )


#: The model of a connection → what opens it as a destination.
DESTINATIONS: Final[Mapping[type[Connection], Callable[..., Destination]]] = {
    DuckDBConnection: _duckdb,
}


@contextmanager
def open_destination(
    connection: Connection, target: FlowDestination, home: Path
) -> Iterator[Destination]:
    """The destination ``target`` of a flow, closed at the end of the block. Relative paths are inside ``home``.

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
        destination = opener(connection, target, home)
    except ModuleNotFoundError as error:
        raise MissingDriverError(error.name or connection.type, connection.type) from error
    try:
        yield destination
    finally:
        destination.close()
