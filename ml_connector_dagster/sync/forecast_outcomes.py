"""What became of a forecast: what the run took, against what was said."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.ledger import PastRead
from ml_connector_dagster.model.forecasts import DeliveryForecast, Forecast, ReadForecast
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.workspace import Workspace


#: Reads after a forecast among which its own are looked for.
_LOOKED_THROUGH: Final = 200
#: Forecasts that may have foreseen a read.
_LOOKED_BACK: Final = 5


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
    return replace(outcome, deliveries=deliveries)


def planned_read(
    workspace: Workspace, flow: Flow, *, entity: str, company: str, window: Window, began: datetime
) -> ReadForecast | None:
    """What the newest forecast before a read that ``began`` then said of it; None when there was none of that window."""
    for forecast in workspace.ledger.forecasts(flow.name, limit=_LOOKED_BACK):
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
