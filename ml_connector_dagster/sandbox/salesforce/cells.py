"""Values: what JSON and CSV may bring for a field, what is stored, and how it is told again.

Stored are str, Decimal, bool and None. Texts lose the blanks around them, and an empty one is null, as everywhere in
Salesforce. Dates and times are stored as ISO texts; numbers are rounded half up to the field's scale.
"""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from ml_connector_dagster.sandbox.salesforce.fields import NUMBER_TYPES, TEXT_TYPES, Field
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, RecordRefused


Cell = str | Decimal | bool | None

#: Names the null of a CSV: an empty cell leaves the field alone.
CSV_NULL: Final = "#N/A"
_ID: Final = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def from_json(field: Field, value: object) -> Cell:
    """A cell from JSON. A value of another JSON type refuses the whole request: it does not parse."""
    if value is None:
        return None
    if isinstance(value, bool):
        if field.type == "boolean":
            return value
        raise _unparseable(field, "VALUE_TRUE" if value else "VALUE_FALSE", value)
    if isinstance(value, int | Decimal):
        if field.type in NUMBER_TYPES or field.type == "int":
            return _number(field, Decimal(value))
        raise _unparseable(field, "VALUE_NUMBER_INT", value)
    if not isinstance(value, str):
        raise _unparseable(field, "START_OBJECT", "{")
    if field.type in NUMBER_TYPES or field.type in ("int", "boolean"):
        raise _unparseable(field, "VALUE_STRING", value)
    try:
        return _text(field, value)
    except ValueError as error:
        raise _unparseable(field, "VALUE_STRING", value) from error


def from_csv(field: Field, text: str) -> Cell:
    """A cell from CSV; a value that does not fit refuses its record."""
    if text == CSV_NULL:
        return None
    if field.type == "boolean":
        known = {"true": True, "1": True, "false": False, "0": False}
        if text.lower() not in known:
            raise RecordRefused("INVALID_TYPE_ON_FIELD_IN_RECORD", _wrong(field, text), field.name)
        return known[text.lower()]
    if field.type in NUMBER_TYPES or field.type == "int":
        try:
            return _number(field, Decimal(text))
        except InvalidOperation as error:
            raise RecordRefused(
                "INVALID_TYPE_ON_FIELD_IN_RECORD", _wrong(field, text), field.name
            ) from error
    try:
        return _text(field, text)
    except ValueError as error:
        raise RecordRefused(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", _wrong(field, text), field.name
        ) from error


def check(field: Field, cell: Cell) -> None:
    """Raises RecordRefused for a value that the field does not take."""
    if cell is None or isinstance(cell, bool):
        return
    if isinstance(cell, Decimal):
        whole = 9 if field.type == "int" else field.precision - field.scale
        if abs(cell) >= Decimal(10) ** whole:
            raise RecordRefused(
                "NUMBER_OUTSIDE_VALID_RANGE",
                f"{field.label}: value outside of valid range on numeric field: {cell}",
                field.name,
            )
        return
    if field.type in TEXT_TYPES and len(cell) > field.length:
        raise RecordRefused(
            "STRING_TOO_LONG",
            f"{field.label}: data value too large: {cell[:255]} (max length={field.length})",
            field.name,
        )
    if field.type == "picklist" and field.restricted and cell not in field.values:
        raise RecordRefused(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.label}: bad value for restricted picklist field: {cell}",
            field.name,
        )
    if field.type == "email" and not _EMAIL.fullmatch(cell):
        raise RecordRefused(
            "INVALID_EMAIL_ADDRESS",
            f"{field.label}: invalid email address: {cell}",
            field.name,
        )


def is_id(text: str) -> bool:
    """Whether it is written like an id of 15 or 18 characters."""
    return _ID.fullmatch(text) is not None


def same(field: Field, cell: Cell) -> Cell:
    """What two values of a key have in common when they count as equal."""
    if isinstance(cell, str) and not field.case_sensitive:
        return cell.lower()
    return cell


def _number(field: Field, number: Decimal) -> Decimal:
    if not number.is_finite():
        raise RecordRefused(
            "NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: {number} is no number", field.name
        )
    if abs(number) >= Decimal(10) ** 30:
        return number
    return number.quantize(Decimal(1).scaleb(-field.scale), rounding=ROUND_HALF_UP)


def _text(field: Field, value: str) -> Cell:
    """Raises ValueError when it is no date or time."""
    stripped = value.strip()
    if not stripped:
        return None
    if field.type == "date":
        return date.fromisoformat(stripped[:10]).isoformat() if _is_date(stripped) else _never()
    if field.type == "datetime":
        moment = datetime.fromisoformat(stripped)
        if moment.tzinfo is None:
            raise ValueError(stripped)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return stripped


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def _never() -> Cell:
    raise ValueError("not a date")


def _wrong(field: Field, text: str) -> str:
    return f"{field.label}: value not of required type: {text}"


def _unparseable(field: Field, token: str, value: object) -> ApiError:
    return ApiError(
        400,
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {field.type} from {token} value {value} or request may be missing a "
        "required field at [line:1, column:1]",
    )
