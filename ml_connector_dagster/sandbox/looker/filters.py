"""Looker's filter expressions, as far as they are used: from the words of a filter to a condition in SQL."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from ml_connector_dagster.sandbox.looker.refusals import Refused


_NUMBER: Final = r"-?\d+(?:\.\d+)?"
_COMPARISON: Final = re.compile(rf"(<>|!=|<=|>=|<|>|=|not)?\s*({_NUMBER})", re.IGNORECASE)
_INTERVAL: Final = re.compile(rf"([\[(])\s*({_NUMBER}|-?inf)\s*,\s*({_NUMBER}|-?inf)\s*([\])])")
_RANGE: Final = re.compile(rf"({_NUMBER})\s+to\s+({_NUMBER})", re.IGNORECASE)
_DAY: Final = re.compile(r"(\d{4})(?:[-/](\d{1,2}))?(?:[-/](\d{1,2}))?")


def literal(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def condition(kind: str, sql: str, expression: str, today: date) -> str | None:
    """The condition that ``expression`` puts on ``sql``, of a field of ``kind``; None for any value.

    Raises Refused for words that are not understood.
    """
    text = expression.strip()
    if not text:
        return None
    if text.upper() in ("NULL", "NOT NULL", "-NULL"):
        return f"{sql} IS {'NULL' if text.upper() == 'NULL' else 'NOT NULL'}"
    readers: dict[str, Callable[[str, str, date], str]] = {
        "number": _number,
        "time": _date,
        "yesno": _yesno,
    }
    return readers.get(kind, _string)(sql, text, today)


def _refused(expression: str) -> Refused:
    return Refused(400, f"Invalid filter expression: {expression}")


def _yesno(sql: str, text: str, today: date) -> str:
    del today
    if text.lower() not in ("yes", "no"):
        raise _refused(text)
    return f"({sql}) = {literal(text.capitalize())}"


def _string(sql: str, text: str, today: date) -> str:
    del today
    wanted: list[str] = []
    unwanted: list[str] = []
    for part in _parts(text):
        negative = part.startswith("-")
        one = _matches(sql, part[1:] if negative else part)
        (unwanted if negative else wanted).append(one)
    conditions = [f"({' OR '.join(wanted)})"] if wanted else []
    conditions += [f"({sql} IS NULL OR NOT ({one}))" for one in unwanted]
    return " AND ".join(conditions)


def _parts(text: str) -> list[str]:
    """Alternatives are parted by commas, except inside of quotes or after a caret."""
    found = re.findall(r'\s*-?"(?:[^"]|"")*"\s*|(?:\^.|[^,^])+', text)
    return [part.strip() for part in found if part.strip()]


def _matches(sql: str, part: str) -> str:
    if part.startswith('"') and part.endswith('"') and len(part) > 1:
        inner = part[1:-1].replace('""', '"')
        return f"{sql} = {literal(inner)}"
    if part.upper() == "EMPTY":
        return f"({sql} IS NULL OR {sql} = '')"
    if part.upper() == "NULL":
        return f"{sql} IS NULL"
    plain = re.sub(r"\^(.)", r"\1", part)
    if re.search(r"(?<!\^)%", part):
        pattern = re.sub(r"\^(.)", lambda m: f"!{m[1]}" if m[1] in "%_!" else m[1], part)
        pattern = re.sub(r"(?<!!)_", "!_", pattern)
        return f"{sql} LIKE {literal(pattern)} ESCAPE '!'"
    return f"{sql} = {literal(plain)}"


def _number(sql: str, text: str, today: date) -> str:
    del today
    if found := _INTERVAL.fullmatch(text):
        low, high = found[2], found[3]
        parts = []
        if "inf" not in low:
            parts.append(f"{sql} {'>=' if found[1] == '[' else '>'} {low}")
        if "inf" not in high:
            parts.append(f"{sql} {'<=' if found[4] == ']' else '<'} {high}")
        return f"({' AND '.join(parts) or 'TRUE'})"
    if found := _RANGE.fullmatch(text):
        return f"({sql} BETWEEN {found[1]} AND {found[2]})"
    alternatives = [
        " AND ".join(_compared(sql, one, text) for one in re.split(r"\s+and\s+", part, flags=re.I))
        for part in re.split(r",|\s+or\s+", text, flags=re.IGNORECASE)
    ]
    return f"({' OR '.join(alternatives)})"


def _compared(sql: str, part: str, whole: str) -> str:
    found = _COMPARISON.fullmatch(part.strip())
    if found is None:
        raise _refused(whole)
    sign = (found[1] or "=").lower().replace("not", "<>").replace("!=", "<>")
    return f"{sql} {sign} {found[2]}"


def _date(sql: str, text: str, today: date) -> str:
    words = text.lower()
    if words.startswith(("after ", "before ")):
        first, _ = _span(words.partition(" ")[2], today, text)
        sign = ">=" if words.startswith("after") else "<"
        return f"{sql} {sign} {literal(first.isoformat())}"
    if " to " in words:
        start, _, end = words.partition(" to ")
        return _between(sql, _span(start, today, text)[0], _span(end, today, text)[0])
    alternatives = [_between(sql, *_span(part.strip(), today, text)) for part in words.split(",")]
    return f"({' OR '.join(alternatives)})"


def _between(sql: str, first: date, end: date) -> str:
    return f"({sql} >= {literal(first.isoformat())} AND {sql} < {literal(end.isoformat())})"


def _span(words: str, today: date, whole: str) -> tuple[date, date]:
    """The days that words mean: the first one, and the one after the last."""
    if words in ("today", "yesterday"):
        first = today - timedelta(days=words == "yesterday")
        return first, first + timedelta(days=1)
    if words in ("this month", "last month", "this year", "last year"):
        unit = words.split()[1]
        first = today.replace(day=1) if unit == "month" else today.replace(month=1, day=1)
        if words.startswith("last"):
            first = (first - timedelta(days=1)).replace(day=1)
            first = first if unit == "month" else first.replace(month=1)
        return first, _next(first, unit)
    found = _DAY.fullmatch(words)
    if found is None:
        raise _refused(whole)
    try:
        first = date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        raise _refused(whole) from None
    return first, _next(first, "day" if found[3] else "month" if found[2] else "year")


def _next(first: date, unit: str) -> date:
    if unit == "day":
        return first + timedelta(days=1)
    if unit == "year":
        return first.replace(year=first.year + 1)
    return (first + timedelta(days=32)).replace(day=1)
