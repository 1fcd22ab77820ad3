"""Looker: its API behind one transport of ours, and the publication of what a flow has loaded."""

from ml_connector_dagster.destinations.looker.connecting import open_looker
from ml_connector_dagster.destinations.looker.sql_destination import SqlRunnerDestination


__all__ = ["SqlRunnerDestination", "open_looker"]
