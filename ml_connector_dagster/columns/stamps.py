"""When the ERP says a record changed: ``_modified_at``.

A stamp before 1970 or more than two days after the row was read is a problem and counts as not given: a far-off stamp
would make every later version of the record look old. (Two days: a wrong time zone shifts a stamp by at most 26 hours.)
"""

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from ml_connector_dagster.columns.cells import Cells, Parsed, parse_distinct
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.columns.moments import (
    NOT_A_TIMESTAMP,
    TIMESTAMP,
    parse_clock,
    parse_date,
    timestamps,
    to_utc,
)
from ml_connector_dagster.columns.numbers import integers


TOLERANCE: Final = timedelta(days=2)

TOO_EARLY: Final = "before 1970"
TOO_LATE: Final = "after it was read"

_EPOCH_MILLISECONDS_LIMIT = 253_402_300_800_000  # the end of year 9999


def modified_stamps(
    cells: Cells, clock: Cells | None, form: StampFormat, zone: ZoneInfo, extracted_at: datetime
) -> Parsed:
    """The stamp of each row; ``clock`` is the time of day beside a date (blank or wrong: midnight)."""
    if form is StampFormat.TIMESTAMP:
        parsed = timestamps(cells, zone)
    elif form is StampFormat.EPOCH_MILLISECONDS:
        parsed = _from_epoch(cells)
    else:
        parsed = _from_dates(cells, clock, zone)
    return _plausible(parsed, extracted_at)


def _from_epoch(cells: Cells) -> Parsed:
    whole = integers(cells)
    numbers = whole.values.fill_null(0).to_numpy()
    absurd = np.abs(numbers) >= _EPOCH_MILLISECONDS_LIMIT
    given = (numbers != 0) & ~absurd
    micros = np.where(given, numbers, 0) * 1000
    problems = dict.fromkeys(whole.problems, NOT_A_TIMESTAMP)
    problems |= dict.fromkeys(np.flatnonzero(absurd).tolist(), NOT_A_TIMESTAMP)
    return Parsed(values=pa.array(micros, mask=~given).cast(TIMESTAMP), problems=problems)


def _from_dates(cells: Cells, clock: Cells | None, zone: ZoneInfo) -> Parsed:
    days = parse_distinct(cells, pa.date32(), parse_date)
    clocks = [None] * len(cells) if clock is None else clock.array.to_pylist()
    known: dict[tuple[date, str | None], datetime | None] = {}
    stamps: list[datetime | None] = []
    for day, text in zip(days.values.to_pylist(), clocks, strict=True):
        if day is not None and (day, text) not in known:
            known[day, text] = to_utc(datetime.combine(day, parse_clock(text)), zone)
        stamps.append(None if day is None else known[day, text])
    return Parsed(values=pa.array(stamps, TIMESTAMP), problems=days.problems)


def _plausible(parsed: Parsed, extracted_at: datetime) -> Parsed:
    latest = int((extracted_at + TOLERANCE).timestamp() * 1_000_000)
    micros = parsed.values.cast(pa.int64())
    given = micros.is_valid().to_numpy(zero_copy_only=False)
    numbers = micros.fill_null(0).to_numpy()
    early, late = given & (numbers < 0), given & (numbers > latest)
    if not early.any() and not late.any():
        return parsed
    problems = dict(parsed.problems)
    problems |= dict.fromkeys(np.flatnonzero(early).tolist(), TOO_EARLY)
    problems |= dict.fromkeys(np.flatnonzero(late).tolist(), TOO_LATE)
    kept = given & ~early & ~late
    return Parsed(values=pa.array(numbers, mask=~kept).cast(TIMESTAMP), problems=problems)
