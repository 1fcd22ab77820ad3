"""``ml-connector cleanup``: remove what nobody needs any more."""

from dataclasses import asdict
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.cleanup import GRACE, Cleaning, clean_up
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.workspace import Workspace


def cleanup(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be removed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove old batches, receipts and rows of the ledger, as retention: says.

    Never the newest version of a record, nor anything that is pending or open.
    """
    with Workspace.open(read_settings()) as workspace:
        run_id = f"cli-{new_id(workspace.now())}"
        done = clean_up(workspace, run_id=run_id, dry_run=dry_run)
    if as_json:
        print_json(asdict(done))
    else:
        _print(done)


def _print(done: Cleaning) -> None:
    told = [one for one in done.scopes if one.removed or one.waiting]
    if told:
        print_table(
            "Would be removed" if done.dry_run else "Removed",
            ["entity", "company", "batches", "their rows", "rows kept", "MB", "not yet at"],
            [
                [
                    one.entity,
                    f"{one.tenant}/{one.company}",
                    one.removed,
                    one.rows,
                    one.kept,
                    round(one.bytes / 1e6, 1),
                    ", ".join(one.waiting),
                ]
                for one in told
            ],
        )
    else:
        stdout.print("No batch is old enough and at every destination.")
    rows = [f"{count:,} {what}" for what, count in done.forgotten.items() if count]
    verb = "would be" if done.dry_run else "were"
    stdout.print(f"Rows of the ledger that {verb} removed: {', '.join(rows) or 'none'}.")
    stdout.print(f"Folders that {verb} removed from staging: {done.folders:,}.")
    if done.removed and not done.dry_run:
        hours = GRACE.total_seconds() / 3600
        stdout.print(
            f"The files of the removed batches go with the next clean-up after {hours:.0f} hours: a run may still be "
            "reading them."
        )
