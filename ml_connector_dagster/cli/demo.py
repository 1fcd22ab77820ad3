"""``ml-connector demo``: the whole product on this machine, with no account anywhere.

It starts the sandbox, launches every flow of the sandbox configuration as real Dagster runs, prints what was moved,
and serves the Dagster UI over the result.
"""

import sys
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ml_connector_dagster.cli.dagster_api import AssetNode, DagsterApi, RunState
from ml_connector_dagster.cli.dagster_process import dagster_dev, free_port, port_is_free
from ml_connector_dagster.cli.demo_flows import runnable_flows, unusable_types
from ml_connector_dagster.cli.demo_home import fresh_home
from ml_connector_dagster.cli.demo_lines import flows_for
from ml_connector_dagster.cli.demo_summary import print_looker, print_summary
from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.cli.sandbox import PORT, sandbox_options, store_logins
from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.lookml import write_lookml
from ml_connector_dagster.sync.workspace import Workspace


#: Days that the demo materialises, today included: enough for the UI's plots to show something.
DAYS_SHOWN = 7


def demo(
    port: Annotated[
        int, typer.Option(help="Port of the UI; another one is taken when it is busy.")
    ] = 3000,
    size: Annotated[
        str, typer.Option(help="Size of the sandbox ERP: default or tiny.")
    ] = "default",
    line: Annotated[
        str,
        typer.Option(help="Product line to read: m3, syteline, ln, financials or distribution."),
    ] = "m3",
    leave: Annotated[
        bool, typer.Option("--exit", help="Stop after the summary instead of serving the UI.")
    ] = False,
) -> None:
    """Run everything in the sandbox and show it in the Dagster UI. Safe to run again: it starts afresh."""
    settings = read_settings()
    with ExitStack() as stack:
        stack.enter_context(fresh_home(settings))
        settings = flows_for(settings, line)
        with stdout.status("Making up an ERP ..."):
            at = PORT if port_is_free(PORT) else 0
            sandbox = stack.enter_context(Sandbox.start(sandbox_options(size), port=at))
        store_logins(settings, sandbox, "acme")
        settings = _with_flows(settings, sandbox)
        workspace = stack.enter_context(Workspace.open(settings))
        _set_up(workspace)
        for flow in workspace.project.flows.values():
            if flow.looker is not None:  # as a person does with git: the stand-in reads this folder
                write_lookml(workspace.project, flow, settings.home / "lookml")
        log = settings.home / "dagster.log"
        with stdout.status("Starting Dagster (webserver, daemon, code location) ..."):
            chosen = port if port_is_free(port) else free_port()
            api = stack.enter_context(dagster_dev(settings, chosen, log))
        stdout.print(
            f"Sandbox [bold]{sandbox.url}[/]   Dagster UI [bold]{api.url}[/]   log {_near(log)}",
            soft_wrap=True,
        )
        states = [
            state
            for flow in workspace.project.flows.values()
            for state in _run_flow(workspace, api, flow)
        ]
        equal = print_summary(workspace, api)
        print_looker(workspace, sandbox.url)
        if any(state.status != "SUCCESS" for state in states):
            raise ConnectorError(
                f"a run did not succeed ({', '.join(state.status for state in states)}); "
                f"look at {api.url}/runs or at {_near(log)}"
            )
        if not equal:
            raise ConnectorError("the destinations do not hold the same; see the summary above")
        if not leave:
            _serve(api, sandbox, settings, next(iter(workspace.project.flows.values())))


def _with_flows(settings: Settings, sandbox: Sandbox) -> Settings:
    absent = unusable_types(sandbox)
    for kind, command in absent.items():
        stdout.print(f"[yellow]Without {kind}[/], which is not installed: {escape(command)}")
    return runnable_flows(settings, sandbox, tuple(absent))


def _set_up(workspace: Workspace) -> None:
    """Objects, boards and fields: what a person does once with ``ml-connector setup``."""
    for name, connection in workspace.project.connections.items():
        if is_application(connection):
            with stdout.status(f"Setting up {name} ..."):
                made = set_up(workspace, name, dry_run=False).made
            stdout.print(f"Set up {name}: {len(made)} objects, fields and labels made")


def _assets_of(api: DagsterApi, flow: Flow) -> list[AssetNode]:
    return [one for one in api.materializable_assets() if _is_of(flow, one.path)]


def _is_of(flow: Flow, path: tuple[str, ...]) -> bool:
    """Whether an asset is one of the flow's: an entity, what stands at a destination, or a publication."""
    if path[0] != flow.source:
        return False
    if len(path) == 2:
        return path[1] in flow.entities
    if flow.looker is not None and path[1:3] == (flow.looker.connection, flow.name):
        return True
    places = {target.connection for target in flow.destinations}
    if path[-1] == f"reconciliation_{flow.name}":  # a run compares warehouses only
        return path[1] in {one.connection for one in flow.warehouses}
    return path[1] in places and not {"marts", *flow.entities}.isdisjoint(path[2:])


def _run_flow(workspace: Workspace, api: DagsterApi, flow: Flow) -> list[RunState]:
    """One run per company over the last days, as the flow's schedule would launch them."""
    zone = workspace.cloudsuite(flow.source).zone
    today = workspace.now().astimezone(zone).date()
    first = max(flow.start_date, today - timedelta(days=DAYS_SHOWN - 1))
    assets = _assets_of(api, flow)
    runs = {
        company: api.launch(
            assets,
            {
                "dagster/asset_partition_range_start": f"{company}|{first}",
                "dagster/asset_partition_range_end": f"{company}|{today}",
                "ml_connector/mode": "incremental",
                "ml_connector/tenant": flow.source,
                "ml_connector/company": company,
                "ml_connector/flow": flow.name,
            },
        )
        for company in flow.companies
    }
    return _watch(api, flow, runs)


def _watch(api: DagsterApi, flow: Flow, runs: dict[str, str]) -> list[RunState]:
    # An entity is read once; each destination takes it, checks it, and keeps the marts.
    entities = len(flow.entities)
    steps = entities * (1 + 2 * len(flow.destinations))
    steps += len(flow.warehouses) * len(flow.own_marts) + bool(flow.warehouses)
    steps += 0 if flow.looker is None else 2  # the model, and the dataset with its plans
    states: dict[str, RunState] = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        console=stdout,
    ) as progress:
        tasks = {
            company: progress.add_task(
                f"{flow.name}, company {company}", total=steps, status="queued"
            )
            for company in runs
        }
        while not all(state.ended for state in states.values()) or len(states) < len(runs):
            for company, run_id in runs.items():
                state = states[company] = api.run(run_id)
                done = steps if state.status == "SUCCESS" else min(state.steps_done, steps)
                progress.update(tasks[company], completed=done, status=state.status.lower())
            time.sleep(0.5)
    return list(states.values())


def _pages(sandbox: Sandbox) -> str:
    """Where a person can look at what the applications hold."""
    found = [
        f"{sandbox.url}/_{name}"
        for name in ("salesforce", "monday", "looker")
        if name in sandbox.services
    ]
    return f"     what it holds: {', '.join(found)}" if found else ""


def _serve(api: DagsterApi, sandbox: Sandbox, settings: Settings, flow: Flow) -> None:
    command = _command(settings)
    stdout.print(
        f"\nDagster UI: [bold]{api.url}[/]     lineage: {api.url}/asset-groups\n"
        f"Sandbox:    [bold]{sandbox.url}[/]{_pages(sandbox)}\n"
        "Try in another terminal, in this folder:\n"
        f"  {command} trace acme/100/10001 --entity suppliers\n"
        f"  {command} plan {flow.name} --full\n"
        f"  {command} reconcile {flow.name} --destination {flow.destinations[0].name}\n"
        "Ctrl-C ends everything.",
        soft_wrap=True,
    )
    while api.is_up():
        time.sleep(2)


def _command(settings: Settings) -> str:
    """How the command is called for this very installation, in another terminal."""
    usual = read_settings({})
    told = []
    if settings.home != usual.home:
        told.append(f"ML_CONNECTOR_HOME={_near(settings.home)}")
    if settings.flows != usual.flows:
        told.append(f"ML_CONNECTOR_FLOWS={_near(settings.flows)}")
    return " ".join([*told, str(_near(Path(sys.executable).parent / "ml-connector"))])


def _near(path: Path) -> Path:
    """``path`` as a person in this folder writes it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
