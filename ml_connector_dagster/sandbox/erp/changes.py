"""What a change does to a record: which fields, and to what. Each changes at least one canonical column."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

from ml_connector_dagster.sandbox.erp.calendar import day_of, number_of
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY


#: From the old value to a new one that differs.
Change = Callable[[int | str, Random], int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field of a table, and how it changes."""

    table: str
    field: str
    change: Change


def _text(field: str) -> Change:
    length = DICTIONARY[field].length

    def change(old: int | str, random: Random) -> str:
        suffix = f" #{random.randrange(1000, 10_000)}"
        if str(old).endswith(suffix):
            suffix += "b"
        return f"{str(old)[: length - len(suffix)].rstrip()}{suffix}".strip()

    return change


def _one_of(*values: str) -> Change:
    return lambda old, random: random.choice([value for value in values if value != old])


def _amount(old: int | str, random: Random) -> str:
    del old  # any other amount will do; four decimals never stand in generated data
    return f"{Decimal(random.randrange(1, 10_000_000)) / 100:.2f}"


def _other_amount(old: int | str, random: Random) -> str:
    new = _amount(old, random)
    return new if new != old else f"{Decimal(new) + 1:.2f}"


def _day(old: int | str, random: Random) -> int:
    day = day_of(old)
    if day is None:
        return 20_300_101 + random.randrange(28)
    return number_of(day + timedelta(days=random.randrange(1, 60)))


def _flip(old: int | str, random: Random) -> int:
    del random
    return 0 if old == 1 else 1


#: Entity → the first change is always made, each further one with even chance.
FIELD_CHANGES: dict[str, tuple[FieldChange, ...]] = {
    "suppliers": (
        FieldChange(table="CIDMAS", field="SUNM", change=_text("SUNM")),
        FieldChange(
            table="CIDMAS", field="PHNO", change=_one_of("+46 8 000001", "+46 8 000002", "")
        ),
        FieldChange(table="CIDVEN", field="TEPY", change=_one_of("30D", "45D", "60D")),
    ),
    "customers": (
        FieldChange(table="OCUSMA", field="CUNM", change=_text("CUNM")),
        FieldChange(table="OCUSMA", field="CRLM", change=_other_amount),
    ),
    "items": (
        FieldChange(table="MITMAS", field="ITDS", change=_text("ITDS")),
        FieldChange(table="MITMAS", field="STAT", change=_one_of("20", "50", "90")),
    ),
    "purchase_orders": (
        FieldChange(table="MPHEAD", field="OURR", change=_text("OURR")),
        FieldChange(table="MPHEAD", field="DWDT", change=_day),
    ),
    "purchase_order_lines": (
        FieldChange(table="MPLINE", field="CFQA", change=_other_amount),
        FieldChange(table="MPLINE", field="CODT", change=_day),
    ),
    "supplier_invoices": (
        FieldChange(table="FPLEDG", field="DUDT", change=_day),
        FieldChange(table="FPLEDG", field="APRV", change=_flip),
    ),
    "supplier_invoice_lines": (FieldChange(table="FAPIBL", field="SUDO", change=_text("SUDO")),),
    "payments": (
        FieldChange(table="FPLEDG", field="PYME", change=_one_of("TRF", "SEP", "CHK", "WIR")),
    ),
    "gl_accounts": (FieldChange(table="FCHACC", field="TX40", change=_text("TX40")),),
    "gl_dimensions": (FieldChange(table="FCHACC", field="TX40", change=_text("TX40")),),
}
