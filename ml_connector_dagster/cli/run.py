"""``ml-connector run``: a whole flow without Dagster (cron jobs, trials, repairs)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ml_connector_dagster.cli.marts import print_marts
from ml_connector_dagster.cli.output import print_json, print_table, stderr, stdout
from ml_connector_dagster.cli.publications import print_publication
from ml_connector_dagster.config.project import Flow, Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.flows import EntityResult, ReadMode, run_flow
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.marts import refresh_marts
from ml_connector_dagster.sync.publish import Publication, publish, undelivered
from ml_connector_dagster.sync.workspace import Workspace


def run(
    flow: Annotated[str, typer.Argument(help="The flow to run.")],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day to read again, whatever is known."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; today when left out.")
    ] = None,
    company: Annotated[list[str] | None, typer.Option(help="Only this company. Repeat it.")] = None,
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity. Repeat it.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read what changed since the last run and deliver it; exit code 1 when any entity failed."""
    if full and (since or until):
        raise typer.BadParameter("--full reads everything: leave --since and --until out")
    if until and not since:
        raise typer.BadParameter("--until needs --since")
    with Workspace.open(read_settings()) as workspace:
        chosen = find_flow(workspace.project, flow)
        today = workspace.now().astimezone(workspace.cloudsuite(chosen.source).zone).date()
        days = _days(since, until, today)
        run_id = f"cli-{new_id(workspace.now())}"
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TextColumn("{task.completed:,.0f} rows"),
            TimeElapsedColumn(),
            console=stderr,
            transient=True,
        ) as progress:
            task = progress.add_task("starting", total=None)

            def on_page(name: str, company: str, rows: int) -> None:
                progress.update(task, description=f"{name} {company}", advance=rows)

            results = run_flow(
                workspace,
                chosen,
                run_id=run_id,
                mode=ReadMode.FULL if full else ReadMode.DAYS if days else ReadMode.INCREMENTAL,
                days=days,
                companies=company or (),
                entities=entity or (),
                on_page=on_page,
            )
        with stderr.status("Refreshing the marts ..."):
            marts = refresh_marts(workspace, chosen, entities=entity or ())
        failed = any(one.error for one in results) or any(one.error for one in marts)
        # Before Looker is told: whatever comes of that, this was read and delivered.
        if as_json:
            print_json([*map(_as_json, results), *map(asdict, marts)])
        else:
            print_results(results)
            if marts:
                print_marts(chosen.name, marts)
        published = None
        if chosen.looker is not None and not failed:
            published = _publish(
                workspace, chosen, run_id, company or (), whole=not entity, quiet=as_json
            )
    if failed or (published is not None and published.failed_plans):
        raise typer.Exit(1)


def _publish(
    workspace: Workspace,
    flow: Flow,
    run_id: str,
    companies: Sequence[str],
    *,
    whole: bool,
    quiet: bool,
) -> Publication | None:
    """Tell Looker. A run of single entities leaves it to the next whole one while others are not delivered."""
    if not whole and (left := undelivered(workspace, flow, companies)):
        if not quiet:
            stdout.print(
                f"Looker is not told yet: {flow.looker_reads.name} still lacks batches of {left}, which "
                f"this run was not to deliver. The next run of {flow.name} does it.",
                markup=False,
            )
        return None
    with stderr.status("Publishing in Looker ..."):
        published = publish(workspace, flow, sync_id=run_id, companies=companies)
    if not quiet:
        print_publication(flow.name, published)
    return published


def find_flow(project: Project, name: str) -> Flow:
    """The flow called ``name``; raises ConfigError that lists the known ones."""
    if name not in project.flows:
        raise ConfigError(f"no flow {name!r}; configured are {', '.join(project.flows) or 'none'}")
    return project.flows[name]


def _as_json(one: EntityResult) -> dict[str, object]:
    return {
        "entity": one.entity,
        "company": one.company,
        "rows_read": one.rows,
        "inserted": one.counts.inserted,
        "updated": one.counts.updated,
        "unchanged": one.counts.unchanged,
        "rejected": one.counts.rejected + one.dead_letters,
        "repeated": one.repeated,
        "requests": one.requests,
        "error": one.error or None,
    }


def print_results(results: Sequence[EntityResult]) -> None:
    """The summary: what was read, written and refused, by entity and company."""
    print_table(
        "Run",
        [
            "entity",
            "company",
            "read",
            "inserted",
            "updated",
            "unchanged",
            "rejected",
            "repeated",
            "requests",
        ],
        [
            [
                one.entity,
                one.company,
                one.rows,
                one.counts.inserted,
                one.counts.updated,
                one.counts.unchanged,
                one.counts.rejected + one.dead_letters,
                one.repeated,
                one.requests,
            ]
            for one in results
        ],
        footer=[
            "total",
            "",
            f"{sum(one.rows for one in results):,}",
            f"{sum(one.counts.inserted for one in results):,}",
            f"{sum(one.counts.updated for one in results):,}",
            f"{sum(one.counts.unchanged for one in results):,}",
            f"{sum(one.counts.rejected + one.dead_letters for one in results):,}",
            f"{sum(one.repeated for one in results):,}",
            f"{sum(one.requests for one in results):,}",
        ],
    )
    for one in results:
        if one.error:
            stdout.print(f"- {one.entity} {one.company}: {one.error}", markup=False)


def _days(since: datetime | None, until: datetime | None, today: date) -> tuple[date, date] | None:
    if since is None:
        return None
    last = until.date() if until else today
    if since.date() > last:
        raise typer.BadParameter(f"--since {since.date()} is after {last}")
    return since.date(), last
