"""What a chain of pages carries: its arguments inside a ``Slice``, and its position as text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.windows import Window


#: Halving a span that is open to the past starts here: no ERP's records are older.
OLDEST = date(1970, 1, 1)
_QUARTER_MONTHS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Change days ``first`` to ``last``, both included; ``first`` None is open to the past, records without a date included."""

    first: date | None
    last: date

    def halves(self) -> tuple["Span", "Span"] | None:
        """Two spans that cover this one; None when it cannot be cut."""
        low = self.first or min(OLDEST, self.last)
        days = (self.last - low).days
        if days < 1:
            return None
        middle = low + timedelta(days // 2)
        return (
            Span(first=self.first, last=middle),
            Span(first=middle + timedelta(1), last=self.last),
        )

    def __str__(self) -> str:
        return (
            f"{'beginning' if self.first is None else day_text(self.first)}..{day_text(self.last)}"
        )


def day_text(day: date) -> str:
    """yyyyMMdd, as M3 writes dates."""
    return f"{day:%Y%m%d}"


def span_of(window: Window) -> Span:
    """The days that ``window`` touches: a date stamp cannot be told apart inside a day, so both end days are whole."""
    return Span(first=window.first_day, last=window.last_day)


def cut(span: Span, parts: int) -> tuple[Span, ...]:
    """``span`` in at most ``parts`` pieces, to be read side by side.

    A long span is cut into equal numbers of days. One that is open to the past is cut at the starts of the latest quarters: most of a
    growing ERP's changes are recent, and how far back it goes is not known. A span of less than a quarter stays whole.
    """
    if parts <= 1:
        return (span,)
    starts: list[date] = []
    if span.first is None:
        start = span.last.replace(
            month=(span.last.month - 1) // _QUARTER_MONTHS * _QUARTER_MONTHS + 1, day=1
        )
        for _ in range(parts - 1):
            starts.append(start)
            month = start.month - _QUARTER_MONTHS
            start = start.replace(year=start.year - (month < 1), month=month + 12 * (month < 1))
        starts.reverse()
    else:
        days = (span.last - span.first).days + 1
        pieces = min(parts, days // 90)
        starts = [span.first + timedelta(days * piece // pieces) for piece in range(1, pieces)]
    spans: list[Span] = []
    first = span.first
    for start in starts:
        spans.append(Span(first=first, last=start - timedelta(1)))
        first = start
    return (*spans, Span(first=first, last=span.last))


def spans_text(spans: Sequence[Span]) -> list[list[str | None]]:
    """For a position."""
    return [
        [None if span.first is None else day_text(span.first), day_text(span.last)]
        for span in spans
    ]


def parse_spans(value: Any) -> list[Span]:
    """The inverse of ``spans_text``."""
    return [
        Span(first=first and date.fromisoformat(first), last=date.fromisoformat(last))
        for first, last in value
    ]


def position_text(**parts: Any) -> str:
    """A position: compact JSON, names sorted, so that equal positions are equal texts."""
    return json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def parse_position(text: str | None) -> Mapping[str, Any]:
    """The parts of a position; none for a chain that begins."""
    if text is None or text == "":
        return {}
    try:
        parts = json.loads(text)
    except json.JSONDecodeError:
        parts = None
    if not isinstance(parts, dict):
        raise ContractError(
            f"position {text[:80]!r} is not one of an M3 chain; begin the read anew (--full)"
        )
    return parts
