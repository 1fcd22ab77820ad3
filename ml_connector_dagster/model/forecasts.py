"""What a run is going to take: the nouns of ``ml-connector plan``.

They are called forecasts here, because a plan is a report that Looker sends (``sync/plans.py``) and what a delivery does
to the records of a batch (``destinations``). People type and read "plan".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadForecast:
    """Reading one entity of one company.

    Attributes:
        rows: records that come from the ERP; None when nobody can tell.
        requests: to the ERP, for all pages and what completes them.
        longest: requests of the longest chain, which follow one another.
        bytes: of staged Parquet; None when ``rows`` is.
        basis: ``counted``, ``sampled``, ``last read``, ``last reads``, ``at least`` or ``unknown``.
        how: what that means, for people.
        error: why this entity cannot be read; then nothing else is known of it.
    """

    entity: str
    company: str
    window: Window
    route: str = ""
    rows: int | None = None
    requests: int = 0
    longest: int = 0
    bytes: int | None = None
    basis: str = "unknown"
    how: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryForecast:
    """Bringing what was read of one entity, all companies together, to one destination.

    Attributes:
        rows: the most that are sent; what is unchanged there is not written. None when it is not known.
        ways: the ways in: inline, staged file, collections, bulk job, …
        calls: requests to the destination; None when it is not known.
        basis: what ``calls`` rests on; or why nothing is known.
        seconds: the least that the system's own limits allow; 0 where it has none.
    """

    destination: str
    entity: str
    rows: int | None
    ways: tuple[str, ...]
    calls: int | None
    basis: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaForecast:
    """One limit that a system puts on its callers.

    Attributes:
        needed: what the run takes of it, at most; None when that is not known.
        used: what is used up already, by everybody, as far as the system tells; None when it does not.
        limit: what there is.
        ceiling: where we stop, on purpose or by the system's rule.
    """

    system: str
    name: str
    needed: int | None
    used: int | None
    limit: int
    ceiling: int

    @property
    def suffices(self) -> bool:
        """Whether the run fits in, as far as is known."""
        return (self.used or 0) + (self.needed or 0) <= self.ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast requests can follow one another. ``latency``: seconds of one; ``measured`` now, or taken for granted."""

    requests_per_minute: int
    concurrency: int
    latency: float
    measured: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A flow's run as it was foreseen.

    Attributes:
        mode: as ``sync.flows.ReadMode``: incremental, days or full.
        setup: requests once for each company, beside those of the reads.
        spent: requests that this forecast itself took; ``learning`` of them about routes and tables, which is remembered,
            so that the run need not ask again.
        seconds: of reading: see ``sync/durations.py``.
        warnings: what will not suffice, or is not known.
    """

    forecast_id: str
    flow: str
    tenant: str
    mode: str
    made_at: datetime
    reads: tuple[ReadForecast, ...]
    deliveries: tuple[DeliveryForecast, ...]
    quotas: tuple[QuotaForecast, ...]
    setup: int
    spent: int
    learning: int
    pace: Pace
    seconds: float
    warnings: tuple[str, ...]

    @property
    def requests(self) -> int:
        """All requests to the ERP."""
        return self.setup + sum(one.requests for one in self.reads)

    @property
    def rows(self) -> int:
        """Records from the ERP, as far as they are known."""
        return sum(one.rows or 0 for one in self.reads)

    @property
    def bytes(self) -> int:
        """Staged, as far as they are known."""
        return sum(one.bytes or 0 for one in self.reads)


def forecast_document(forecast: Forecast) -> dict[str, Any]:
    """``forecast`` for JSON; ``forecast_of`` is the inverse."""
    return {
        "forecast_id": forecast.forecast_id,
        "flow": forecast.flow,
        "tenant": forecast.tenant,
        "mode": forecast.mode,
        "made_at": forecast.made_at.isoformat(),
        "requests": forecast.requests,
        "rows": forecast.rows,
        "bytes": forecast.bytes,
        "seconds": round(forecast.seconds, 1),
        "setup": forecast.setup,
        "spent": forecast.spent,
        "learning": forecast.learning,
        "pace": {name: getattr(forecast.pace, name) for name in Pace.__slots__},
        "reads": [_read_document(one) for one in forecast.reads],
        "deliveries": [
            {name: getattr(one, name) for name in DeliveryForecast.__slots__}
            for one in forecast.deliveries
        ],
        "quotas": [
            {
                **{name: getattr(one, name) for name in QuotaForecast.__slots__},
                "suffices": one.suffices,
            }
            for one in forecast.quotas
        ],
        "warnings": list(forecast.warnings),
    }


def forecast_of(document: Mapping[str, Any]) -> Forecast:
    """The inverse of ``forecast_document``."""
    return Forecast(
        forecast_id=document["forecast_id"],
        flow=document["flow"],
        tenant=document["tenant"],
        mode=document["mode"],
        made_at=datetime.fromisoformat(document["made_at"]),
        reads=tuple(map(_read_of, document["reads"])),
        deliveries=tuple(
            DeliveryForecast(**{**one, "ways": tuple(one["ways"])})
            for one in document["deliveries"]
        ),
        quotas=tuple(
            QuotaForecast(**{name: one[name] for name in QuotaForecast.__slots__})
            for one in document["quotas"]
        ),
        setup=document["setup"],
        spent=document["spent"],
        learning=document["learning"],
        pace=Pace(**document["pace"]),
        seconds=document["seconds"],
        warnings=tuple(document["warnings"]),
    )


def _read_document(read: ReadForecast) -> dict[str, Any]:
    fields = {name: getattr(read, name) for name in ReadForecast.__slots__ if name != "window"}
    start = read.window.start
    return {
        **fields,
        "window": {
            "start": None if start is None else start.isoformat(),
            "end": read.window.end.isoformat(),
        },
    }


def _read_of(document: Mapping[str, Any]) -> ReadForecast:
    start, end = document["window"]["start"], document["window"]["end"]
    window = Window(
        start=None if start is None else datetime.fromisoformat(start),
        end=datetime.fromisoformat(end),
    )
    return ReadForecast(**{**document, "window": window})
