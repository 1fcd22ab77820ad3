"""``ml-connector lookml`` and ``ml-connector publish``: LookML into a folder, its checks, and a publication by hand."""

from pathlib import Path
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_table, stderr, stdout
from ml_connector_dagster.cli.publications import print_publication
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.project import Flow, Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.lookml import check_lookml, validate_lookml, write_lookml
from ml_connector_dagster.sync.publish import publish as publish_flow
from ml_connector_dagster.sync.workspace import Workspace


app = typer.Typer(no_args_is_help=True, help="LookML: write it, check it, have Looker validate it.")

_Flow = Annotated[
    str, typer.Option("--flow", help="The flow; not needed when only one has a looker: block.")
]


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(help="A clone of the LookML project's git repository.")],
    flow: _Flow = "",
) -> None:
    """Write the flow's LookML into a folder; commit and deploy it as any other change."""
    with Workspace.open(read_settings()) as workspace:
        chosen = _chosen(workspace.project, flow)
        changed = write_lookml(workspace.project, chosen, folder)
    for path in changed:
        stdout.print(path, markup=False, highlight=False)
    stderr.print(f"{len(changed)} files changed in {folder}", markup=False)


@app.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with LookML; what would be written when left out.")
    ] = None,
    flow: _Flow = "",
) -> None:
    """Check LookML in itself and against the warehouse; exit code 1 when a dashboard would break."""
    with Workspace.open(read_settings()) as workspace:
        chosen = _chosen(workspace.project, flow)
        problems, fitting = check_lookml(workspace, chosen, folder)
    found = [*problems, *fitting.problems]
    print_table(
        "LookML", ["file", "where", "problem"], [[p.file, p.where, p.message] for p in found]
    )
    if fitting.unseen:
        stderr.print(
            f"{len(fitting.unseen)} columns of the warehouse are not in the LookML: write it again to show them"
        )
    if found:
        raise typer.Exit(1)


@app.command()
def validate(flow: _Flow = "") -> None:
    """Have Looker validate the project that is deployed; exit code 1 when it finds an error."""
    with Workspace.open(read_settings()) as workspace:
        found = validate_lookml(workspace, _chosen(workspace.project, flow))
    print_table(
        "Looker's validator",
        ["severity", "place", "message"],
        [[one.severity, one.place, one.message] for one in found],
    )
    if any(one.severity != "warning" for one in found):
        raise typer.Exit(1)


def publish(
    flow: Annotated[str, typer.Argument(help="The flow whose load is published.")] = "",
    sync_id: Annotated[
        str, typer.Option(help="Name of the sync; plans that it has sent are not sent again.")
    ] = "",
) -> None:
    """Tell Looker of what is loaded: trigger, proof that it sees the load, then the plans of the flow."""
    with Workspace.open(read_settings()) as workspace:
        chosen = _chosen(workspace.project, flow)
        name = sync_id or f"cli-{new_id(workspace.now())}"
        with stderr.status(f"Publishing {chosen.name} in Looker ..."):
            done = publish_flow(workspace, chosen, sync_id=name)
    print_publication(chosen.name, done)
    if done.failed_plans:
        raise typer.Exit(1)


def _chosen(project: Project, name: str) -> Flow:
    if name:
        return find_flow(project, name)
    flows = [flow for flow in project.flows.values() if flow.looker is not None]
    if not flows:
        raise ConfigError("no flow has a looker: block, so nothing is published in Looker")
    if len(flows) != 1:
        known = ", ".join(flow.name for flow in flows)
        raise ConfigError(f"name the flow: those with a looker: block are {known}")
    return flows[0]
