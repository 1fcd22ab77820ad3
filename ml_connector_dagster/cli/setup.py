"""``ml-connector setup``: what an application lacks for the flows that deliver to it, shown or made."""

from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.applications import SetupReport, set_up
from ml_connector_dagster.sync.workspace import Workspace


def setup(
    connection: Annotated[str, typer.Argument(help="A connection to an application.")],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what is missing; exit code 1 if anything is."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make the objects, boards, fields and labels that the mappings need. Nothing is changed or removed.

    Where the login may not, it prints what an administrator can deploy.
    """
    with Workspace.open(read_settings()) as workspace:
        report = set_up(workspace, connection, dry_run=dry_run)
    if as_json:
        print_json(
            {
                "missing": [line for gap in report.gaps for line in gap.missing],
                "made": report.made,
                "by_hand": report.by_hand or None,
            }
        )
    else:
        _print(connection, report)
    if report.by_hand or (dry_run and report.gaps):
        raise typer.Exit(1)


def _print(connection: str, report: SetupReport) -> None:
    if not report.gaps:
        stdout.print(f"{connection} has everything that the mappings need.")
        return
    missing = [line for gap in report.gaps for line in gap.missing]
    title = "Made" if len(report.made) == len(missing) else "Missing"
    stdout.print(f"{title} at {connection}:", style="bold")
    for line in missing:
        stdout.print(f"- {line}", markup=False, highlight=False)
    if report.by_hand:
        stdout.print()
        stdout.print(report.by_hand, markup=False, highlight=False, soft_wrap=True)
