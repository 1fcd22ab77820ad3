"""``ml-connector``: what a person types. Each command is a thin layer over ``sync``; Dagster does the daily work."""

from ml_connector_dagster.cli.app import main


__all__ = ["main"]
