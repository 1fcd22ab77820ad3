"""``ml-connector sweep``: find what was deleted in the ERP, and mark it in every destination."""

from collections.abc import Sequence
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.sweep import SweepResult, sweep_flow
from ml_connector_dagster.sync.workspace import Workspace


def sweep(
    flow: Annotated[str, typer.Argument(help="The flow whose deleted records are looked for.")],
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity. Repeat it.")] = None,
    company: Annotated[list[str] | None, typer.Option(help="Only this company. Repeat it.")] = None,
    brake_percent: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="How much may be missing this time, in place of the flow's share."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only compare; nothing counts and nothing is marked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the ERP's keys; what two sweeps in a row miss is marked deleted. Exit code 1 when one does not count."""
    with Workspace.open(read_settings()) as workspace:
        results = sweep_flow(
            workspace,
            find_flow(workspace.project, flow),
            run_id=f"cli-{new_id(workspace.now())}",
            entities=entity or (),
            companies=company or (),
            dry_run=dry_run,
            brake_percent=brake_percent,
        )
    _print(results, dry_run=dry_run, as_json=as_json)
    if any(one.problems for one in results):
        raise typer.Exit(1)


def _print(results: Sequence[SweepResult], *, dry_run: bool, as_json: bool) -> None:
    numbers = ["known", "seen", "missed", "marked", "returned", "requests"]
    if as_json:
        print_json(
            [
                {
                    "entity": one.sweep.entity,
                    "company": one.sweep.company,
                    "state": one.sweep.state,
                    **{name: getattr(one.sweep, name) for name in numbers},
                    "deleted": one.counts.deleted,
                    "problems": one.problems,
                }
                for one in results
            ]
        )
        return
    print_table(
        "Sweep (dry run)" if dry_run else "Sweep",
        ["entity", "company", "state", *numbers],
        [
            [
                one.sweep.entity,
                one.sweep.company,
                one.sweep.state.value,
                *(getattr(one.sweep, name) for name in numbers),
            ]
            for one in results
        ],
    )
    for one in results:
        for problem in one.problems:
            stdout.print(f"- {one.sweep.entity} {one.sweep.company}: {problem}", markup=False)
