"""Dates of whole columns: yyyyMMdd and yyyy-MM-dd in arithmetic on their bytes, everything else one by one."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_connector_dagster.columns.cells import Bytes, Cells, Mask, Parsed, words
from ml_connector_dagster.columns.moments import parse_date


_ZERO: Final = ord("0")
_DASH: Final = ord("-")

#: Day number (since 1970-01-01) of the first of each month, from January of year 0 to January of year 10000.
_MONTHS: Final = (
    np.arange("0000-01", "10000-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int32)
)


def dates(cells: Cells) -> Parsed:
    """Every cell as a date; what ``moments.parse_date`` says, without calling it for regular values."""
    days = np.zeros(len(cells), dtype=np.int32)
    given = np.zeros(len(cells), dtype=np.bool_)
    for length, read in ((8, _compact), (10, _dashed)):
        rows = np.flatnonzero(cells.lengths == length)
        if len(rows):
            found, regular = _day_numbers(read(cells.data, cells.starts[rows]))
            days[rows], given[rows] = found, regular
    # "0" is how M3 writes "no date" where it does not leave a blank.
    nothing = cells.lengths == 1
    nothing[nothing] = cells.data[cells.starts[nothing]] == _ZERO
    problems: dict[int, str] = {}
    for row in np.flatnonzero((cells.lengths > 0) & ~given & ~nothing).tolist():
        try:
            day = parse_date(cells.array[row].as_py())
        except ValueError as reason:
            problems[row] = str(reason)
            continue
        if day is not None:
            days[row], given[row] = np.datetime64(day).astype(np.int32), True
    return Parsed(values=pa.array(days, mask=~given).cast(pa.date32()), problems=problems)


def _compact(data: Bytes, starts: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    return words(data)[starts].view(np.uint8).reshape(-1, 8)


def _dashed(data: Bytes, starts: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """The eight digits of yyyy-MM-dd; a byte that is no digit where there is no dash."""
    eights = words(data)
    front = eights[starts].view(np.uint8).reshape(-1, 8)
    back = eights[starts + 2].view(np.uint8).reshape(-1, 8)
    digits = front[:, [0, 1, 2, 3, 5, 6, 6, 6]]
    digits[:, 6:] = back[:, 6:]
    digits[(front[:, 4] != _DASH) | (front[:, 7] != _DASH)] = 0
    return digits


def _day_numbers(digits: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.int32], Mask]:
    """Day numbers of rows of eight ASCII digits, and which of them are days of the calendar (year 1 to 9999)."""
    values = digits - np.uint8(
        _ZERO
    )  # wraps around for what comes before "0", so that one comparison finds both
    regular = (values <= 9).all(axis=1)
    parts = values.astype(np.int32)
    year = parts[:, 0] * 1000 + parts[:, 1] * 100 + parts[:, 2] * 10 + parts[:, 3]
    month = parts[:, 4] * 10 + parts[:, 5]
    day = parts[:, 6] * 10 + parts[:, 7]
    regular &= (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1)
    at = np.where(regular, year * 12 + month - 1, 0)
    found = _MONTHS[at] + day - 1
    regular &= found < _MONTHS[at + 1]
    return found, regular
