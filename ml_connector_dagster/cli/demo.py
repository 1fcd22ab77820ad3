"""``ml-connector demo``: the whole product on this machine, with no account anywhere.

It starts the sandbox, launches every flow of the sandbox configuration as real Dagster runs, prints what was moved,
and serves the Dagster UI over the result.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ml_connector_dagster.cli.dagster_api import DagsterApi, RunState
from ml_connector_dagster.cli.dagster_process import dagster_dev, free_port, port_is_free
from ml_connector_dagster.cli.demo_flows import flows_for
from ml_connector_dagster.cli.demo_home import fresh_home
from ml_connector_dagster.cli.output import print_table, stdout
from ml_connector_dagster.cli.sandbox import TENANT, sandbox_options, store_ionapi
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.sandbox import Sandbox
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
            sandbox = stack.enter_context(Sandbox.start(sandbox_options(size), port=0))
        store_ionapi(settings, "acme", sandbox.ionapi_text(TENANT))
        workspace = stack.enter_context(Workspace.open(settings))
        log = settings.home / "dagster.log"
        with stdout.status("Starting Dagster (webserver, daemon, code location) ..."):
            chosen = port if port_is_free(port) else free_port()
            api = stack.enter_context(dagster_dev(settings, chosen, log))
        stdout.print(f"Sandbox [bold]{sandbox.url}[/]   Dagster UI [bold]{api.url}[/]   log {log}")
        states = [
            state
            for flow in workspace.project.flows.values()
            for state in _run_flow(workspace, api, flow)
        ]
        _print_summary(workspace, api)
        if any(state.status != "SUCCESS" for state in states):
            raise ConnectorError(
                f"a run did not succeed ({', '.join(state.status for state in states)}); "
                f"look at {api.url}/runs or at {log}"
            )
        if not leave:
            _serve(api, sandbox)


def _run_flow(workspace: Workspace, api: DagsterApi, flow: Flow) -> list[RunState]:
    """One run per company over the last days, as the flow's schedule would launch them."""
    zone = workspace.cloudsuite(flow.source).zone
    today = workspace.now().astimezone(zone).date()
    first = max(flow.start_date, today - timedelta(days=DAYS_SHOWN - 1))
    assets = [asset for asset in api.partitioned_assets() if asset.path[0] == flow.source]
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
    steps = 2 * len(flow.entities)
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


def _print_summary(workspace: Workspace, api: DagsterApi) -> None:
    for flow in workspace.project.flows.values():
        for target in flow.destinations:
            rows = [_summary_row(workspace, flow, target.name, entity) for entity in flow.entities]
            print_table(
                f"{flow.name} → {target.name}",
                ["entity", "read", "written", "unchanged", "rejected", "repeated", "requests"],
                rows,
                footer=["total", *(f"{_total(rows, index):,}" for index in range(1, 7))],
            )
    checks = api.checks()
    failed = sorted(name for name, status in checks.items() if status == "FAILED")
    passed = sum(status == "SUCCEEDED" for status in checks.values())
    stdout.print(f"Checks: [green]{passed} passed[/], {len(failed)} failed, {len(checks)} in all.")
    for name in failed:
        stdout.print(f"  [red]failed[/] {name}")


def _summary_row(
    workspace: Workspace, flow: Flow, destination: str, entity: str
) -> tuple[str, int, int, int, int, int, int]:
    batches = workspace.ledger.batches(tenant=flow.source, entity=entity)
    counts = OutcomeCounts()
    for company in flow.companies:
        counts += workspace.ledger.delivered_counts(
            destination=destination, tenant=flow.source, entity=entity, company=company
        )
    staged = sum(batch.rows for batch in batches)
    dead = sum(batch.dead_letters for batch in batches)
    return (
        entity,
        staged + dead,
        counts.written,
        counts.unchanged,
        counts.rejected + dead,
        staged - counts.total,
        sum(batch.requests for batch in batches),
    )


def _total(rows: Sequence[tuple[str, int, int, int, int, int, int]], index: int) -> int:
    return sum(int(row[index]) for row in rows)


def _serve(api: DagsterApi, sandbox: Sandbox) -> None:
    stdout.print(
        f"\nDagster UI: [bold]{api.url}[/]     lineage: {api.url}/asset-groups\n"
        f"Sandbox:    [bold]{sandbox.url}[/]\n"
        "Try in another terminal:  .venv/bin/ml-connector trace acme/100/10001 --entity suppliers\n"
        "Ctrl-C ends everything."
    )
    while api.is_up():
        time.sleep(2)
