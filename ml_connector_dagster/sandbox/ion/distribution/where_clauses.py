"""WhereClause: the part of Progress 4GL that the sandbox understands (reference cloudsuite-api §4.3).

``field operator value`` with and, or and parentheses; operators as signs or words; dates in the session's order or as
DATE(month, day, year); ``?`` is the unknown value.
"""

import re
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.erp.calendar import number_of
from ml_connector_dagster.sandbox.ion.conditions import (
    BadConditionError,
    Literal,
    parse_condition,
)
from ml_connector_dagster.sandbox.ion.listings import (
    Condition,
    ListedField,
    Listing,
    plain_number,
)


_WORDS: Final = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_CALL: Final = re.compile(r"date\((\d+),\s*(\d+),\s*(\d+)\)", re.IGNORECASE)


def where_condition(text: str, listing: Listing, *, dates: str, zone: ZoneInfo) -> Condition:
    """SQL of a WhereClause. Raises BadConditionError in Progress' words."""

    def compare(name: str, sign: str, literal: Literal) -> Condition:
        field = listing.fields.get(name)
        if field is None:
            raise BadConditionError(f"** Unknown Field or Variable name - {name}. (201)")
        if field.kind == "stamp":
            return _changed(field, sign, literal, dates, zone)
        if field.kind == "date":
            day = _day(literal, dates)
            return f"{field.sql} {sign} ?", (number_of(day),)
        return _comparison(field, sign, literal)

    return parse_condition(text, compare, _WORDS)


def _comparison(field: ListedField, sign: str, literal: Literal) -> Condition:
    if literal.quoted != (field.kind in ("text", "division")):
        raise BadConditionError("** Incompatible data types in expression or assignment. (223)")
    if literal.quoted:
        return f"{field.sql} {sign} ?", (literal.text,)
    if field.kind == "flag":
        return f"{field.sql} {sign} ?", (int(literal.text.lower() in ("yes", "true")),)
    number = plain_number(literal.text, negated=field.kind == "negated")
    if number is None:
        raise BadConditionError(f"** Unable to understand after -- {literal.text}. (247)")
    return f"{field.comparable()} {sign} ?", (int(number) if number.isdigit() else number,)


def _changed(
    field: ListedField, sign: str, literal: Literal, dates: str, zone: ZoneInfo
) -> Condition:
    """A comparison of the change date: stored are moments, so a day is a span. Unknown is less than nothing and more than nothing."""
    day = _day(literal, dates)
    if day is None:
        return f"{field.sql} {sign} 0", ()
    first, beyond = _midnight(day, zone), _midnight(day + timedelta(1), zone)
    conditions: dict[str, Condition] = {
        "=": (f"{field.sql} >= ? AND {field.sql} < ?", (first, beyond)),
        "<>": (f"{field.sql} < ? OR {field.sql} >= ?", (first, beyond)),
        ">": (f"{field.sql} >= ?", (beyond,)),
        ">=": (f"{field.sql} >= ?", (first,)),
        "<": (f"{field.sql} < ?", (first,)),
        "<=": (f"{field.sql} < ?", (beyond,)),
    }
    sql, values = conditions[sign]
    return f"({sql}) AND {field.sql} > 0", values


def _midnight(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, datetime.min.time(), zone).timestamp()) * 1000


def _day(literal: Literal, dates: str) -> date | None:
    if literal.text == "?" and not literal.quoted:
        return None
    call = _CALL.fullmatch(literal.text)
    try:
        if literal.quoted:
            raise ValueError
        if call is not None:
            return date(int(call[3]), int(call[1]), int(call[2]))
        return datetime.strptime(literal.text, dates).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise BadConditionError(
            f"** Invalid date {literal.text}: month, day or year is out of range. (80)"
        ) from None
