"""A window on the wall clock of an ERP that stamps changes in its own local time, without an offset."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClock:
    """Local times without a zone: ``first`` (included; None: open to the past) and ``until`` (not included)."""

    first: datetime | None
    until: datetime


def wall_clock(window: Window, zone: ZoneInfo) -> WallClock:
    """The local times at which a record of ``window`` can have been stamped.

    In the hour that a zone's clocks show twice the span is the wider one: what is read too much falls out by content,
    what is read too little would be lost.
    """
    first = None if window.start is None else window.start.astimezone(zone)
    until = window.end.astimezone(zone)
    return WallClock(
        first=None if first is None else _naive(first) - (_repeated(first) if not first.fold else timedelta()),
        until=_naive(until) + (_repeated(until) if until.fold else timedelta()),
    )  # fmt: skip


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


def _repeated(moment: datetime) -> timedelta:
    """By how much the clocks go back around ``moment``, when it is shown twice; else nothing."""
    before, after = moment.replace(fold=0).utcoffset(), moment.replace(fold=1).utcoffset()
    if before is None or after is None or before <= after:
        return timedelta()
    return before - after
