"""The command tree, and the one place where errors become exit codes.

Exit codes: 0 all well, 1 something failed (said on stderr), 2 the command was typed wrongly.
"""

import logging
import sys

import typer

from ml_connector_dagster.cli import (
    alerts,
    bods,
    cleanup,
    credentials,
    deliver,
    demo,
    dev,
    doctor,
    letter,
    lookml,
    marts,
    ping,
    plan,
    prepare,
    reconcile,
    recount,
    replay,
    run,
    sandbox,
    setup,
    sweep,
    trace,
    trail,
)
from ml_connector_dagster.cli.output import stderr
from ml_connector_dagster.credentials.redaction import RedactingFilter
from ml_connector_dagster.model.errors import ConnectorError


app = typer.Typer(
    name="ml-connector",
    help="Infor CloudSuite ERP data into warehouses and applications, through Dagster.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(dev.dev)
app.command()(sandbox.sandbox)
app.command()(ping.ping)
app.command()(plan.plan)
app.command()(doctor.doctor)
app.command()(prepare.prepare)
app.command()(run.run)
app.command()(deliver.deliver)
app.command()(setup.setup)
app.command()(marts.marts)
app.command()(lookml.publish)
app.command()(trace.trace)
app.command()(trail.trail)
app.command()(replay.replay)
app.command()(letter.letter)
app.command()(sweep.sweep)
app.command()(reconcile.reconcile)
app.command()(recount.recount)
app.command()(cleanup.cleanup)
app.add_typer(alerts.app, name="alerts")
app.add_typer(bods.app, name="bods")
app.add_typer(credentials.app, name="credentials")
app.add_typer(lookml.app, name="lookml")


def main() -> None:
    """Run the command line; a ConnectorError is a message, never a traceback."""
    handler = logging.StreamHandler()
    handler.addFilter(RedactingFilter())
    logging.basicConfig(
        level=logging.WARNING, handlers=[handler], format="%(levelname)s %(message)s"
    )
    try:
        app()
    except ConnectorError as error:
        stderr.print(f"[bold red]error:[/] {_escaped(error)}", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        stderr.print("stopped")
        sys.exit(130)


def _escaped(error: Exception) -> str:
    return str(error).replace("[", r"\[")
