"""Results as Snowflake writes them: every value a string or null, types in a list of columns beside."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY = date(1970, 1, 1)
LONGEST_TEXT = 16_777_216


def row_type(schema: pa.Schema) -> list[dict[str, Any]]:
    """``rowType`` (SQL API) and ``rowtype`` (connector) alike."""
    return [_column(field) for field in schema]


def _column(field: Any) -> dict[str, Any]:
    kind, precision, scale, length = _type(field.type)
    return {
        "name": field.name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": kind,
        "byteLength": length,
        "length": length,
        "precision": precision,
        "scale": scale,
        "collation": None,
    }


def _type(type_: pa.DataType) -> tuple[str, int | None, int | None, int | None]:
    if pa.types.is_integer(type_):
        return "fixed", 38, 0, None
    if pa.types.is_decimal(type_):
        return "fixed", type_.precision, type_.scale, None
    if pa.types.is_floating(type_):
        return "real", None, None, None
    if pa.types.is_boolean(type_):
        return "boolean", None, None, None
    if pa.types.is_date(type_):
        return "date", None, None, None
    if pa.types.is_timestamp(type_):
        return ("timestamp_tz" if type_.tz else "timestamp_ntz"), 0, 9, None
    return "text", None, None, LONGEST_TEXT


def row_set(table: pa.Table) -> list[list[str | None]]:
    """The rows."""
    columns = [[_value(value) for value in column.to_pylist()] for column in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        seconds = Decimal(_micros(value)).scaleb(-6)
        return f"{seconds:.9f}" + (" 1440" if value.tzinfo else "")
    if isinstance(value, date):
        return str((value - FIRST_DAY).days)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _micros(value: datetime) -> int:
    passed = (value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
