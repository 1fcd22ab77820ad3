"""What a run of a flow will take, before it starts: ``ml-connector plan``, and the job of the same purpose in Dagster.

Nothing is staged and nothing is delivered. The ERP is asked how much there is (``read_forecasts.py``), which takes
requests from the same budget: how many is said. Applications are asked how much of their quota is left.
"""

import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.model.forecasts import (
    Forecast,
    Pace,
    ReadForecast,
)
from ml_connector_dagster.sync.delivery_forecasts import forecast_deliveries
from ml_connector_dagster.sync.durations import budgeted_seconds, unhindered_seconds
from ml_connector_dagster.sync.flows import ReadMode, chosen, parents_first, window_to_read
from ml_connector_dagster.sync.forecast_warnings import warnings_of
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.read_forecasts import Asked, forecast_read
from ml_connector_dagster.sync.workspace import Source, Workspace


#: Seconds of a request, where forecasting made too few to tell.
USUAL_LATENCY: Final = 0.5
#: So many requests tell how long one takes.
_ENOUGH: Final = 3


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

    Raises ConfigError for a company or entity that the flow does not have, TransientError when the tenant does not answer.
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
            warnings_of(flow, mode, source.timezone, reads, destined, seconds, workspace.now())
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
