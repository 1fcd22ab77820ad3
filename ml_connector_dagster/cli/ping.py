"""``ml-connector ping``: is each system reachable, are the credentials and rights right, what to do when not."""

from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.ping import Finding, ping_connection
from ml_connector_dagster.sync.workspace import Workspace


def ping(
    connection: Annotated[
        list[str] | None, typer.Argument(help="Connections to check; all when none is named.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check connections: credentials, rights, reachability, and which route each entity takes."""
    findings: list[Finding] = []
    with Workspace.open(read_settings()) as workspace:
        for name in connection or list(workspace.project.connections):
            findings += ping_connection(workspace, name)
    if as_json:
        print_json(
            [
                {
                    "connection": one.connection,
                    "check": one.check,
                    "ok": one.ok,
                    "detail": one.detail,
                }
                for one in findings
            ]
        )
    else:
        print_table(
            "Connections",
            ["connection", "check", "", "detail"],
            [
                [
                    one.connection,
                    one.check,
                    "ok" if one.ok else "FAILED" if one.needed else "-",
                    one.detail,
                ]
                for one in findings
            ],
        )
    if any(one.needed and not one.ok for one in findings):
        raise typer.Exit(1)
