"""How commands speak: tables for people, ``--json`` for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


stdout = Console()
stderr = Console(stderr=True)

#: Letters of a cell that is not broken: a company, a word.
_SHORT = 12


def print_json(value: Any) -> None:
    """One JSON document on stdout; Decimals as text, so that no digit is lost."""
    print(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    footer: Sequence[object] | None = None,
) -> None:
    """A table; numbers are right-aligned with thousands separators, cells are never read as markup."""
    materialised = [list(row) for row in rows]
    table = Table(
        title=title, title_justify="left", title_style="bold", show_footer=footer is not None
    )
    for index, column in enumerate(columns):
        numeric = any(_is_number(row[index]) for row in materialised)
        table.add_column(
            column,
            justify="right" if numeric else "left",
            footer=_cell(footer[index]) if footer is not None else "",
            overflow="fold",
            # Numbers, names and single words are never broken; only the widest text gives way.
            no_wrap=index == 0 or numeric or _is_short(row[index] for row in materialised),
        )
    for row in materialised:
        table.add_row(*(_cell(value) for value in row))
    stdout.print(table)


def print_records(title: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Rows of too many columns for one line: the values that there are, below each other."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for name, value in row.items():
            if value not in (None, ""):
                table.add_row(name, _cell(value))
        table.add_section()
    stdout.print(table)


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its nulls left out, for JSON output."""
    return {name: value for name, value in row.items() if value is not None}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _is_short(values: Iterable[object]) -> bool:
    return all(len(_cell(value)) <= _SHORT for value in values)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if _is_number(value):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return escape(str(value))


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
