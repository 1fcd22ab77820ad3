"""The code location: what ``workspace.yaml`` names and Dagster loads."""

import warnings

from dagster import BetaWarning

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.defs.build import build_definitions


# Parameters in beta are pinned with Dagster's version; the warning would stand in the log of every run.
warnings.filterwarnings("ignore", category=BetaWarning)

settings = read_settings()
defs = build_definitions(load_project(settings.flows, settings), settings)
