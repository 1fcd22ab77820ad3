"""What a run of a flow will take, before it starts; and what it took, against that. ``ml-connector plan`` shows both.

Nothing is staged and nothing is delivered. The ERP is asked how much there is (``read_forecasts.py``), which takes
requests from the same budget: how many is said. Applications are asked how much of their quota is left.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.ledger import PastRead
from ml_connector_dagster.model.forecasts import (
    DeliveryForecast,
    Forecast,
    Pace,
    ReadForecast,
)
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.delivery_forecasts import Destined, forecast_deliveries
from ml_connector_dagster.sync.durations import budgeted_seconds, unhindered_seconds
from ml_connector_dagster.sync.extract import RESUME_WITHIN
from ml_connector_dagster.sync.flows import ReadMode, chosen, parents_first, window_to_read
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.read_forecasts import Asked, forecast_read
from ml_connector_dagster.sync.workspace import Source, Workspace


#: Seconds of a request, where forecasting made too few to tell.
USUAL_LATENCY: Final = 0.5
#: So many requests tell how long one takes.
_ENOUGH: Final = 3
#: Reads after a forecast among which its own are looked for.
_LOOKED_THROUGH: Final = 200


def forecast_flow(
    workspace: Workspace,
    flow: Flow,
    *,
    mode: ReadMode = ReadMode.INCREMENTAL,
    days: tuple[date, date] | None = None,
    companies: Sequence[str] = (),
    entities: Sequence[str] = (),
    targets: Sequence[FlowDestination] | None = None,
    on_read: Callable[[str, str], None] = lambda entity, company: None,
    elapsed: Callable[[], float] = time.monotonic,
) -> Forecast:
    """Foresee a run with these choices, and write it down. ``targets``: all destinations of the flow when None.

    Raises ConfigError for a company or entity that the flow does not have, CredentialError or TransientError when the
    tenant cannot be asked at all.
    """
    chosen_companies = chosen("company", companies, flow.companies, flow.name)
    chosen_entities = chosen("entity", entities, flow.entities, flow.name)
    asked, reads = Asked(), []
    with workspace.source(flow.source) as source:
        for entity in parents_first(chosen_entities):
            for company in chosen_companies:
                on_read(entity, company)
                window = window_to_read(
                    workspace, source, flow, entity=entity, company=company, mode=mode, days=days
                )
                reads.append(
                    forecast_read(
                        workspace,
                        source,
                        entity=entity,
                        company=company,
                        window=window,
                        asked=asked,
                        elapsed=elapsed,
                    )
                )
        pace = _pace(source, asked)
    destined = forecast_deliveries(
        workspace, flow, flow.destinations if targets is None else targets, reads
    )
    setup = asked.setup * len(chosen_companies)
    seconds = reading_seconds(reads, setup, pace)
    forecast = Forecast(
        forecast_id=new_id(workspace.now()),
        flow=flow.name,
        tenant=flow.source,
        mode=mode.value,
        made_at=workspace.now(),
        reads=tuple(reads),
        deliveries=tuple(destined.deliveries),
        quotas=tuple(destined.quotas),
        setup=setup,
        spent=asked.requests,
        # The divisions of a company are asked by every process: those the run asks again.
        learning=max(0, asked.learning - setup),
        pace=pace,
        seconds=seconds,
        warnings=tuple(
            _warnings(flow, mode, source.timezone, reads, destined, seconds, workspace.now())
        ),
    )
    workspace.ledger.record_forecast(forecast)
    return forecast


def reading_seconds(reads: Sequence[ReadForecast], setup: int, pace: Pace) -> float:
    """Seconds for all ``reads``, which follow one another, within the tenant's budget; see ``durations``."""
    unhindered = setup * pace.latency + sum(
        unhindered_seconds(
            one.requests, one.longest, concurrency=pace.concurrency, latency=pace.latency
        )
        for one in reads
    )
    return budgeted_seconds(
        setup + sum(one.requests for one in reads),
        unhindered,
        per_minute=pace.requests_per_minute,
        latency=pace.latency,
    )


def _pace(source: Source, asked: Asked) -> Pace:
    measured = asked.requests >= _ENOUGH
    return Pace(
        requests_per_minute=source.connection.requests_per_minute,
        concurrency=source.concurrency,
        latency=asked.seconds / asked.requests if measured else USUAL_LATENCY,
        measured=measured,
    )


def _warnings(
    flow: Flow,
    mode: ReadMode,
    timezone: ZoneInfo,
    reads: Sequence[ReadForecast],
    destined: Destined,
    seconds: float,
    now: datetime,
) -> Iterator[str]:
    for quota in destined.quotas:
        if not quota.suffices:
            left = max(0, quota.ceiling - (quota.used or 0))
            yield (
                f"{quota.system}: {quota.needed or 0:,} {quota.name} are needed and {left:,} are left of "
                f"{quota.limit:,}; cut the run into parts, or raise the limit"
            )
    for one in destined.deliveries:
        if one.seconds >= 60:
            yield (
                f"{one.destination}: {one.entity} takes at least {one.seconds / 60:.0f} minutes by the system's own "
                "limits a minute"
            )
    for one in reads:
        subject = f"{one.entity}, company {one.company}"
        if one.error:
            yield f"{subject} cannot be read: {one.error}"
        elif one.basis == "unknown":
            yield (
                f"{subject}: how many rows come is not known, since {one.how} and nothing was read before; "
                f"{one.requests:,} requests are the least"
            )
        elif one.basis == "at least":
            yield (
                f"{subject}: counting stopped at {one.rows:,} rows, there are more; {one.requests:,} requests are the least"
            )
    yield from (f"nothing is known of {problem}" for problem in destined.problems)
    if seconds > RESUME_WITHIN.total_seconds():
        yield (
            f"reading takes {seconds / 3600:.0f} hours: a read that is broken off is taken up again within "
            f"{RESUME_WITHIN.total_seconds() / 3600:.0f} hours; cut it into spans of days"
        )
    interval = _interval(flow, timezone, now)
    if mode is ReadMode.INCREMENTAL and interval is not None and seconds > interval.total_seconds():
        yield (
            f"reading takes {seconds / 60:.0f} minutes, and the schedule starts the next run after "
            f"{interval.total_seconds() / 60:.0f}"
        )


def _interval(flow: Flow, timezone: ZoneInfo, now: datetime) -> timedelta | None:
    """From the next tick of the flow's schedule to the one after it."""
    if flow.schedule is None:
        return None
    zone = ZoneInfo(flow.schedule.timezone) if flow.schedule.timezone else timezone
    local = now.astimezone(zone)
    gaps = []
    for expression in flow.schedule.cron_expressions:
        ticks = croniter(expression, local)
        first, second = ticks.get_next(datetime), ticks.get_next(datetime)
        gaps.append(second - first)
    return min(gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOutcome:
    """A forecast of a read, and the read; ``actual`` None: it has not been run, or not ended."""

    planned: ReadForecast
    actual: PastRead | None

    @property
    def off(self) -> float | None:
        """Requests beyond the forecast, as a share of those used: 0.1 is a tenth more than was said."""
        if self.actual is None or not self.actual.requests:
            return None
        return (self.actual.requests - self.planned.requests) / self.actual.requests


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """A forecast of a delivery, and the calls that the same runs made; None: none of them ran."""

    planned: DeliveryForecast
    calls: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastOutcome:
    """What became of a forecast."""

    forecast: Forecast
    reads: tuple[ReadOutcome, ...]
    deliveries: tuple[DeliveryOutcome, ...]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs that did what was foreseen."""
        return tuple(dict.fromkeys(one.actual.run_id for one in self.reads if one.actual))


def outcome_of(workspace: Workspace, forecast: Forecast) -> ForecastOutcome:
    """Hold what was read since ``forecast`` against it: the first read of each entity and company with the same window."""
    reads = tuple(
        ReadOutcome(
            planned=one,
            actual=_read_after(workspace, forecast, one.entity, one.company, one.window),
        )
        for one in forecast.reads
    )
    outcome = ForecastOutcome(forecast=forecast, reads=reads, deliveries=())
    deliveries = tuple(
        DeliveryOutcome(
            planned=one,
            calls=workspace.ledger.delivery_requests(
                destination=one.destination, entity=one.entity, run_ids=outcome.run_ids
            )
            if any(read.actual and read.planned.entity == one.entity for read in reads)
            else None,
        )
        for one in forecast.deliveries
    )
    return ForecastOutcome(forecast=forecast, reads=reads, deliveries=deliveries)


def planned_read(
    workspace: Workspace, flow: Flow, *, entity: str, company: str, window: Window, began: datetime
) -> ReadForecast | None:
    """What the newest forecast before a read that ``began`` then said of it; None when there was none of that window."""
    for forecast in workspace.ledger.forecasts(flow.name, limit=5):
        if forecast.made_at > began:
            continue
        for one in forecast.reads:
            if (one.entity, one.company, one.window) == (entity, company, window):
                return None if one.error else one
    return None


def _read_after(
    workspace: Workspace, forecast: Forecast, entity: str, company: str, window: Window
) -> PastRead | None:
    found = workspace.ledger.past_reads(
        tenant=forecast.tenant,
        entity=entity,
        company=company,
        since=forecast.made_at,
        limit=_LOOKED_THROUGH,
    )
    return next((one for one in reversed(found) if one.window == window), None)
