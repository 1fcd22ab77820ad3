"""``ml-connector alerts``: what is wrong now, and whether those who should be told can be."""

from datetime import datetime
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.alerts import Alert
from ml_connector_dagster.sync.alerts.looking import look_around
from ml_connector_dagster.sync.alerts.telling import Told, tell_all, tell_test
from ml_connector_dagster.sync.workspace import Workspace


app = typer.Typer(help="See alerts, and try the channels that are told.", no_args_is_help=True)


@app.command("list")
def list_alerts(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what is wrong, as the ledger remembers it."""
    with Workspace.open(read_settings()) as workspace:
        found = workspace.ledger.alerts.find(open_only=not everything)
    if as_json:
        print_json(
            [
                {
                    "kind": one.condition.kind,
                    "subject": one.condition.subject,
                    "message": one.condition.message,
                    "run_id": one.condition.run_id,
                    "raised_at": one.raised_at,
                    "resolved_at": one.resolved_at,
                }
                for one in found
            ]
        )
    elif found:
        print_table(
            "Alerts",
            ["alert", "from", "until", "what"],
            [
                [
                    one.condition.kind.value,
                    _short(one.raised_at),
                    _short(one.resolved_at),
                    _words(one),
                ]
                for one in found
            ],
        )
    else:
        stdout.print("Nothing is wrong.")


def _short(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d}\n{moment:%H:%M} UTC"


def _words(alert: Alert) -> str:
    condition = alert.condition
    run = f"\nrun {condition.run_id}" if condition.run_id else ""
    return f"{condition.subject}\n{condition.message}{run}"


@app.command()
def check(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look now, as the sensor does every two minutes, and tell the channels what has changed.

    Runs and checks are Dagster's to know, so those alerts come from its sensors only.
    """
    with Workspace.open(read_settings()) as workspace:
        look_around(workspace)
        told = tell_all(workspace)
    _report(told, as_json=as_json)


@app.command("test")
def send_test(
    channel: Annotated[
        list[str] | None,
        typer.Argument(help="Channels, by their credential; all when none is named."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send a test to the channels; exit code 1 when one of them does not take it."""
    with Workspace.open(read_settings()) as workspace:
        told = tell_test(workspace, channel or ())
    _report(told, as_json=as_json)


def _report(told: tuple[Told, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{"channel": one.channel, "notices": one.notices, "error": one.error} for one in told]
        )
    elif not told:
        stdout.print("No channels: name some under alerts: in the flows file.")
    else:
        print_table(
            "Channels",
            ["channel", "sent", "error"],
            [[one.channel, one.notices, one.error] for one in told],
        )
    if any(one.error for one in told):
        raise typer.Exit(1)
