"""Databricks: Delta tables in Unity Catalog, loaded through a SQL warehouse."""

from ml_connector_dagster.destinations.databricks.destination import DatabricksDestination
from ml_connector_dagster.destinations.databricks.logins import Login
from ml_connector_dagster.destinations.databricks.workspace import Workspace


__all__ = ["DatabricksDestination", "Login", "Workspace"]
