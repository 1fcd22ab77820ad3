"""What each type of column takes, as JSON of a mutation and as a cell of an imported file.

developer.monday.com, column types reference; column types of the import: reference saas-destinations §2.2.
"""

import json
import re
from collections.abc import Callable
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ml_connector_dagster.sandbox.monday.boards import Cell, Column, Label
from ml_connector_dagster.sandbox.monday.refusals import Refusal


MOST_LABELS: Final = 40
LONGEST_LONG_TEXT: Final = 2_000
#: A cell that says this clears the value.
NULL: Final = "<NULL>"
#: What an import takes (the others fail their row).
IMPORTED: Final = frozenset(
    {"board_relation", "date", "email", "link", "long_text", "numbers", "phone", "status", "text"}
)
_COLOR_NAMES: Final = (
    "working_orange done_green stuck_red dark_blue purple explosive grass_green bright_blue saladish egg_yolk "
    "blackish dark_red sofia_pink lipstick dark_purple bright_green chili_blue american_gray brown dark_orange "
    "sunset bubble peach berry winter river navy aquamarine indigo dark_indigo pecan lavender royal steel orchid "
    "lilac tan sky coffee teal"
)
COLORS: Final = tuple(_COLOR_NAMES.split())

#: Whether a relation of this column may point at an item: raises Refusal when not.
CheckLink = Callable[[Column, int], str]


def bad(column: Column, value: object, message: str) -> Refusal:
    """The value does not suit the column."""
    return Refusal(
        "ColumnValueException",
        message,
        column_id=column.id,
        column_type=column.type,
        column_value=json.dumps(value),
    )


def parse(column: Column, value: Any, check_link: CheckLink, *, add_labels: bool) -> Cell | None:
    """The cell that ``value`` (one entry of ``column_values``) stands for; None clears it."""
    if value is None or value in ("", {}):
        return None
    if column.type == "board_relation":
        return _relation(column, value, check_link)
    if column.type == "status":
        return _status(column, value, add_labels=add_labels)
    parser = _PARSERS.get(column.type)
    if parser is None:
        raise Refusal(
            "InvalidColumnTypeException",
            f"columns of type {column.type} cannot be changed",
            column_id=column.id,
        )
    return parser(column, value)


def parse_cell(column: Column, text: str, check_link: CheckLink) -> Cell | None:
    """The same for a cell of an imported file."""
    if text == NULL:
        return None
    if column.type not in IMPORTED:
        raise bad(column, text, f"column type {column.type} is not supported by the import")
    form: dict[str, Any] = {
        "board_relation": lambda: {"item_ids": [part.strip() for part in text.split(",")]},
        "email": lambda: {"email": text, "text": text},
        "link": lambda: {"url": text, "text": text},
        "long_text": lambda: {"text": text},
        "phone": lambda: {"phone": text, "countryShortName": ""},
        "status": lambda: {"label": text},
    }
    make = form.get(column.type)
    return parse(column, make() if make else text, check_link, add_labels=False)


def _text(column: Column, value: Any) -> Cell:
    if not isinstance(value, str):
        raise bad(column, value, "invalid value, please check our API documentation for text")
    return Cell(text=value, value=value)


def _long_text(column: Column, value: Any) -> Cell:
    text = value.get("text") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise bad(column, value, "invalid value, a long text is an object with a text")
    kept = text[:LONGEST_LONG_TEXT]  # the real one cuts without a word
    return Cell(text=kept, value={"text": kept})


def _number(column: Column, value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad(column, value, "invalid value, a number is expected")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise bad(column, value, f"invalid value, {value!r} is not a number") from None
    if not number.is_finite():
        raise bad(column, value, f"invalid value, {value!r} is not a number")
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return Cell(text=text, value=text)


def _date(column: Column, value: Any) -> Cell:
    entry = {"date": value} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not isinstance(entry.get("date"), str):
        raise bad(column, value, "invalid value, a date is an object with a date")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", entry["date"]):
        raise bad(column, value, "invalid value, the date format is YYYY-MM-DD")
    try:
        date.fromisoformat(entry["date"])
        at = entry.get("time")
        if at:
            time.fromisoformat(at)
    except (TypeError, ValueError) as error:
        raise bad(column, value, f"invalid value, {error}") from None
    return Cell(text=f"{entry['date']} {at[:5]}" if at else entry["date"], value=entry)


def _email(column: Column, value: Any) -> Cell:
    entry = value if isinstance(value, dict) else {}
    address, text = entry.get("email"), entry.get("text")
    if not isinstance(address, str) or not isinstance(text, str) or not text:
        raise bad(column, value, "invalid value, an email needs email and text")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address):
        raise bad(column, value, f"invalid value, {address!r} is not an email address")
    return Cell(text=text, value=entry)


def _phone(column: Column, value: Any) -> Cell:
    entry = value if isinstance(value, dict) else {}
    number, country = entry.get("phone"), entry.get("countryShortName")
    if not isinstance(number, str) or not isinstance(country, str):
        raise bad(column, value, "invalid value, a phone needs phone and countryShortName")
    if not re.fullmatch(r"\+?[0-9][0-9 ()./-]{2,24}", number):
        raise bad(column, value, f"invalid value, {number!r} is not a phone number")
    if country and not re.fullmatch(r"[A-Z]{2}", country):
        raise bad(column, value, f"invalid value, {country!r} is not a two-letter country")
    return Cell(text=number, value=entry)


def _link(column: Column, value: Any) -> Cell:
    entry = value if isinstance(value, dict) else {}
    url, text = entry.get("url"), entry.get("text")
    if not isinstance(url, str) or not re.match(r"https?://", url) or not isinstance(text, str):
        raise bad(column, value, "invalid value, a link needs url (http or https) and text")
    return Cell(text=f"{text} - {url}" if text != url else url, value=entry)


def _checkbox(column: Column, value: Any) -> Cell | None:
    checked = value.get("checked") if isinstance(value, dict) else None
    if checked in ("true", True):
        return Cell(text="v", value={"checked": True})
    if checked in ("false", False):
        return None
    raise bad(column, value, 'invalid value, a checkbox is {"checked": "true"} or null')


_PARSERS: Final[dict[str, Callable[[Column, Any], Cell | None]]] = {
    "checkbox": _checkbox,
    "date": _date,
    "email": _email,
    "link": _link,
    "long_text": _long_text,
    "numbers": _number,
    "phone": _phone,
    "text": _text,
}


def _status(column: Column, value: Any, *, add_labels: bool) -> Cell:
    entry = {"label": value} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not ({"label", "index"} & entry.keys()):
        raise bad(column, value, "invalid value, a status is an object with a label or an index")
    found = next((label for label in column.labels if label.index == entry.get("index")), None)
    if "label" in entry:
        found = column.label(str(entry["label"]))
        if found is None and add_labels and isinstance(entry["label"], str):
            found = add_label(column, entry["label"])
    if found is None:
        known = ", ".join(f"{label.index}: {label.label}" for label in column.labels)
        wanted = entry.get("label", entry.get("index"))
        raise bad(
            column,
            value,
            f"This status label doesn't exist: {wanted!r}, possible statuses are: {{{known}}}",
        )
    return Cell(text=found.label, value={"index": found.index})


def add_label(column: Column, text: str) -> Label:
    """A further label; raises Refusal when the column has as many as it takes."""
    if len(column.labels) >= MOST_LABELS:
        raise bad(column, text, f"a status column has at most {MOST_LABELS} labels")
    taken = {label.index for label in column.labels}
    index = next(number for number in range(len(taken) + 1) if number not in taken)
    colors = {label.color for label in column.labels}
    label = Label(
        id=max((label.id for label in column.labels), default=-1) + 1,
        index=index,
        label=text,
        color=next(color for color in COLORS if color not in colors),
    )
    column.labels.append(label)
    column.changes += 1
    return label


def _relation(column: Column, value: Any, check_link: CheckLink) -> Cell | None:
    numbers = value.get("item_ids") if isinstance(value, dict) else None
    if not isinstance(numbers, list):
        raise bad(column, value, "invalid value, a relation is an object with item_ids")
    if not numbers:
        return None
    try:
        ids = [int(number) for number in numbers]
    except (TypeError, ValueError):
        raise bad(column, value, "invalid value, item_ids are the numbers of items") from None
    names = [check_link(column, number) for number in ids]
    return Cell(
        text=", ".join(names),
        value={"linkedPulseIds": [{"linkedPulseId": number} for number in ids]},
    )
