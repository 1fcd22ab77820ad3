"""Amounts and rows as the ERP keeps them. Amounts are counted in whole cents, so that sums are exact."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import cast

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.erp.tables import TABLES


Values = Mapping[str, int | str]


def money(cents: int) -> str:
    """Cents as decimal text with two decimals; nothing is "0"."""
    if cents == 0:
        return "0"
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def price(hundredths_of_cents: int) -> str:
    """A price with four decimals."""
    whole, rest = divmod(hundredths_of_cents, 10_000)
    return f"{whole}.{rest:04d}"


def in_local_currency(cents: int, rate: int) -> int:
    """Cents at ``rate`` (millionths of local currency for one), rounded half up away from zero."""
    product = abs(cents) * rate
    local = (product + 500_000) // 1_000_000
    return -local if cents < 0 else local


def blank_row(table: str) -> dict[str, int | str]:
    """A row of nothing: "" for text, 0 for numbers and dates, "0" for decimals."""
    row: dict[str, int | str] = {}
    for field in TABLES[table].fields:
        definition = DICTIONARY[field]
        row[field] = "" if definition.type == "A" else "0" if definition.decimals else 0
    return row


def row_order(table: str) -> Callable[[Values], Row]:
    """The function that puts a row given by field into the table's column order."""
    return cast(Callable[[Values], Row], itemgetter(*TABLES[table].fields))


def pattern(text: str, digits: int) -> str:
    """``text`` with each # replaced by the next digit of ``digits``."""
    if "#" not in text:
        return text
    rest = f"{digits:012d}"
    out = []
    position = 0
    for character in text:
        if character == "#":
            out.append(rest[-1 - position % 12])
            position += 1
        else:
            out.append(character)
    return "".join(out)
