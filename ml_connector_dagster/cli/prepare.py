"""``ml-connector prepare``: what a deployment does once before anything of it runs."""

from ml_connector_dagster.cli.dagster_process import dagster_environment
from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.workspace import Workspace


def prepare() -> None:
    """Make or update the ledger's tables, Dagster's storage and its pools. Safe to run again, also while things run."""
    settings = read_settings()
    with Workspace.open(settings) as workspace:
        flows = len(workspace.project.flows)
    environment = dagster_environment(settings)
    stdout.print(
        f"Ready: ledger, staging, and Dagster in {environment['DAGSTER_HOME']} with the pools of {flows} flows."
    )
