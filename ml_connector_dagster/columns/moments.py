"""Dates, timestamps and the modified stamp: text → typed, in columns.

Blank, "0" and "00000000" are null everywhere. "99999999" is M3's open end and becomes 9999-12-31.
A local time that the clocks show twice, or skip, is the moment of their change: which of the two was meant nobody can
tell, and a guess would make a version of the second hour look older than one of the first, and be dropped as such. Equal
stamps leave it to the moment of reading.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.columns.cells import Cells, Parsed, parse_distinct


TIMESTAMP: Final = pa.timestamp("us", "UTC")

NOT_A_DATE: Final = "not a date"
NOT_A_TIMESTAMP: Final = "not a timestamp"

OPEN_END: Final = "99999999"
_NO_DATE: Final = frozenset({"0", "00000000", "0000-00-00"})

_DATE = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})", re.ASCII)
_TIMESTAMP = re.compile(
    r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})"
    r"(?:[T ]([0-9]{2})(:?)([0-9]{2})(?:\6([0-9]{2})(?:\.([0-9]{1,9}))?)?"
    r"(?: ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?",
    re.ASCII,
)
_TIME = re.compile(r"[0-9]{1,6}", re.ASCII)


def parse_date(text: str) -> date | None:
    """The day that ``text`` (yyyyMMdd or yyyy-MM-dd) names; raises ValueError with the reason."""
    if text in _NO_DATE:
        return None
    if text == OPEN_END:
        return date.max
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(NOT_A_DATE)
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        raise ValueError(NOT_A_DATE) from None


def parse_timestamp(text: str, zone: ZoneInfo) -> datetime | None:
    """The instant, in UTC, of "yyyyMMdd HH:mm:ss.fff" or ISO 8601; decimals beyond microseconds are cut."""
    if text in _NO_DATE:
        return None
    local, offset = _split_timestamp(text)
    if offset is None:
        return to_utc(local, zone)
    try:
        return (local - offset).replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError(NOT_A_TIMESTAMP) from None


def parse_local_day(text: str) -> date | None:
    """The day as written, of a timestamp or a date; its time and offset are left out."""
    if text == OPEN_END or text in _NO_DATE:
        return parse_date(text)
    return _split_timestamp(text)[0].date()


def parse_clock(text: str | None) -> time:
    """HHmmss without leading zeros; whatever is blank or no time of day counts as midnight."""
    if text is None or _TIME.fullmatch(text) is None:
        return time.min
    digits = text.zfill(6)
    try:
        return time(int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        return time.min


def local_days(cells: Cells) -> Parsed:
    """The day, as written, of every timestamp."""
    return parse_distinct(cells, pa.date32(), parse_local_day)


def timestamps(cells: Cells, zone: ZoneInfo) -> Parsed:
    """Every cell as an instant; without an offset it is local time of ``zone``."""
    return parse_distinct(cells, TIMESTAMP, lambda text: parse_timestamp(text, zone))


def to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a wall-clock time (naive) in ``zone``; see the module's words on gaps and folds."""
    try:
        before = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        after = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    except OverflowError:
        raise ValueError(NOT_A_TIMESTAMP) from None
    if before == after:
        return before
    # Read with the offset before a change of the clocks and with the one after it: the change lies between.
    low, high = min(before, after), max(before, after)
    offset = high.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)


def _split_timestamp(text: str) -> tuple[datetime, timedelta | None]:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(NOT_A_TIMESTAMP)
    year, _, month, day, hour, _, minute, second, fraction, offset = match.groups()
    try:
        local = datetime(  # noqa: DTZ001  the zone is the caller's
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")[:6]),
        )
        return local, None if offset is None else _offset(offset)
    except ValueError:
        raise ValueError(NOT_A_TIMESTAMP) from None


def _offset(text: str) -> timedelta:
    if text == "Z":
        return timedelta()
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(NOT_A_TIMESTAMP)
    size = timedelta(hours=hours, minutes=minutes)
    return -size if text[0] == "-" else size
