"""The code location: what ``workspace.yaml`` names and Dagster loads."""

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.defs.build import build_definitions


settings = read_settings()
defs = build_definitions(load_project(settings.flows, settings), settings)
