"""What may be added up, and what must stand beside it so that it means something.

An amount always comes with its currency: ``required_fields`` puts that into every query of the measure. What says
nothing when added (prices, rates, averages, amounts that stand on several rows) has no measure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.lookml.tables import Table
from ml_connector_dagster.model.entities import ENTITIES, ColumnType


_BOOKS: Final = ("company", "division", "balance_key", "value_type")
_CURRENCY: Final = "No two currencies are added: the currency is part of every question."
_UNIT: Final = "No two units are added: the unit is part of every question."
_LEDGER: Final = "In the division's local currency; company, division, balance file and value type are part of every question."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A column that may be added up. ``apart``: columns (of a view, when it is another) that are never added over."""

    column: str
    apart: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One sum as a share of another; both are ``total_…`` measures of the view."""

    name: str
    label: str
    description: str
    part: str
    whole: str


#: Columns of the ledger that follow no naming rule.
_LEDGER_SUMS: Final[Mapping[str, tuple[Sum, ...]]] = {
    "gl_balances": tuple(
        Sum(column=name, apart=_BOOKS, note=_LEDGER) for name in ("debit", "credit")
    ),
    "gl_account_balances": (
        *(Sum(column=name, apart=_BOOKS, note=_LEDGER) for name in ("debit", "credit", "movement")),
        Sum(
            column="balance",
            apart=(*_BOOKS, "year", "period"),
            note=f"{_LEDGER} So are year and period: balances of two periods are not added.",
        ),
    ),
}

#: These stand on several rows of their mart: adding them would count them twice.
_REPEATED: Final = frozenset(
    {
        ("invoice_reconciliation", "invoice_amount"),
        ("invoice_reconciliation", "ordered_quantity"),
        ("invoice_reconciliation", "received_quantity"),
    }
)

SHARES: Final[Mapping[str, tuple[Share, ...]]] = {
    "vendor_performance": (
        Share(
            name="share_on_time_in_full",
            label="On time in full",
            description="Share of the lines due that came on time and in full, 0 to 1.",
            part="lines_on_time_in_full",
            whole="lines_due",
        ),
        Share(
            name="share_on_time",
            label="On time",
            description="Share of the lines due that came on time, 0 to 1.",
            part="lines_on_time",
            whole="lines_due",
        ),
    ),
}


def sums_of(table: Table, views: frozenset[str]) -> tuple[Sum, ...]:
    """The sums of a table, in the order of its columns. ``views`` are those that there will be."""
    if table.is_history:
        return ()
    if table.view in _LEDGER_SUMS:
        return _LEDGER_SUMS[table.view]
    found = []
    for column in table.columns:
        if column.bookkeeping or (table.view, column.name) in _REPEATED:
            continue
        one = _sum(table, column.name, column.type, views)
        if one is not None:
            found.append(one)
    return tuple(found)


def _sum(table: Table, name: str, kind: ColumnType, views: frozenset[str]) -> Sum | None:
    ending = name.rpartition("_")[2]
    if kind is ColumnType.INTEGER and table.mart and name.startswith(("lines_", "open_")):
        return Sum(column=name, apart=())
    if kind is not ColumnType.DECIMAL:
        return None
    if ending in ("amount", "variance"):
        currency = _currency(table, views)
        return Sum(column=name, apart=(currency,), note=_CURRENCY) if currency else None
    if ending == "quantity" and table.has("unit"):
        return Sum(column=name, apart=("unit",), note=_UNIT)
    return None


def _currency(table: Table, views: frozenset[str]) -> str | None:
    """The column that tells an amount's currency: its own, else its header's."""
    if table.has("currency"):
        return "currency"
    parent = table.entity.parent if table.entity else None
    if parent is None or parent.entity not in views:
        return None
    header = ENTITIES[parent.entity]
    has_one = any(column.name == "currency" for column in header.columns)
    return f"{parent.entity}.currency" if has_one else None
