"""The four dashboards: tiles over the marts' explores, with filters that all of their tiles listen to.

LookML dashboards are YAML. A tile that shows amounts shows their currency, or their ledger, beside them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ml_connector_dagster.lookml.names import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter over one field of the explore."""

    title: str
    field: str
    default: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile: a query, and how it is drawn. ``pivots`` are fields that make a series each."""

    title: str
    type: str
    fields: tuple[str, ...]
    sorts: tuple[str, ...] = ()
    pivots: tuple[str, ...] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    limit: int = 500
    width: int = 12
    height: int = 8
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Tiles over the explore of one mart. Fields are named without their view, which is the mart's."""

    mart: str
    title: str
    description: str
    filters: tuple[Filter, ...]
    tiles: tuple[Tile, ...]


_COMPANY: Final = Filter(title="Company", field="company")
_SUPPLIER: Final = Filter(title="Supplier", field="supplier_id")
_CURRENCY: Final = Filter(title="Currency", field="currency")

PAYABLES_AGING: Final = Dashboard(
    mart="payables_aging",
    title="Payables aging",
    description="What is owed to whom, and how long it is overdue.",
    filters=(
        _COMPANY,
        _SUPPLIER,
        _CURRENCY,
        Filter(title="Period of the oldest due date", field="oldest_due_month"),
    ),
    tiles=(
        Tile(
            title="Open by days overdue",
            type="looker_column",
            fields=("bucket_number", "bucket", "currency", "total_open_amount"),
            pivots=("currency",),
            sorts=("currency", "bucket_number"),
            width=24,
        ),
        Tile(
            title="Overdue, by currency",
            type="looker_grid",
            fields=("currency", "total_open_amount", "total_open_items"),
            filters={"bucket_number": "[1, 4]"},
            sorts=("currency",),
            width=8,
        ),
        Tile(
            title="Open by supplier",
            type="looker_grid",
            fields=(
                "company",
                "supplier_id",
                "supplier_name",
                "currency",
                "total_open_amount",
                "total_open_items",
            ),
            sorts=("currency", "total_open_amount desc", "company", "supplier_id"),
            width=16,
        ),
        Tile(
            title="Payments without an invoice",
            type="looker_grid",
            fields=("company", "supplier_id", "supplier_name", "currency", "total_open_amount"),
            filters={"bucket_number": "6"},
            sorts=("company", "supplier_id", "currency"),
            width=16,
            height=6,
        ),
        Tile(
            title="Known up to",
            type="looker_grid",
            fields=("company", "as_of_date"),
            sorts=("company",),
            width=8,
            height=6,
        ),
    ),
)

VENDOR_PERFORMANCE: Final = Dashboard(
    mart="vendor_performance",
    title="Vendor performance",
    description="How suppliers keep their promises: on time, in full, at the ordered price.",
    filters=(_COMPANY, _SUPPLIER, Filter(title="Period", field="promised_month")),
    tiles=(
        Tile(
            title="On time in full, by month promised",
            type="looker_line",
            fields=("promised_month", "share_on_time_in_full", "share_on_time"),
            sorts=("promised_month",),
            width=24,
        ),
        Tile(
            title="Suppliers",
            type="looker_grid",
            fields=(
                "company",
                "supplier_id",
                "supplier_name",
                "total_lines_due",
                "total_lines_on_time_in_full",
                "total_lines_not_received",
                "share_on_time_in_full",
            ),
            sorts=("total_lines_due desc", "company", "supplier_id"),
            width=24,
        ),
        Tile(
            title="Price variance",
            type="looker_grid",
            fields=(
                "company",
                "supplier_id",
                "supplier_name",
                "currency",
                "total_ordered_amount",
                "total_invoiced_amount",
                "total_price_variance",
            ),
            filters={"invoiced_amount": "NOT NULL"},
            sorts=("currency", "total_price_variance desc", "company", "supplier_id"),
            width=24,
            note="Invoiced less ordered: positive is dearer than ordered.",
        ),
    ),
)

PURCHASE_COMMITMENTS: Final = Dashboard(
    mart="purchase_commitments",
    title="Purchase commitments",
    description="What has been ordered and has not come yet.",
    filters=(_COMPANY, _SUPPLIER, Filter(title="Period", field="due_month"), _CURRENCY),
    tiles=(
        Tile(
            title="Open by month due",
            type="looker_column",
            fields=("due_month", "currency", "total_open_amount"),
            pivots=("currency",),
            sorts=("currency", "due_month"),
            width=24,
        ),
        Tile(
            title="Open and overdue, by currency",
            type="looker_grid",
            fields=("currency", "total_open_lines", "total_open_amount", "total_overdue_amount"),
            sorts=("currency",),
            width=24,
            height=6,
        ),
        Tile(
            title="Open by supplier",
            type="looker_grid",
            fields=(
                "company",
                "supplier_id",
                "supplier_name",
                "currency",
                "total_open_amount",
                "total_overdue_amount",
            ),
            sorts=("currency", "total_open_amount desc", "company", "supplier_id"),
            width=24,
        ),
    ),
)

_BOOKS: Final = ("company", "division", "balance_key", "value_type")

GL_BALANCES: Final = Dashboard(
    mart="gl_account_balances",
    title="GL balances",
    description="What moved on the accounts, and what they stand at. In each division's local currency.",
    filters=(
        _COMPANY,
        Filter(title="Division", field="division"),
        Filter(title="Account", field="account_id"),
        Filter(title="Year", field="year"),
        Filter(title="Period", field="period"),
        Filter(title="Value type", field="value_type", default="1"),
    ),
    tiles=(
        Tile(
            title="Debit by period",
            type="looker_column",
            fields=("year", "period", *_BOOKS, "total_debit"),
            pivots=_BOOKS,
            sorts=(*_BOOKS, "year", "period"),
            width=24,
        ),
        Tile(
            title="Movement by account group",
            type="looker_grid",
            fields=(
                *_BOOKS,
                "account_group",
                "total_debit",
                "total_credit",
                "total_movement",
            ),
            sorts=(*_BOOKS, "account_group"),
            width=24,
        ),
        Tile(
            title="Balance by account and period",
            type="looker_grid",
            fields=(
                *_BOOKS,
                "year",
                "period",
                "account_id",
                "account_name",
                "total_movement",
                "total_balance",
            ),
            sorts=("year desc", "period desc", *_BOOKS, "account_id"),
            limit=200,
            width=24,
            height=12,
        ),
    ),
)

DASHBOARDS: Final = (PAYABLES_AGING, VENDOR_PERFORMANCE, PURCHASE_COMMITMENTS, GL_BALANCES)


def document(dashboard: Dashboard, model: str) -> list[dict[str, Any]]:
    """The dashboard as LookML's YAML has it."""
    return [
        {
            "dashboard": dashboard.mart,
            "title": text(dashboard.title),
            "description": text(dashboard.description),
            "preferred_viewer": "dashboards-next",
            "layout": "newspaper",
            "filters": [_filter(one, dashboard, model) for one in dashboard.filters],
            "elements": list(_elements(dashboard, model)),
        }
    ]


def _filter(one: Filter, dashboard: Dashboard, model: str) -> dict[str, Any]:
    return {
        "name": one.title,
        "title": one.title,
        "type": "field_filter",
        "default_value": one.default,
        "allow_multiple_values": True,
        "required": False,
        "model": model,
        "explore": dashboard.mart,
        "field": f"{dashboard.mart}.{one.field}",
    }


def _elements(dashboard: Dashboard, model: str) -> Iterable[dict[str, Any]]:
    row = column = tallest = 0
    for tile in dashboard.tiles:
        if column + tile.width > 24:
            row, column, tallest = row + tallest, 0, 0
        yield _element(tile, dashboard, model) | {
            "row": row,
            "col": column,
            "width": tile.width,
            "height": tile.height,
        }
        column, tallest = column + tile.width, max(tallest, tile.height)


def _element(tile: Tile, dashboard: Dashboard, model: str) -> dict[str, Any]:
    view = dashboard.mart
    element: dict[str, Any] = {
        "name": tile.title,
        "title": tile.title,
        "model": model,
        "explore": view,
        "type": tile.type,
        "fields": [f"{view}.{name}" for name in tile.fields],
    }
    if tile.pivots:
        element["pivots"] = [f"{view}.{name}" for name in tile.pivots]
    if tile.filters:
        element["filters"] = {f"{view}.{name}": value for name, value in tile.filters.items()}
    element["sorts"] = [f"{view}.{name}" for name in tile.sorts]
    element["limit"] = tile.limit
    if tile.note:
        element["note_text"] = tile.note
    element["listen"] = {one.title: f"{view}.{one.field}" for one in dashboard.filters}
    return element
