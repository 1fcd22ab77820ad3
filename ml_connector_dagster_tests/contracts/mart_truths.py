"""What the marts must say, worked out in plain Python from an ERP's rows. Shares nothing with the queries."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any


Row = dict[str, Any]

NOTHING = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Erp:
    """Rows that are there (deleted ones are not among them), and the day up to which each company is known."""

    tenant: str
    rows: Mapping[str, Sequence[Row]]
    as_of: Mapping[str, date]

    def supplier_name(self, company: str, supplier: str | None) -> str | None:
        for one in self.rows["suppliers"]:
            if (one["company"], one["supplier_id"]) == (company, supplier):
                return str(one["name"])
        return None

    def order(self, line: Row) -> Row | None:
        return self._one("purchase_orders", line, "company", "purchase_order_id")

    def invoice(self, line: Row) -> Row | None:
        key = ("company", "division", "supplier_id", "invoice_number", "invoice_year")
        return self._one("supplier_invoices", line, *key)

    def _one(self, entity: str, line: Row, *key: str) -> Row | None:
        for one in self.rows[entity]:
            if all(one[name] == line[name] and one[name] is not None for name in key):
                return one
        return None


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def _mean(values: Sequence[int]) -> Decimal | None:
    if not values:
        return None
    return (Decimal(sum(values)) / len(values)).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, NOTHING) if known else None


def _promised(line: Row) -> date | None:
    promised: date | None = line["confirmed_delivery_date"] or line["requested_delivery_date"]
    return promised


def payables_aging(erp: Erp) -> list[Row]:
    """Item by item: what was invoiced, less what was paid."""
    key = ("company", "division", "supplier_id", "invoice_number", "invoice_year", "currency")
    items: dict[tuple[Any, ...], Row] = {}
    for entity, sign in (("supplier_invoices", 1), ("payments", -1)):
        for one in erp.rows[entity]:
            found = items.setdefault(
                tuple(one[name] for name in key), {"open": NOTHING, "due": None, "invoice": False}
            )
            found["open"] += sign * one["amount"]
            if entity == "supplier_invoices":
                found |= {"due": one["due_date"], "invoice": True}
    names = ("not due", "1-30 days", "31-60 days", "61-90 days", "over 90 days")
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for (company, _, supplier, _, _, currency), item in items.items():
        if item["open"] == 0 or company not in erp.as_of:
            continue
        if not item["invoice"]:
            bucket = (6, "payment without invoice")
        elif item["due"] is None:
            bucket = (5, "no due date")
        else:
            late = (erp.as_of[company] - item["due"]).days
            number = 0 if late <= 0 else min(4, (late + 29) // 30)
            bucket = (number, names[number])
        groups[company, supplier, currency, bucket].append(item)
    return [
        {
            "tenant": erp.tenant,
            "company": company,
            "supplier_id": supplier,
            "supplier_name": erp.supplier_name(company, supplier),
            "currency": currency,
            "bucket_number": bucket[0],
            "bucket": bucket[1],
            "open_amount": sum((one["open"] for one in found), NOTHING),
            "open_items": len(found),
            "oldest_due_date": min((one["due"] for one in found if one["due"]), default=None),
            "as_of_date": erp.as_of[company],
        }
        for (company, supplier, currency, bucket), found in groups.items()
    ]


def purchase_commitments(erp: Erp) -> list[Row]:
    """Line by line: the share of the amount that has not come."""
    groups: dict[tuple[Any, ...], list[tuple[date | None, Decimal]]] = defaultdict(list)
    for line in erp.rows["purchase_order_lines"]:
        ordered, received = line["ordered_quantity"], line["received_quantity"] or NOTHING
        if received >= ordered or line["status_lowest"] >= "85" or line["company"] not in erp.as_of:
            continue
        head = erp.order(line)
        due = _promised(line) or (head["requested_delivery_date"] if head else None)
        value = _cents(line["line_amount"] * (ordered - received) / ordered)
        month = due.replace(day=1) if due else None
        currency = head["currency"] if head else None
        supplier = line["supplier_id"] or (head["supplier_id"] if head else None)
        groups[line["company"], supplier, currency, month].append((due, value))
    return [
        {
            "tenant": erp.tenant,
            "company": company,
            "supplier_id": supplier,
            "supplier_name": erp.supplier_name(company, supplier),
            "currency": currency,
            "due_month": month,
            "open_lines": len(found),
            "open_amount": sum((value for _, value in found), NOTHING),
            "overdue_amount": sum(
                (value for due, value in found if due and due < erp.as_of[company]), NOTHING
            ),
            "as_of_date": erp.as_of[company],
        }
        for (company, supplier, currency, month), found in groups.items()
    ]


def vendor_performance(erp: Erp) -> list[Row]:
    """Line by line: was the promise kept."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for line in erp.rows["purchase_order_lines"]:
        company, promised = line["company"], _promised(line)
        if company not in erp.as_of or promised is None or promised > erp.as_of[company]:
            continue
        if line["status_lowest"] >= "90":
            continue
        head = erp.order(line)
        came = (line["received_quantity"] or NOTHING) > 0
        received = line["received_date"]
        currency = head["currency"] if head else None
        key = (company, line["supplier_id"], currency, promised.replace(day=1))
        groups[key].append(
            {
                "on_time": came and received is not None and received <= promised,
                "in_full": (line["received_quantity"] or NOTHING) >= line["ordered_quantity"],
                "came": came,
                "lead": (received - head["order_date"]).days
                if came and received and head
                else None,
                "late": (received - promised).days
                if came and received and received > promised
                else None,
                **_prices(erp, line, currency),
            }
        )
    return [_performance(erp, *key, found) for key, found in groups.items()]


def _prices(erp: Erp, line: Row, currency: str | None) -> Row:
    matched = [
        one
        for one in erp.rows["supplier_invoice_lines"]
        if one["company"] == line["company"]
        and one["purchase_order_id"] == line["purchase_order_id"]
        and one["purchase_order_line_number"] == line["line_number"]
        and one["purchase_order_subline_number"] == line["subline_number"]
        and (invoice := erp.invoice(one)) is not None
        and invoice["currency"] == currency
    ]
    if not matched:
        return {"invoiced": None, "ordered": None}
    price = line["line_amount"] / line["ordered_quantity"]
    return {
        "invoiced": sum((one["net_amount"] for one in matched), NOTHING),
        "ordered": sum((_cents(price * one["invoiced_quantity"]) for one in matched), NOTHING),
    }


def _performance(
    erp: Erp,
    company: str,
    supplier: str,
    currency: str | None,
    month: date,
    lines: list[Row],
) -> Row:
    both = sum(one["on_time"] and one["in_full"] for one in lines)
    invoiced, ordered = (_sum(one[name] for one in lines) for name in ("invoiced", "ordered"))
    return {
        "tenant": erp.tenant,
        "company": company,
        "supplier_id": supplier,
        "supplier_name": erp.supplier_name(company, supplier),
        "currency": currency,
        "promised_month": month,
        "lines_due": len(lines),
        "lines_on_time": sum(one["on_time"] for one in lines),
        "lines_in_full": sum(one["in_full"] for one in lines),
        "lines_on_time_in_full": both,
        "lines_not_received": sum(not one["came"] for one in lines),
        "on_time_in_full_rate": _mean([1] * both + [0] * (len(lines) - both)),
        "average_lead_days": _mean([one["lead"] for one in lines if one["lead"] is not None]),
        "average_late_days": _mean([one["late"] for one in lines if one["late"] is not None]),
        "invoiced_amount": invoiced,
        "ordered_amount": ordered,
        "price_variance": None if invoiced is None or ordered is None else invoiced - ordered,
        "as_of_date": erp.as_of[company],
    }


def gl_account_balances(erp: Erp) -> list[Row]:
    """Period by period, as one would carry a balance forward on paper."""
    parts = tuple(f"dimension_{n}" for n in range(2, 8))
    files: dict[tuple[Any, ...], dict[tuple[Any, ...], dict[tuple[int, int], list[Decimal]]]] = {}
    for one in erp.rows["gl_balances"]:
        file = files.setdefault(
            tuple(one[name] for name in ("company", "division", "balance_key", "value_type")), {}
        )
        moved = file.setdefault((one["account_id"], *(one[part] or None for part in parts)), {})
        sums = moved.setdefault((one["year"], one["period"]), [NOTHING, NOTHING])
        sums[0] += one["debit"]
        sums[1] += one["credit"]
    found = []
    for (company, division, balance_key, value_type), file in files.items():
        periods = sorted({period for moved in file.values() for period in moved})
        for (account_id, *dimensions), moved in file.items():
            account = _own_or_common(
                erp.rows["gl_accounts"],
                company,
                division,
                lambda one, wanted=account_id: one["account_id"] == wanted,
            )
            balance = NOTHING
            for year, period in periods:
                if (year, period) < min(moved):
                    continue
                if account and account["is_profit_and_loss"] and period == _first(periods, year):
                    balance = NOTHING
                debit, credit = moved.get((year, period), (NOTHING, NOTHING))
                balance += debit - credit
                if not (debit or credit or balance):
                    continue
                found.append(
                    {
                        "tenant": erp.tenant,
                        "company": company,
                        "division": division,
                        "balance_key": balance_key,
                        "value_type": value_type,
                        "year": year,
                        "period": period,
                        "account_id": account_id,
                        "account_name": account and account["name"],
                        "account_group": account and account["account_group"],
                        "is_profit_and_loss": account and account["is_profit_and_loss"],
                        **dict(zip(parts, dimensions, strict=True)),
                        **_dimension_names(erp, company, division, dimensions),
                        "debit": debit,
                        "credit": credit,
                        "movement": debit - credit,
                        "balance": balance,
                    }
                )
    return found


def _first(periods: list[tuple[int, int]], year: int) -> int:
    return min(period for one, period in periods if one == year)


def _own_or_common(
    rows: Sequence[Row], company: str, division: str, fits: Callable[[Row], bool]
) -> Row | None:
    for wanted in (division, ""):
        for one in rows:
            if (one["company"], one["division"]) == (company, wanted) and fits(one):
                return one
    return None


def _dimension_names(erp: Erp, company: str, division: str, values: list[str | None]) -> Row:
    names: Row = {}
    for number, value in enumerate(values, start=2):
        found = _own_or_common(
            erp.rows["gl_dimensions"],
            company,
            division,
            lambda one, wanted=(number, value): (
                (one["dimension"], one["dimension_value"]) == wanted
            ),
        )
        names[f"dimension_{number}_name"] = found and found["name"]
    return names


def invoice_reconciliation(erp: Erp) -> list[Row]:
    """Line by line, with whatever belongs to it."""
    return [_reconciled(erp, line) for line in erp.rows["supplier_invoice_lines"]]


def _reconciled(erp: Erp, line: Row) -> Row:
    invoice = erp.invoice(line)
    ordered = next(
        (
            one
            for one in erp.rows["purchase_order_lines"]
            if one["company"] == line["company"]
            and one["purchase_order_id"] == line["purchase_order_id"]
            and one["line_number"] == line["purchase_order_line_number"]
            and one["subline_number"] == line["purchase_order_subline_number"]
        ),
        None,
    )
    head = erp.order(ordered) if ordered else None
    item = next(
        (
            one
            for one in erp.rows["items"]
            if (one["company"], one["item_id"]) == (line["company"], line["item_id"])
        ),
        None,
    )
    price = (
        _cents(ordered["line_amount"] * line["invoiced_quantity"] / ordered["ordered_quantity"])
        if ordered
        else None
    )
    same = bool(invoice and head and invoice["currency"] == head["currency"])
    own = (
        "record_id",
        "company",
        "division",
        "supplier_id",
        "invoice_number",
        "invoice_year",
        "invoice_batch_number",
        "line_number",
        "line_type",
        "item_id",
        "purchase_order_id",
        "purchase_order_line_number",
        "purchase_order_subline_number",
        "receipt_number",
        "delivery_note",
        "unit",
        "invoiced_quantity",
        "net_amount",
        "vat_amount",
    )
    of_invoice = ("invoice_date", "due_date", "accounting_date", "voucher_series", "voucher_number")
    of_order = ("facility", "warehouse", "buyer", "ordered_quantity", "received_quantity")
    return {
        "tenant": erp.tenant,
        **{name: line[name] for name in own},
        "supplier_name": erp.supplier_name(line["company"], line["supplier_id"]),
        **{name: invoice and invoice[name] for name in of_invoice},
        "currency": invoice and invoice["currency"],
        "invoice_amount": invoice and invoice["amount"],
        "item_name": item and item["name"],
        "item_group": item and item["item_group"],
        **{name: ordered and ordered[name] for name in of_order},
        "project": head and head["project"],
        "ordered_amount": price if same else None,
        "price_variance": line["net_amount"] - price if same and price is not None else None,
        "match_status": _status(line, invoice, ordered, same, price),
    }


def _status(
    line: Row, invoice: Row | None, ordered: Row | None, same: bool, price: Decimal | None
) -> str:
    if invoice is None:
        return "no invoice"
    if ordered is None:
        return "no purchase order" if line["purchase_order_id"] is None else "order line missing"
    if not ordered["received_quantity"]:
        return "not received"
    if (ordered["invoiced_quantity"] or NOTHING) > ordered["received_quantity"]:
        return "invoiced more than received"
    if not same:
        return "other currency"
    return "matched" if line["net_amount"] == price else "price differs"


TRUTHS: Mapping[str, Callable[[Erp], list[Row]]] = {
    "payables_aging": payables_aging,
    "vendor_performance": vendor_performance,
    "purchase_commitments": purchase_commitments,
    "gl_account_balances": gl_account_balances,
    "invoice_reconciliation": invoice_reconciliation,
}
