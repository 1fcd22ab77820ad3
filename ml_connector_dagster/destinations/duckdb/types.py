"""Types: what a column of ours is in DuckDB, and which other types a user's own table may have instead."""

import re
from typing import Final

from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType


TYPES: Final = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DECIMAL: f"DECIMAL({DECIMAL_PRECISION},{DECIMAL_SCALE})",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.JSON: "VARCHAR",  # the ->> operator works on text too
}

_INTEGERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def family(type_name: str) -> str:
    """What kind of values a DuckDB type holds; each other type is a family of its own.

    FLOAT and DOUBLE are not numbers here: they cannot hold money exactly.
    """
    if type_name in ("VARCHAR", "JSON"):
        return "text"
    if type_name in _INTEGERS or type_name.startswith("DECIMAL("):
        return "number"
    return type_name


def fits_family(expected: str, found: str) -> bool:
    """Whether values of ``expected`` can be written to a column of ``found``, most of them at least."""
    return family(expected) == family(found)


def is_narrower(expected: str, found: str) -> bool:
    """Whether some value of ``expected`` cannot be kept exactly in ``found`` (of the same family)."""
    if expected == found or found == "VARCHAR":
        return False
    if family(found) != "number":
        return True
    whole, fraction = _digits(expected)
    found_whole, found_fraction = _digits(found)
    return found_whole < whole or found_fraction < fraction


def _digits(number: str) -> tuple[int, int]:
    """Digits before and after the point that the type surely holds."""
    decimal = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", number)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        return precision - scale, scale
    return {"TINYINT": 2, "SMALLINT": 4, "INTEGER": 9, "BIGINT": 19, "HUGEINT": 38}[number], 0
