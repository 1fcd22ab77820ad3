"""Counters and gauges, all of them named here: what a dashboard or an alert is made of."""

from enum import StrEnum

from ml_connector_dagster.telemetry.listeners import Current, Facts


class Meter(StrEnum):
    """A measurement. The comment is its description at the collector."""

    ROWS_READ = "ml_connector.rows.read"  # rows staged from the ERP
    ROWS_WRITTEN = "ml_connector.rows.written"  # records that a destination changed
    ROWS_REJECTED = "ml_connector.rows.rejected"  # records that became dead letters
    REQUESTS = "ml_connector.requests"  # API requests sent to the ERP, repeats included
    RETRIES = "ml_connector.retries"  # tries of such requests after a first one
    BUDGET_WAIT = "ml_connector.budget.wait"  # seconds queued for the request budget
    BREAKER_OPEN = "ml_connector.breaker.open"  # 1 while a tenant is left alone, else 0
    WATERMARK_AGE = "ml_connector.watermark.age"  # seconds since the moment up to which all is read
    DEAD_LETTERS = "ml_connector.dead_letters.open"  # records that wait for a replay


#: Those that are set; the others are added up.
GAUGES = frozenset({Meter.BREAKER_OPEN, Meter.WATERMARK_AGE, Meter.DEAD_LETTERS})


def meter(which: Meter, amount: float, facts: Facts) -> None:
    """Report ``amount``: added to a counter, or the new value of a gauge."""
    listener = Current.listener
    if listener is None:
        return
    if which in GAUGES:
        listener.set(which, amount, facts)
    else:
        listener.add(which, amount, facts)
