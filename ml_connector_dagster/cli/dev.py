"""``ml-connector dev``: Dagster's UI over your own flows."""

import time
from contextlib import ExitStack
from typing import Annotated

import typer

from ml_connector_dagster.cli.dagster_process import dagster_dev, free_port, port_is_free
from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.config.settings import read_settings


def dev(
    port: Annotated[
        int, typer.Option(help="Port of the UI; another one is taken when it is busy.")
    ] = 3000,
) -> None:
    """Serve the Dagster UI, its daemon and your flows until Ctrl-C."""
    settings = read_settings()
    settings.home.mkdir(parents=True, exist_ok=True)
    chosen = port if port_is_free(port) else free_port()
    log = settings.home / "dagster.log"
    with ExitStack() as stack:
        with stdout.status("Starting Dagster ..."):
            api = stack.enter_context(dagster_dev(settings, chosen, log))
        stdout.print(f"Dagster UI: [bold]{api.url}[/]   log: {log}   (Ctrl-C ends it)")
        while api.is_up():
            time.sleep(2)
