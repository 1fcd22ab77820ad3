"""Types: what a column of ours is in Snowflake, and how its values travel."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.destinations.snowflake.names import unfolded
from ml_connector_dagster.destinations.snowflake.sql_api import Answer
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    ColumnType,
    Entity,
)
from ml_connector_dagster.model.errors import ContractError


TYPES: Final = {
    ColumnType.STRING: "VARCHAR",
    ColumnType.INTEGER: "NUMBER(19,0)",
    ColumnType.DECIMAL: f"NUMBER({DECIMAL_PRECISION},{DECIMAL_SCALE})",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP_TZ(6)",
    ColumnType.BOOLEAN: "BOOLEAN",
    ColumnType.JSON: "VARIANT",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1)
#: Digits before and after the decimal point.
DIGITS: Final = {
    ColumnType.INTEGER: (19, 0),
    ColumnType.DECIMAL: (DECIMAL_PRECISION - DECIMAL_SCALE, DECIMAL_SCALE),
}


def column_types(entity: Entity, schema: Iterable[pa.Field]) -> dict[str, ColumnType]:
    """The entity's columns, and what else a staged batch has; columns of a tenant's catalog by their Arrow type."""
    known = {column.name: column.type for column in entity.all_columns}
    return known | {field.name: _of_arrow(field) for field in schema if field.name not in known}


def _of_arrow(field: Any) -> ColumnType:
    tests = (
        (pa.types.is_string, ColumnType.STRING),
        (pa.types.is_integer, ColumnType.INTEGER),
        (pa.types.is_decimal, ColumnType.DECIMAL),
        (pa.types.is_date, ColumnType.DATE),
        (pa.types.is_timestamp, ColumnType.TIMESTAMP),
        (pa.types.is_boolean, ColumnType.BOOLEAN),
    )
    for test, kind in tests:
        if test(field.type):
            return kind
    raise ContractError(f"staged column {field.name} is of type {field.type}, which nothing stages")


def fits(kind: ColumnType, data_type: str, datetime_precision: int) -> bool:
    """Whether a column as INFORMATION_SCHEMA describes it is of the right family.

    It may still be too narrow for some values: those are found row by row (``limits.py``).
    """
    if kind is ColumnType.TIMESTAMP and datetime_precision < 6:
        return False
    allowed = {
        ColumnType.STRING: ("TEXT",),
        ColumnType.INTEGER: ("NUMBER",),
        ColumnType.DECIMAL: ("NUMBER",),
        ColumnType.DATE: ("DATE",),
        ColumnType.TIMESTAMP: ("TIMESTAMP_TZ", "TIMESTAMP_LTZ"),
        ColumnType.BOOLEAN: ("BOOLEAN",),
        ColumnType.JSON: ("VARIANT",),
    }
    return data_type in allowed[kind]


def texts(batch: pa.RecordBatch) -> list[list[str | None]]:
    """Rows of texts and nulls, in forms that Snowflake casts back without loss."""
    columns = [_texts(column).to_pylist() for column in batch.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def _texts(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        plain = column.cast(pa.timestamp("us")).cast(pa.string())
        join: Any = pc.binary_join_element_wise
        return join(plain, "+00:00", "")
    return column.cast(pa.string())


def table_of(answer: Answer) -> pa.Table:
    """Rows of the SQL API with their types, under our column names."""
    arrays, names = [], []
    for position, column in enumerate(answer.columns):
        type_, read = _reader(column)
        values = [row[position] for row in answer.rows]
        arrays.append(pa.array([None if one is None else read(one) for one in values], type_))
        names.append(unfolded(str(column["name"])))
    return pa.table(arrays, names=names)


def _reader(column: Any) -> tuple[pa.DataType, Any]:
    kind = str(column["type"]).lower()
    if kind == "fixed" and not column["scale"]:
        return (
            (pa.int64(), int) if (column["precision"] or 38) <= 19 else (pa.decimal128(38), Decimal)
        )
    if kind == "fixed":
        return pa.decimal128(38, column["scale"]), Decimal
    if kind == "date":
        return pa.date32(), lambda text: _FIRST_DAY + timedelta(days=int(text))
    if kind.startswith("timestamp"):
        return pa.timestamp("us", "UTC"), moment
    if kind == "boolean":
        return pa.bool_(), lambda text: text == "true"
    if kind in ("variant", "object"):
        return pa.string(), _one_form
    return pa.string(), str


def moment(text: str) -> datetime:
    """``1767225600.000000000 1440``: seconds, and the offset of the zone that it was written in."""
    return _EPOCH + timedelta(microseconds=int(Decimal(text.split(" ")[0]) * 1_000_000))


def _one_form(text: str) -> str:
    value = json.loads(text)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
