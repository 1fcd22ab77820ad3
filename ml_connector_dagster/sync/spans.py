"""Spans of time as people type them."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ml_connector_dagster.model.errors import ConfigError


def span_of(since: str, until: str, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """From the beginning of ``since`` to the end of ``until``; "" leaves that end open.

    Each is a day (2026-11-20, the whole of it) or a moment (2026-11-20T14:30), in ``zone`` unless it has an offset.
    Raises ConfigError for anything else, and for a span that ends before it begins.
    """
    first = _moment(since, zone, last=False)
    last = _moment(until, zone, last=True)
    if first is not None and last is not None and last <= first:
        raise ConfigError(f"the span ends ({until}) before it begins ({since})")
    return first, last


def _moment(text: str, zone: ZoneInfo, *, last: bool) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) == len("2026-11-20"):
            day = date.fromisoformat(text) + timedelta(days=int(last))
            return datetime.combine(day, time.min, zone)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is neither a day like 2026-11-20 nor a moment like 2026-11-20T14:30"
        ) from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
