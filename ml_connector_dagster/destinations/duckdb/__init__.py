"""DuckDB: the embedded warehouse."""

from ml_connector_dagster.destinations.duckdb.database import DatabaseFile
from ml_connector_dagster.destinations.duckdb.destination import DuckDBDestination


__all__ = ["DatabaseFile", "DuckDBDestination"]
