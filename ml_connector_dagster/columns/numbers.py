"""Numbers as text → exact decimals and integers. Nothing is ever rounded or cut: what does not fit is a problem.

A number is ``-`` (optional), digits, ``.`` and digits, with at least one digit: "12", "-12.5", ".5", "12.".
Everything else ("1,5", "1E5", "+1", "12-", "NaN", digits of other scripts) is a problem of its cell.
"""

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.columns.cells import Cells, Parsed
from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE


DECIMAL: Final = pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)
WHOLE_DIGITS: Final = DECIMAL_PRECISION - DECIMAL_SCALE

NOT_A_NUMBER: Final = "not a number"
NOT_WHOLE: Final = "not a whole number"
TOO_PRECISE: Final = f"more than {DECIMAL_SCALE} decimals"
TOO_LARGE: Final = f"more than {WHOLE_DIGITS} digits before the point"
TOO_LARGE_INTEGER: Final = "does not fit into 64 bits"

_NUMBER = re.compile(r"(-?)([0-9]*)(?:\.([0-9]*))?", re.ASCII)
_EXACT = Context(prec=DECIMAL_PRECISION)


def parse_decimal(text: str) -> Decimal:
    """The exact value of ``text``; raises ValueError with the reason."""
    sign, whole, fraction = _parts(text)
    if len(fraction) > DECIMAL_SCALE:
        raise ValueError(TOO_PRECISE)
    if len(whole) > WHOLE_DIGITS:
        raise ValueError(TOO_LARGE)
    return _EXACT.create_decimal(f"{sign}{whole or '0'}.{fraction or '0'}")


def parse_integer(text: str) -> int:
    """The exact value of ``text`` ("10" and "10.0" are 10); raises ValueError with the reason."""
    sign, whole, fraction = _parts(text)
    if fraction:
        raise ValueError(NOT_WHOLE)
    if len(whole) > 19 or int(whole or "0") > 2**63 - 1:
        raise ValueError(TOO_LARGE_INTEGER)
    return int(f"{sign}{whole or '0'}")


def decimals(cells: Cells, *, negate: bool = False) -> Parsed:
    """Every cell as DECIMAL(27, 6)."""
    parsed = _cast(cells, DECIMAL, parse_decimal)
    if not negate:
        return parsed
    # Arrow widens the type of a negation's result to keep it exact; the value always fits back.
    return Parsed(values=pc.negate(parsed.values).cast(DECIMAL), problems=parsed.problems)


def integers(cells: Cells, *, negate: bool = False) -> Parsed:
    """Every cell as a 64-bit integer; -(2^63) does not count as fitting, so that every value can be negated."""
    parsed = _cast(cells, pa.int64(), parse_integer)
    return Parsed(values=pc.negate(parsed.values), problems=parsed.problems) if negate else parsed


def _parts(text: str) -> tuple[str, str, str]:
    """Sign, whole digits without leading zeros, fraction without trailing zeros."""
    match = _NUMBER.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(NOT_A_NUMBER)
    return match[1], match[2].lstrip("0"), (match[3] or "").rstrip("0")


def _cast(cells: Cells, kind: pa.DataType, exact: Callable[[str], Decimal | int]) -> Parsed:
    """Arrow's own cast is exact and strict on these bytes; one value that it refuses sends the column the slow way."""
    if cells.is_numeric:
        try:
            values = cells.array.cast(kind)
        except pa.ArrowInvalid:
            pass
        else:
            if kind != pa.int64() or pc.min(values).as_py() != -(2**63):
                return Parsed(values=values, problems={})
    return _one_by_one(cells, kind, exact)


def _one_by_one(cells: Cells, kind: pa.DataType, exact: Callable[[str], Decimal | int]) -> Parsed:
    values: list[Decimal | int | None] = []
    problems: dict[int, str] = {}
    for row, text in enumerate(cells.array.to_pylist()):
        value = None
        if text is not None:
            try:
                value = exact(text)
            except ValueError as reason:
                problems[row] = str(reason)
        values.append(value)
    return Parsed(values=pa.array(values, kind), problems=problems)
