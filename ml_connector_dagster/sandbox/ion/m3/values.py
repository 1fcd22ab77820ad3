"""How values stand in an answer: text padded, dates in a format, numbers as text (reference §2.6)."""

from collections.abc import Callable

from ml_connector_dagster.sandbox.erp.calendar import day_of
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.ion.m3.contracts import Refused


#: strftime patterns of the date formats.
DATE_FORMATS = {
    "YMD8": "%Y%m%d",
    "YMD6": "%y%m%d",
    "DMY8": "%d%m%Y",
    "DMY6": "%d%m%y",
    "MDY8": "%m%d%Y",
    "MDY6": "%m%d%y",
}

#: Fields that hold whole texts: padding them to their length would be absurd.
_UNPADDED = frozenset({"REPL"})


def formatter(name: str, date_format: str, *, trimmed: bool) -> Callable[[int | str], str]:
    """The function that writes values of a field."""
    definition = DICTIONARY[name]
    if definition.type == "D":
        pattern = DATE_FORMATS[date_format]

        def date_text(value: int | str) -> str:
            if value in (0, "0", ""):
                return ""
            day = None if pattern == "%Y%m%d" else day_of(value)
            return str(value) if day is None else day.strftime(pattern)

        return date_text
    if definition.type == "A" and not trimmed and name not in _UNPADDED:
        length = definition.length
        return lambda value: str(value).ljust(length)
    if definition.type == "A":
        return lambda value: str(value).rstrip(" ")
    return str


def checked_input(name: str, value: str, date_format: str) -> str:
    """An input value as the program sees it: dates as yyyyMMdd, numbers as digits; refused when it is neither."""
    definition = DICTIONARY[name]
    if definition.type == "A":
        if len(value) > definition.length:
            raise Refused(
                f"{definition.description} is longer than {definition.length}", "CPF9898", name
            )
        return value.rstrip(" ")
    text = value.strip()
    if definition.type == "N":
        if not text.lstrip("-").isdigit():
            raise Refused(
                f"{definition.description} {text[:20]} is not a valid number", "XNU0000", name
            )
        return str(int(text))
    if text == "0":
        return "0"
    for pattern in {len(text): DATE_FORMATS[date_format], 8: "%Y%m%d"}.values():
        day = _parse_day(text, pattern)
        if day is not None:
            return day
    raise Refused(f"{definition.description} {text[:20]} is not a valid date", "XDT0001", name)


def _parse_day(text: str, pattern: str) -> str | None:
    digits = {"%Y": 4, "%y": 2, "%m": 2, "%d": 2}
    parts = [pattern[index : index + 2] for index in range(0, 6, 2)]
    if not text.isdigit() or len(text) != sum(digits[part] for part in parts):
        return None
    found: dict[str, str] = {}
    position = 0
    for part in parts:
        found[part] = text[position : position + digits[part]]
        position += digits[part]
    year = found.get("%Y") or f"20{found['%y']}"
    number = f"{year}{found['%m']}{found['%d']}"
    return number if day_of(number) else None
