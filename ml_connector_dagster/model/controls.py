"""What is compared of each entity: counts, sums, and by which period and currency they are grouped.

A period is one number, so that every database groups by the same expression: 202610 is October 2026 (or fiscal period
10), 202600 the whole of 2026, 0 a record without a date.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.model.entities import ENTITIES, Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How one entity is grouped. Without ``date`` and ``year`` it has no period, without ``currency`` one group.

    Attributes:
        date: the column whose month is the period.
        year: the column that holds the year, where there is no date; ``period`` the one beside it.
        currency: the column that says what the amounts are in.
        also: further columns that a proof over the entity needs.
    """

    entity: Entity
    date: str = ""
    year: str = ""
    period: str = ""
    currency: str = ""
    also: tuple[str, ...] = ()

    @property
    def totals(self) -> tuple[str, ...]:
        """The columns that are added up."""
        return self.entity.control_totals

    @property
    def columns(self) -> tuple[str, ...]:
        """What has to be read of a record, its key included, each once."""
        named = (*self.entity.key, *self.totals, self.date, self.year, self.period, self.currency)
        return tuple(dict.fromkeys(name for name in (*named, *self.also) if name))

    @property
    def has_period(self) -> bool:
        return bool(self.date or self.year)

    def period_sql(self) -> str:
        """The period as an expression of DuckDB's SQL."""
        if self.date:
            parts = f"EXTRACT(YEAR FROM {self.date}) * 100 + EXTRACT(MONTH FROM {self.date})"
        elif self.year:
            parts = f"{self.year} * 100" + (f" + {self.period}" if self.period else "")
        else:
            return "0"
        return f"COALESCE({parts}, 0)"

    def currency_sql(self) -> str:
        """The currency as an expression of DuckDB's SQL; an empty text when there is none."""
        return f"COALESCE({self.currency}, '')" if self.currency else "''"

    def mark_sql(self, amounts: Sequence[str], record_id: str = "record_id") -> str:
        """A number that also says which record has which amount, as an expression to be added up over a group.

        Plain sums stay as they are when two changes cancel each other out; this one does not, since each record weighs
        something else. The weight is made of three digits of the key's MD5, by functions that every database spells alike.
        """
        digits = (
            f"ASCII(SUBSTRING(MD5({record_id}), {n}, 1)) * {128 ** (n - 1)}" for n in (1, 2, 3)
        )
        weight = f"({' + '.join(digits)})"
        return " + ".join((weight, *(f"COALESCE({one}, 0) * {weight}" for one in amounts)))

    def period_text(self, number: int) -> str:
        """A period as a person writes it: 2026-10, 2026, or nothing."""
        if not number:
            return ""
        year, part = divmod(number, 100)
        return f"{year}-{part:02d}" if self.date or self.period else str(year)


_GROUPED: Final[Mapping[str, Mapping[str, str]]] = {
    "purchase_orders": {"date": "order_date", "currency": "currency"},
    "purchase_order_lines": {"date": "requested_delivery_date"},
    "supplier_invoices": {"date": "accounting_date", "currency": "currency"},
    "supplier_invoice_lines": {"year": "invoice_year"},
    "payments": {"date": "accounting_date", "currency": "currency"},
    "gl_balances": {"year": "year", "period": "period"},
}

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {"gl_balances": ("account_id",)}

#: Every entity has one. Lines stand in the currency of their header, balances in that of their division: their sums
#: are control totals, no amounts of money.
CONTROLS: Final[Mapping[str, Control]] = {
    name: Control(entity=entity, also=_ALSO.get(name, ()), **_GROUPED.get(name, {}))
    for name, entity in ENTITIES.items()
}


def read_period(text: str) -> int:
    """``2026-10`` or ``2026`` as a number. Raises ValueError."""
    year, _, part = text.partition("-")
    number = int(year) * 100 + (int(part) if part else 0)
    if not (text.isascii() and 1900 <= int(year) <= 2999 and 0 <= number % 100 <= 99):
        raise ValueError(f"{text!r} is no period")
    return number
