"""Tiles as HTML and SVG, drawn from the rows of their queries and nothing else."""

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import Final

from ml_connector_dagster.sandbox.looker.answers import Answer, Row
from ml_connector_dagster.sandbox.looker.dashboards import Tile
from ml_connector_dagster.sandbox.looker.lookml import Field


ROWS_SHOWN: Final = 100
BARS_SHOWN: Final = 24
_WIDTH: Final = 460
_HEIGHT: Final = 150
_BASE: Final = 112
#: Room at the left for the label of the first bar, which is slanted.
_LEFT: Final = 34
_TOP: Final = 14
_SLANT_ABOVE: Final = 7  # so many labels fit side by side


def tile(shown: Tile) -> str:
    """One tile."""
    answer, kind = shown.answer, "body"
    if answer.error:
        body = f'<p class="error">{escape(answer.error)}</p>'
    elif not answer.rows:
        body = '<p class="note">No results</p>'
    elif shown.type in ("looker_column", "looker_line"):
        body, kind = _charts(shown), "body charted"
    else:
        body = _table(answer)
    note = f'<p class="note">{escape(shown.note)}</p>' if shown.note else ""
    kept = " · from the cache" if answer.from_cache else ""
    columns = max(1, min(24, shown.width))
    return (
        f'<section class="tile" style="grid-column: span {columns}"><h3>{escape(shown.title)}</h3>{note}'
        f'<div class="{kind}">{body}</div><p class="note foot">{len(answer.rows)} rows{kept}</p></section>'
    )


def _table(answer: Answer) -> str:
    heads = "".join(
        f'<th class="{"number" if one.is_measure else ""}" title="{escape(one.full_name)}">{escape(one.label)}</th>'
        for one in answer.fields
    )
    rows = "".join(
        "<tr>" + "".join(_cell(one, row) for one in answer.fields) + "</tr>"
        for row in answer.rows[:ROWS_SHOWN]
    )
    more = len(answer.rows) - ROWS_SHOWN
    rest = f'<p class="note">and {more} more</p>' if more > 0 else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{rest}"


def _cell(one: Field, row: Row) -> str:
    kind = "number" if one.is_measure or one.type == "number" else ""
    return f'<td class="{kind}">{escape(formatted(one, row[one.full_name]))}</td>'


def formatted(one: Field, value: object) -> str:
    """A value as Looker's format names have it."""
    if value is None:
        return "∅"
    if not isinstance(value, int | Decimal):
        return str(value)
    if one.format.startswith("percent"):
        return f"{value * 100:.{one.format[-1]}f}%"
    if one.format.startswith("decimal"):
        return f"{value:,.{one.format[-1]}f}"
    return str(value) if one.format == "id" else f"{value:,}"


def _charts(shown: Tile) -> str:
    """A chart for each combination of pivots and each measure: different currencies share no axis."""
    answer = shown.answer
    pivots = [one for one in answer.fields if one.full_name in shown.pivots]
    axis = [one for one in answer.fields if not one.is_measure and one not in pivots]
    # A number that only orders the next column is not worth a label.
    named = [one for one in axis if not one.name.endswith("_number")] or axis
    charts = []
    every = list(dict.fromkeys(_values(pivots, row) for row in answer.rows))
    # What is the same everywhere tells nothing apart.
    telling = [n for n in range(len(pivots)) if len({values[n] for values in every}) > 1]
    for values in every:
        rows = [row for row in answer.rows if _values(pivots, row) == values]
        of = [f"{pivots[n].label} {_label(values[n])}" for n in telling]
        for measure in (one for one in answer.fields if one.is_measure):
            title = " · ".join([*of, measure.label])
            labels = [" ".join(_label(row[one.full_name]) for one in named) for row in rows]
            charts.append(_chart(title, measure, labels, rows, is_line=shown.type == "looker_line"))
    return f'<div class="charts">{"".join(charts)}</div>'


def _values(pivots: Sequence[Field], row: Row) -> tuple[object, ...]:
    return tuple(row[one.full_name] for one in pivots)


def _label(value: object) -> str:
    return "∅" if value is None else str(value)


def _chart(
    title: str, measure: Field, labels: Sequence[str], rows: Sequence[Row], *, is_line: bool
) -> str:
    labels, rows = labels[-BARS_SHOWN:], rows[-BARS_SHOWN:]
    values = [float(row[measure.full_name] or 0) for row in rows]
    high, low = max(0.0, *values), min(0.0, *values)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return _TOP + (high - value) / span * (_BASE - _TOP)

    step = _WIDTH / len(values)
    slanted = len(values) > _SLANT_ABOVE
    marks, points = [], []
    for n, (value, label, row) in enumerate(zip(values, labels, rows, strict=True)):
        middle = n * step + step / 2
        top, bottom = min(y(value), y(0)), max(y(value), y(0))
        told = f"{label}: {formatted(measure, row[measure.full_name])}"
        hover = f"<title>{escape(told)}</title>"
        if is_line:
            points.append(f"{middle:.1f},{y(value):.1f}")
            marks.append(f'<circle cx="{middle:.1f}" cy="{y(value):.1f}" r="3">{hover}</circle>')
        else:
            width = min(step * 0.7, 44)
            marks.append(
                f'<rect x="{middle - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
                f'height="{max(bottom - top, 0.5):.1f}">{hover}</rect>'
            )
        marks.append(_axis_label(label, middle, slanted=slanted))
    line = f'<polyline points="{" ".join(points)}"/>' if is_line else ""
    extreme = formatted(
        measure, max(rows, key=lambda row: abs(row[measure.full_name] or 0))[measure.full_name]
    )
    return (
        f'<figure><figcaption>{escape(title)} <span class="note">largest {escape(extreme)}</span></figcaption>'
        f'<svg viewBox="{-_LEFT if slanted else 0} 0 {_WIDTH + (_LEFT if slanted else 0)} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">'
        f'<line x1="0" x2="{_WIDTH}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>{line}{"".join(marks)}</svg></figure>'
    )


def _axis_label(label: str, middle: float, *, slanted: bool) -> str:
    text = escape(label if len(label) <= 16 else f"{label[:15]}…")
    if not slanted:
        return f'<text x="{middle:.1f}" y="{_BASE + 16}" text-anchor="middle">{text}</text>'
    turn = f'transform="rotate(-40 {middle:.1f} {_BASE + 10})"'
    return f'<text x="{middle:.1f}" y="{_BASE + 10}" text-anchor="end" {turn}>{text}</text>'
