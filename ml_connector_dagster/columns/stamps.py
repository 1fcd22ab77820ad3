"""When the ERP says a record changed: ``_modified_at``.

A stamp before 1970 or more than two days after the row was read is a problem and counts as not given: a far-off stamp
would make every later version of the record look old. (Two days: a wrong time zone shifts a stamp by at most 26 hours.)
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_connector_dagster.columns.cells import Cells, Parsed, parse_distinct
from ml_connector_dagster.columns.days import dates
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.columns.moments import (
    NOT_A_TIMESTAMP,
    TIMESTAMP,
    parse_clock,
    timestamps,
    to_utc,
)
from ml_connector_dagster.columns.numbers import integers


TOLERANCE: Final = timedelta(days=2)

TOO_EARLY: Final = "before 1970"
TOO_LATE: Final = "after it was read"

_DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1)
_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Further than any zone's offset on either side: day numbers outside need no offset to be out of the question.
_FIRST_DAY, _LAST_DAY = -3, (date.max - _EPOCH).days - 1
_LAST_MILLISECOND: Final = (_LAST_DAY + 2) * _DAY * 1000 - 1

_Integers = npt.NDArray[np.int64]


def modified_stamps(
    cells: Cells, clock: Cells | None, form: StampFormat, zone: ZoneInfo, extracted: pa.Array
) -> Parsed:
    """The stamp of each row; ``clock`` is the HHmmss beside a date (blank, or no time of day: midnight).

    ``extracted``: when each row was read.
    """
    if form is StampFormat.TIMESTAMP:
        parsed = timestamps(cells, zone)
    elif form is StampFormat.EPOCH_MILLISECONDS:
        parsed = _from_epoch(cells)
    else:
        parsed = _from_dates(cells, clock, zone)
    return _plausible(parsed, extracted)


def _from_epoch(cells: Cells) -> Parsed:
    """Milliseconds since 1970; 0 is "never"."""
    whole = integers(cells)
    numbers = whole.values.fill_null(0).to_numpy()
    absurd = np.abs(numbers) > _LAST_MILLISECOND
    given = (numbers != 0) & ~absurd
    problems = dict.fromkeys((*whole.problems, *np.flatnonzero(absurd).tolist()), NOT_A_TIMESTAMP)
    return Parsed(values=_stamps(np.where(given, numbers, 0) * 1000, given), problems=problems)


def _from_dates(cells: Cells, clock: Cells | None, zone: ZoneInfo) -> Parsed:
    parsed = dates(cells)
    given = parsed.values.is_valid().to_numpy(zero_copy_only=False)
    days = parsed.values.cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
    days = np.clip(days, _FIRST_DAY, _LAST_DAY)  # keeps what is implausible implausible
    seconds = np.zeros(len(cells), dtype=np.int64) if clock is None else _clock_seconds(clock)
    distinct, index = np.unique(days, return_inverse=True)
    known = [_offset_of(zone, int(day)) for day in distinct]
    offsets = np.array([0 if one is None else one for one in known], dtype=np.int64)[index]
    instants = days * _DAY + seconds - offsets
    changing = np.array([one is None for one in known], dtype=np.bool_)[index]
    for row in np.flatnonzero(changing & given).tolist():
        local = datetime.combine(_EPOCH, time.min) + timedelta(
            days=int(days[row]), seconds=int(seconds[row])
        )
        instants[row] = (to_utc(local, zone) - _UNIX) // timedelta(seconds=1)
    return Parsed(values=_stamps(instants * 1_000_000, given), problems=parsed.problems)


@lru_cache(maxsize=100_000)
def _offset_of(zone: ZoneInfo, day: int) -> int | None:
    """Seconds that ``zone`` is ahead of UTC all through a day; None when its clocks change in it."""
    midnight = datetime.combine(_EPOCH + timedelta(days=day), time.min, zone)
    offsets = {
        (midnight + timedelta(hours=hour)).replace(fold=fold).utcoffset()
        for hour in range(25)
        for fold in (0, 1)
    }
    only = offsets.pop()
    return None if offsets or only is None else int(only.total_seconds())


def _clock_seconds(clock: Cells) -> _Integers:
    """Seconds since midnight; 0 for what is no time of day."""
    regular = clock.is_numeric and not clock.holds("-") and not clock.holds(".")
    if not regular or clock.lengths.max(initial=0) > 6:
        slow: _Integers = (
            parse_distinct(clock, pa.int64(), _seconds_of).values.fill_null(0).to_numpy()
        )
        return slow
    digits = clock.array.cast(pa.int64()).fill_null(0).to_numpy()
    hours, minutes, seconds = digits // 10_000, digits // 100 % 100, digits % 100
    valid = (hours < 24) & (minutes < 60) & (seconds < 60)
    return np.where(valid, hours * 3600 + minutes * 60 + seconds, 0)


def _seconds_of(text: str) -> int:
    clock = parse_clock(text)
    return clock.hour * 3600 + clock.minute * 60 + clock.second


def _plausible(parsed: Parsed, extracted: pa.Array) -> Parsed:
    latest = extracted.cast(pa.int64()).to_numpy() + TOLERANCE // timedelta(microseconds=1)
    micros = parsed.values.cast(pa.int64())
    given = micros.is_valid().to_numpy(zero_copy_only=False)
    numbers = micros.fill_null(0).to_numpy()
    early, late = given & (numbers < 0), given & (numbers > latest)
    if not early.any() and not late.any():
        return parsed
    problems = dict(parsed.problems)
    problems |= dict.fromkeys(np.flatnonzero(early).tolist(), TOO_EARLY)
    problems |= dict.fromkeys(np.flatnonzero(late).tolist(), TOO_LATE)
    return Parsed(values=_stamps(numbers, given & ~early & ~late), problems=problems)


def _stamps(micros: _Integers, given: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(micros, mask=~given).cast(TIMESTAMP)
