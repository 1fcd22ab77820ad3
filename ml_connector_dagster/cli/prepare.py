"""``ml-connector prepare``: what a deployment does once before anything of it runs."""

import shutil
from pathlib import Path

from ml_connector_dagster.cli.dagster_process import dagster_home
from ml_connector_dagster.cli.output import stderr, stdout
from ml_connector_dagster.config.settings import make_home, read_settings
from ml_connector_dagster.sync.workspace import Workspace


def prepare() -> None:
    """Make or update the ledger's tables, Dagster's storage and its pools. Safe to run again, also while things run.

    A dagster.yaml that is in DAGSTER_HOME stays; where there is none, that of this folder is copied there.
    """
    settings = read_settings()
    make_home(settings)
    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists() and Path("dagster.yaml").exists():
        shutil.copyfile("dagster.yaml", home / "dagster.yaml")
    if not (home / "dagster.yaml").exists():
        stderr.print(
            f"No dagster.yaml here nor in {home}: Dagster runs with its own defaults, without our queue, retries and "
            "run monitoring. Copy the repository's dagster.yaml there.",
            style="yellow",
            soft_wrap=True,
        )
    # Imported here: it brings Dagster along, which the other commands do not need.
    from ml_connector_dagster.defs.instance_setup import pool_limits, prepare_instance

    with Workspace.open(settings) as workspace:
        project = workspace.project
    prepare_instance(home, project)
    pools = ", ".join(pool_limits(project)) or "none"
    stdout.print(
        f"Ready: the ledger, and Dagster in {home} with its pools ({pools}).", soft_wrap=True
    )
