"""What reading each entity of each company will take: counted where the ERP lets itself be counted, else as it was before.

How each API is counted stands in ``cloudsuite/reckonings.py``. Before that comes what is free: a route that reads
everything each time took last time what it will take now. After that comes what is left: the ledger's earlier reads.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median
from typing import Final

from ml_connector_dagster.cloudsuite.pages import Slice
from ml_connector_dagster.cloudsuite.reckonings import Basis, Reckoning
from ml_connector_dagster.columns.layouts import Layout
from ml_connector_dagster.ledger import PastRead
from ml_connector_dagster.model.errors import ConnectorError, TransientError
from ml_connector_dagster.model.forecasts import ReadForecast
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.workspace import Source, Workspace


#: A whole read is like the last one for so long.
LIKE_LAST_TIME: Final = timedelta(days=30)
#: Earlier reads that an estimate rests on.
PAST: Final = 10
#: Bytes of a value in compressed Parquet, where nothing was staged yet: seen with the sandbox's tables.
_BYTES_PER_VALUE: Final = 4


@dataclass(slots=True, kw_only=True)
class Asked:
    """What forecasting itself has cost. ``seconds`` are those of the requests.

    ``learning``: requests about routes and tables, which the run would have made otherwise, and need not make now.
    """

    requests: int = 0
    learning: int = 0
    seconds: float = 0.0
    setup: int = 0


def forecast_read(
    workspace: Workspace,
    source: Source,
    *,
    entity: str,
    company: str,
    window: Window,
    asked: Asked,
    elapsed: Callable[[], float] = time.monotonic,
) -> ReadForecast:
    """One entity of one company. What it cannot be read for becomes the forecast's ``error``: the others are foreseen all the same.

    Raises TransientError when the tenant does not answer.
    """
    unknown = ReadForecast(entity=entity, company=company, window=window)
    before, started = source.gateway.usage(), elapsed()
    try:
        chains = source.line.slices(entity, company, window)
        asked.learning += source.gateway.requests_made - before.requests
        asked.setup = max(asked.setup, chains[0].setup)
        past = workspace.ledger.past_reads(
            tenant=source.tenant, entity=entity, company=company, limit=PAST
        )
        known = _like_last_time(workspace, unknown, chains, past)
        if known is None:
            reckoning = source.line.reckon(entity, company, window)
            known = _reckoned(unknown, reckoning, past)
    except TransientError:
        raise
    except ConnectorError as error:
        return replace(unknown, error=str(error))
    finally:
        used = source.gateway.usage()
        asked.requests += used.requests - before.requests
        waited = used.waited_seconds - before.waited_seconds
        asked.seconds += max(0.0, elapsed() - started - waited)
    return replace(known, bytes=_bytes(known.rows, past, source.line.layout(entity)))


def _like_last_time(
    workspace: Workspace, unknown: ReadForecast, chains: Sequence[Slice], past: Sequence[PastRead]
) -> ReadForecast | None:
    """A read of everything by the same route, not long ago."""
    if not chains[0].whole:
        return None
    since = workspace.now() - LIKE_LAST_TIME
    last = next(
        (one for one in past if one.route == chains[0].route and one.started_at >= since), None
    )
    if last is None:
        return None
    return replace(
        unknown,
        route=last.route,
        rows=last.rows,
        requests=last.requests,
        longest=-(-last.requests // len(chains)),
        basis="last read",
        how=f"everything is read each time; as on {last.started_at:%Y-%m-%d %H:%M} UTC",
    )


def _reckoned(
    unknown: ReadForecast, reckoning: Reckoning, past: Sequence[PastRead]
) -> ReadForecast:
    forecast = replace(
        unknown,
        route=reckoning.route,
        rows=reckoning.rows,
        requests=reckoning.requests,
        longest=reckoning.longest,
        basis=reckoning.basis.value,
        how=reckoning.how,
    )
    if reckoning.basis not in (Basis.UNKNOWN, Basis.AT_LEAST):
        return forecast
    estimated = _estimated(forecast, past)
    if estimated is None or (estimated.rows or 0) < (reckoning.rows or 0):
        return forecast
    return estimated


def _estimated(forecast: ReadForecast, past: Sequence[PastRead]) -> ReadForecast | None:
    """By the rows and requests of earlier reads; of a window, by their rows a day."""
    first_load = forecast.window.start is None
    alike = [one for one in past if (one.window.start is None) == first_load]
    rates = [one.rows if first_load else one.rows / _days(one.window) for one in alike]
    if not rates or not sum(one.rows for one in alike):
        return None
    rate = rates[0] if first_load else median(rates)
    rows = round(rate if first_load else rate * _days(forecast.window))
    per_row = sum(one.requests for one in alike) / sum(one.rows for one in alike)
    requests = max(forecast.requests, round(rows * per_row))
    return replace(
        forecast,
        rows=rows,
        requests=requests,
        longest=max(forecast.longest, requests),
        basis="last reads",
        how=f"estimated from the last {len(alike)} reads in the ledger",
    )


def _days(window: Window) -> float:
    """Days of a window, at least one hour's part of one."""
    if window.start is None:
        raise ValueError("a window that is open to the past has no length")
    return max((window.end - window.start) / timedelta(days=1), 1 / 24)


def _bytes(rows: int | None, past: Sequence[PastRead], layout: Layout) -> int | None:
    """Staged bytes: as many a row as before."""
    if rows is None:
        return None
    staged, of_rows = sum(one.bytes for one in past), sum(one.rows for one in past)
    if of_rows:
        return round(rows * staged / of_rows)
    return rows * len(layout.fields) * _BYTES_PER_VALUE
