"""``ml-connector bods``: take business object documents, or serve the address that ION posts them to."""

from typing import Annotated

import typer

from ml_connector_dagster.cli.document_server import serve_documents
from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.documents import Intake, deliver_documents, take_documents
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.workspace import Workspace


app = typer.Typer(help="Business object documents that ION pushes.", no_args_is_help=True)


@app.command()
def take(
    tenant: Annotated[str, typer.Argument(help="The cloudsuite connection whose folder is read.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take all documents that have arrived, and deliver them; exit code 1 when one is refused or a destination fails."""
    with Workspace.open(read_settings()) as workspace:
        run_id = f"cli-{new_id(workspace.now())}"
        intake = take_documents(workspace, tenant, run_id=run_id)
        results = deliver_documents(workspace, tenant, intake, run_id=run_id)
    errors = [f"{one.destination} {one.entity}: {one.error}" for one in results if one.error]
    _print(intake, sum(one.counts.written for one in results), errors, as_json=as_json)
    if intake.refused or errors:
        raise typer.Exit(1)


@app.command()
def serve(
    tenant: Annotated[str, typer.Argument(help="The cloudsuite connection that is posted to.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8710,
) -> None:
    """Put posted documents into the tenant's folder, until interrupted. TLS belongs to a proxy in front of it."""
    with Workspace.open(read_settings()) as workspace:
        serve_documents(workspace, tenant, host=host, port=port)


def _print(intake: Intake, written: int, errors: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "taken": intake.taken,
                "outdated": intake.outdated,
                "refused": [{"file": one.file, "reason": one.reason} for one in intake.refused],
                "rows": sum(batch.rows for batch in intake.batches),
                "written": written,
                "errors": errors,
            }
        )
        return
    print_table(
        "Documents",
        ["taken", "outdated", "refused", "rows staged", "rows written"],
        [
            [
                intake.taken,
                intake.outdated,
                len(intake.refused),
                sum(batch.rows for batch in intake.batches),
                written,
            ]
        ],
    )
    for one in intake.refused:
        stdout.print(f"- {one.file}: {one.reason}", markup=False)
    for error in errors:
        stdout.print(f"- {error}", markup=False)
