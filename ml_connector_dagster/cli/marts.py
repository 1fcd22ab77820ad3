"""``ml-connector marts``: which marts each flow keeps, and why it lacks the others."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stderr
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.sync.marts import MartResult, refresh_marts
from ml_connector_dagster.sync.workspace import Workspace


def marts(
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh", help="Define the views anew and check them, as a run does at its end."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the marts of every flow; exit code 1 when one could not be refreshed or does not add up."""
    with Workspace.open(read_settings()) as workspace:
        flows = workspace.project.flows.values()
        if not refresh:
            _print_list([one for flow in flows for one in _listed(flow)], as_json=as_json)
            return
        found = {}
        for flow in flows:
            with stderr.status(f"Refreshing the marts of {flow.name} ..."):
                found[flow.name] = refresh_marts(workspace, flow)
    if as_json:
        print_json([{"flow": name, **asdict(one)} for name, some in found.items() for one in some])
    else:
        for name, some in found.items():
            print_marts(name, some)
    if any(not one.adds_up for some in found.values() for one in some):
        raise typer.Exit(1)


def _listed(flow: Flow) -> list[dict[str, str]]:
    kept = {mart.name for mart in flow.own_marts} if flow.warehouses else set()
    places = ", ".join(target.name for target in flow.warehouses)
    return [
        {
            "flow": flow.name,
            "mart": name,
            "kept": "yes" if name in kept else "no",
            "where, or why not": places if name in kept else _why_not(flow, name),
        }
        for name in MARTS
    ]


def _why_not(flow: Flow, mart: str) -> str:
    if not flow.warehouses:
        return "the flow has no warehouse"
    missing = flow.marts_left_out.get(mart)
    return f"the flow has no {', '.join(missing)}" if missing else "not among the flow's marts:"


def _print_list(rows: Sequence[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns = ["flow", "mart", "kept", "where, or why not"]
    print_table("Marts", columns, [[row[name] for name in columns] for row in rows])


def print_marts(flow: str, results: Sequence[MartResult]) -> None:
    """What became of each."""
    print_table(
        f"{flow}: marts",
        ["mart", "destination", "rows", "as of", "adds up", "error"],
        [
            [one.mart, one.destination, one.rows, one.as_of, one.adds_up, one.error]
            for one in results
        ],
    )
