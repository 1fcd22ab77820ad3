"""How Mongoose writes values: everything is text, dates with a time, keys right-justified (reference §3.3)."""

import re
from html import escape, unescape
from typing import Final

from ml_connector_dagster.sandbox.ion.listings import ListedKind, Place, Scalar, plain_number
from ml_connector_dagster.sandbox.ion.syteline.idos import WIDTHS


_VALUES: Final = re.compile(r"<v>(.*?)</v>", re.DOTALL)
_BOOKMARK: Final = re.compile(
    r"<B><P>(?P<properties>(?:<p>\w+</p>)+)</P><D>(?:<f>false</f>)+</D><F>.*</F><L>(?P<last>.*)</L></B>",
    re.DOTALL,
)


def value_text(name: str, value: Scalar | None, kind: ListedKind) -> str | None:
    """A stored value as a property shows it; what is blank is null, but for text."""
    text = "" if value is None else str(value)
    if kind == "date":
        if text in ("", "0"):
            return None
        return f"{text} 00:00:00.000"
    if kind in ("decimal", "negated"):
        return plain_number(text, negated=kind == "negated") or text or None
    if kind == "stamp":
        return text or None
    return text.rjust(WIDTHS[name]) if text and name in WIDTHS else text


def bookmark(properties: tuple[str, ...], first: Place, last: Place) -> str:
    """Sort properties, directions, and the sort values of the first and the last row of a page."""
    sorts = "".join(f"<p>{name}</p>" for name in properties)
    ways = "<f>false</f>" * len(properties)
    ends = ["".join(f"<v>{escape(str(value))}</v>" for value in place) for place in (first, last)]
    return f"<B><P>{sorts}</P><D>{ways}</D><F>{ends[0]}</F><L>{ends[1]}</L></B>"


def place_of(text: str, properties: tuple[str, ...]) -> Place | None:
    """Where the page before ended; None when the bookmark is not one of a load in this order."""
    match = _BOOKMARK.fullmatch(text)
    if match is None or tuple(re.findall(r"<p>(\w+)</p>", match["properties"])) != properties:
        return None
    values = tuple(unescape(value) for value in _VALUES.findall(match["last"]))
    return values if len(values) == len(properties) else None
