"""Types: what a column of ours is in Delta, which other types a user's own table may have, and quoting in Spark SQL."""

import re
from typing import Final

import pyarrow as pa

from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType


TYPES: Final = {
    ColumnType.STRING: "string",
    ColumnType.INTEGER: "bigint",
    ColumnType.DECIMAL: f"decimal({DECIMAL_PRECISION},{DECIMAL_SCALE})",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.JSON: "string",  # the : operator and from_json work on text
}

#: Whole digits that an integer type surely holds.
_INTEGERS: Final = {"tinyint": 2, "smallint": 4, "int": 9, "bigint": 19}


def ticked(*parts: str) -> str:
    """A name, or a path of names, as Spark quotes it."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def literal(text: str) -> str:
    """A string literal of Spark SQL, for the clauses that take no parameters (comments, paths)."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def of_arrow(kind: pa.DataType) -> str:
    """The type of a column that a tenant's own catalog added. Raises ValueError for one that is never staged."""
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    names = {
        pa.string(): "string",
        pa.int64(): "bigint",
        pa.date32(): "date",
        pa.bool_(): "boolean",
    }
    if kind not in names:
        raise ValueError(f"no staged column has the type {kind}")
    return names[kind]


def to_arrow(type_text: str) -> pa.DataType:
    """How a column of this type is handed out; text for what we never make ourselves."""
    if number := re.fullmatch(r"decimal\((\d+),(\d+)\)", type_text):
        return pa.decimal128(int(number[1]), int(number[2]))
    types = {
        "bigint": pa.int64(),
        "int": pa.int32(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
        "boolean": pa.bool_(),
        "double": pa.float64(),
    }
    return types.get(type_text, pa.string())


def fits_family(expected: str, found: str) -> bool:
    """Whether values of ``expected`` can be written to a column of ``found``, most of them at least, and exactly."""
    if expected == "string":
        return found == "string" or length(found) is not None
    if _digits(expected) is None:
        return expected == found
    return _digits(found) is not None


def is_narrower(expected: str, found: str) -> bool:
    """Whether some value of ``expected`` cannot be kept exactly in ``found`` (of the same family)."""
    needed, given = _digits(expected), _digits(found)
    if needed is None or given is None:
        return expected != found
    return given[0] < needed[0] or given[1] < needed[1]


def length(type_text: str) -> int | None:
    """The longest text of a ``varchar``; None for every other type."""
    found = re.fullmatch(r"varchar\((\d+)\)", type_text)
    return int(found[1]) if found else None


def _digits(type_text: str) -> tuple[int, int] | None:
    """Digits before and after the point; None when it is no exact number."""
    if number := re.fullmatch(r"decimal\((\d+),(\d+)\)", type_text):
        return int(number[1]) - int(number[2]), int(number[2])
    return (_INTEGERS[type_text], 0) if type_text in _INTEGERS else None
