"""``ml-connector plan``: what a run will take, before it starts; and afterwards, what it took."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Annotated, Final

import typer
from rich.markup import escape

from ml_connector_dagster.cli.deliver import find_targets
from ml_connector_dagster.cli.output import print_json, print_table, stderr, stdout
from ml_connector_dagster.cli.plan_outcomes import outcome_document, print_outcome
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.forecasts import (
    DeliveryForecast,
    Forecast,
    ReadForecast,
    forecast_document,
)
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.forecast_outcomes import outcome_of
from ml_connector_dagster.sync.forecasts import forecast_flow
from ml_connector_dagster.sync.workspace import Workspace


#: How sure the rows and requests of a read are, for people; in this order below the table.
BASES: Final[Mapping[str, str]] = {
    "counted": "exact, if nothing changes before the run and no request has to be repeated",
    "sampled": "an estimate: counted in part, the rest is taken to be like it",
    "last read": "everything is read each time, and took so much the last time",
    "last reads": "an estimate: so many rows a day as earlier reads brought",
    "at least": "counting stopped there, it will be more",
    "unknown": "nothing can be counted and nothing was read before: the fewest requests there can be",
}


def plan(
    flow: Annotated[str, typer.Argument(help="The flow whose run is planned.")],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day to read again, whatever is known."),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(metavar="A..B", help="These days: 2026-01-01..2026-03-31, both included."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything again.")] = False,
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity. Repeat it.")] = None,
    company: Annotated[list[str] | None, typer.Option(help="Only this company. Repeat it.")] = None,
    destination: Annotated[
        str | None, typer.Option(help="Only this destination, e.g. crm or warehouse.erp.")
    ] = None,
    actual: Annotated[
        bool, typer.Option("--actual", help="Show the last plan and what the run took.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a run will take: requests, minutes, rows, target calls; exit code 1 when something will not suffice."""
    if (since is not None) + (days is not None) + full > 1:
        raise typer.BadParameter("give one of --since, --days and --full")
    with Workspace.open(read_settings()) as workspace:
        chosen = find_flow(workspace.project, flow)
        if actual:
            _show_actual(workspace, chosen, as_json=as_json)
            return
        today = workspace.now().astimezone(workspace.cloudsuite(chosen.source).zone).date()
        span = _days(since, days, today)
        with stderr.status("Asking how much there is ...") as status:
            forecast = forecast_flow(
                workspace,
                chosen,
                mode=ReadMode.FULL if full else ReadMode.DAYS if span else ReadMode.INCREMENTAL,
                days=span,
                companies=company or (),
                entities=entity or (),
                targets=find_targets(chosen, destination),
                on_read=_told(status.update),
            )
    if as_json:
        print_json(forecast_document(forecast))
    else:
        print_forecast(forecast)
    if any(not one.suffices for one in forecast.quotas) or any(one.error for one in forecast.reads):
        raise typer.Exit(1)


def print_forecast(forecast: Forecast) -> None:
    """Reads, deliveries, quotas, and what it comes to."""
    print_reads(forecast)
    print_table(
        "How it is read, and how that is known",
        ["entity", "route", "counted by"],
        dict.fromkeys((one.entity, one.route, one.how) for one in forecast.reads if not one.error),
    )
    if forecast.deliveries:
        print_table(
            "Deliveries",
            ["destination", "way in", "entities", "rows", "calls", "calls are"],
            _ways(forecast),
        )
    if forecast.quotas:
        print_table(
            "Quotas",
            ["system", "quota", "needed", "used", "limit", "we stop at", "suffices"],
            [
                [one.system, one.name, one.needed, one.used, one.limit, one.ceiling, one.suffices]
                for one in forecast.quotas
            ],
        )
    for line in summary_lines(forecast):
        stdout.print(line, highlight=False)
    for warning in forecast.warnings:
        stdout.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


def print_reads(forecast: Forecast) -> None:
    """What reading takes, and how sure each number is."""
    rows: list[list[object]] = [
        [
            one.entity,
            one.company,
            one.rows,
            one.requests,
            _size(one.bytes),
            "error" if one.error else one.basis,
        ]
        for one in forecast.reads
    ]
    if forecast.setup:  # so that the column adds up to its total
        rows.append(["divisions", "each", None, forecast.setup, "", "counted"])
    print_table(
        f"Plan of {forecast.flow}: {_mode(forecast)}",
        ["entity", "company", "rows", "requests", "staged, about", "basis"],
        rows,
        footer=[
            "total",
            "",
            f"{forecast.rows:,}",
            f"{forecast.requests:,}",
            _size(forecast.bytes),
            "",
        ],
    )
    for basis, meaning in BASES.items():
        if any(one.basis == basis and not one.error for one in forecast.reads):
            stdout.print(f"{basis}: {meaning}", highlight=False)


def _ways(forecast: Forecast) -> Iterator[list[object]]:
    """One line for all entities that go the same way."""
    every = {one.entity for one in forecast.deliveries}
    groups: dict[tuple[str, str, str], list[DeliveryForecast]] = {}
    for one in forecast.deliveries:
        groups.setdefault((one.destination, ", ".join(one.ways), one.basis), []).append(one)
    for (destination, ways, basis), alike in groups.items():
        known = [one for one in alike if one.rows is not None]
        yield [
            destination,
            ways,
            "all" if len(alike) == len(every) > 1 else ", ".join(one.entity for one in alike),
            sum(one.rows or 0 for one in known) if known else None,
            sum(one.calls or 0 for one in known) if known else None,
            basis,
        ]


def summary_lines(forecast: Forecast) -> Iterator[str]:
    """What it comes to, in sentences."""
    pace = forecast.pace
    yield f"{forecast.requests:,} requests to {forecast.tenant}: {spoken(forecast.seconds)} of reading."
    how = "measured" if pace.measured else "taken for granted"
    yield (
        f"At {pace.requests_per_minute:,} requests a minute, {pace.concurrency} at a time, "
        f"{pace.latency:.2f} s each ({how}). Other runs use the same budget."
    )
    learned = (
        f", {forecast.learning:,} of them about routes and tables, which the run need not ask again"
        if forecast.learning
        else ""
    )
    yield f"Finding out took {forecast.spent:,} requests{learned}."


def spoken(seconds: float) -> str:
    """A duration as a person would say it."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"about {seconds:.0f} seconds"
    if seconds < 100 * 60:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.1f} hours"


def _told(update: Callable[[str], None]) -> Callable[[str, str], None]:
    return lambda entity, company: update(f"Asking how many {entity} company {company} has ...")


def _show_actual(workspace: Workspace, flow: Flow, *, as_json: bool) -> None:
    found = workspace.ledger.forecasts(flow.name)
    if not found:
        raise ConfigError(
            f"there is no plan of {flow.name!r} yet; make one with: ml-connector plan {flow.name}"
        )
    outcome = outcome_of(workspace, found[0])
    if as_json:
        print_json(outcome_document(outcome))
    else:
        print_outcome(outcome)


def _mode(forecast: Forecast) -> str:
    windows = {_span(one) for one in forecast.reads}
    span = f"{windows.pop()}" if len(windows) == 1 else "each from where it was left"
    return f"{forecast.mode}, {span}"


def _span(read: ReadForecast) -> str:
    first = read.window.first_day
    return f"{'the beginning' if first is None else first} to {read.window.last_day}"


def _size(size: int | None) -> str:
    """Bytes in the unit that a person would take."""
    if size is None:
        return ""
    if size < 1_000_000:
        return f"{size / 1_000:,.0f} kB"
    return f"{size / 1_000_000:,.1f} MB"


def _days(since: datetime | None, days: str | None, today: date) -> tuple[date, date] | None:
    if since is not None:
        if since.date() > today:
            raise typer.BadParameter(f"--since {since.date()} is in the future")
        return since.date(), today
    if days is None:
        return None
    first, dots, last = days.partition("..")
    try:
        span = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        span = None
    if span is not None and span[0] > span[1]:
        raise typer.BadParameter(f"--days {days!r} ends before it begins")
    if not dots or span is None:
        raise typer.BadParameter(f"--days {days!r} is not like 2026-01-01..2026-03-31")
    return span
