"""All tables of all companies, in one database."""

from datetime import date
from random import Random
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.erp.calendar import Calendar
from ml_connector_dagster.sandbox.erp.database import Database, Row
from ml_connector_dagster.sandbox.erp.generation.items import make_items
from ml_connector_dagster.sandbox.erp.generation.ledger import (
    GeneralLedger,
    make_chart,
    post_monthly_journals,
)
from ml_connector_dagster.sandbox.erp.generation.parties import make_customers, make_suppliers
from ml_connector_dagster.sandbox.erp.generation.payables import make_payables
from ml_connector_dagster.sandbox.erp.generation.purchasing import make_orders
from ml_connector_dagster.sandbox.erp.generation.values import blank_row, row_order
from ml_connector_dagster.sandbox.erp.sizes import ErpSize
from ml_connector_dagster.sandbox.erp.tables import TABLES


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (1 if part < total % parts else 0) for part in range(parts)]


def _divisions(company: int, size: ErpSize, calendar: Calendar) -> list[Row]:
    blank, order = blank_row("CMNDIV"), row_order("CMNDIV")
    stamps = calendar.stamps(0, 1)
    names = {"": f"Company {company}"} | {code: f"Division {code}" for code in size.divisions}
    return [
        order(
            blank
            | {
                "CONO": company,
                "DIVI": code,
                "CONM": name,
                "TX15": name[:15],
                "LOCD": "SEK",
                "CSCD": "SE",
                **stamps,
            }
        )
        for code, name in names.items()
    ]


def build_database(seed: int, size: ErpSize, today: date, timezone: ZoneInfo) -> Database:
    """Generate the ERP as it stands on ``today``."""
    database = Database()
    companies = size.companies
    parts = len(companies)
    for position, code in enumerate(companies):
        company = int(code)
        random = Random(f"{seed}/{code}")
        calendar = Calendar(today, size.years, timezone, random)
        suppliers, masters, purchasing = make_suppliers(
            company, _shares(size.suppliers, parts)[position], calendar, random
        )
        customers = make_customers(
            company, _shares(size.customers, parts)[position], calendar, random
        )
        items, item_rows = make_items(
            company, _shares(size.items, parts)[position], calendar, random
        )
        orders, heads, lines = make_orders(
            company,
            _shares(size.purchase_orders, parts)[position],
            _shares(size.purchase_order_lines, parts)[position],
            size.divisions,
            suppliers,
            items,
            calendar,
            random,
        )
        ledger = GeneralLedger(company, calendar)
        payables = make_payables(
            company,
            _shares(size.supplier_invoices, parts)[position],
            size,
            orders,
            ledger,
            calendar,
            random,
        )
        post_monthly_journals(ledger, size, calendar, random)
        for table, rows in {
            "CMNDIV": _divisions(company, size, calendar),
            "CIDMAS": masters,
            "CIDVEN": purchasing,
            "OCUSMA": customers,
            "MITMAS": item_rows,
            "MPHEAD": heads,
            "MPLINE": lines,
            "FPLEDG": payables.ledger_rows,
            "FAPIBH": payables.batch_heads,
            "FAPIBL": payables.batch_lines,
            "FCHACC": make_chart(company, size, calendar),
            "FGLEDG": ledger.rows,
            "BALANCE_KEYS": ledger.combination_rows(),
            "BALANCES": ledger.balance_rows(),
        }.items():
            database.load(TABLES[table], rows)
    return database
