"""The command tree, and the one place where errors become exit codes.

Commands stand in the order of a first day: try it, set it up, run it, prove it, mend it, look after it.

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
from ml_connector_dagster.credentials.redaction import RedactingFilter, redact
from ml_connector_dagster.model.errors import ConnectorError, is_of_this_machine


app = typer.Typer(
    name="ml-connector",
    help="Infor CloudSuite ERP data into warehouses and applications, through Dagster.\n\n"
    "It works on the YAML in ML_CONNECTOR_FLOWS (./flows) and keeps everything in ML_CONNECTOR_HOME (./.ml_connector).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    suggest_commands=False,  # click does that by itself
)
for _panel, _commands in {
    "Try it": (demo.demo, sandbox.sandbox),
    "Set it up": (ping.ping, setup.setup, prepare.prepare, doctor.doctor),
    "Run it": (
        dev.dev,
        plan.plan,
        run.run,
        deliver.deliver,
        marts.marts,
        lookml.publish,
        sweep.sweep,
    ),
    "Prove it": (reconcile.reconcile, recount.recount, trace.trace, trail.trail),
    "Mend it": (replay.replay, letter.letter),
    "Look after it": (cleanup.cleanup,),
}.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(credentials.app, name="credentials", rich_help_panel="Set it up")
app.add_typer(bods.app, name="bods", rich_help_panel="Run it")
app.add_typer(lookml.app, name="lookml", rich_help_panel="Set it up")
app.add_typer(alerts.app, name="alerts", rich_help_panel="Look after it")


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
    except OSError as error:
        if not is_of_this_machine(error):
            raise
        stderr.print(
            f"[bold red]error:[/] cannot use {error.filename or 'a file'}: {error.strerror}; give this user the right "
            "to it, or room, or name another place",
            highlight=False,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        stderr.print("stopped")
        sys.exit(130)


def _escaped(error: Exception) -> str:
    return redact(str(error)).replace("[", r"\[")
