"""Supplier invoices, their batches and lines, and payments of one company; each is posted to the ledger."""

from dataclasses import dataclass, field
from random import Random

from ml_connector_dagster.sandbox.erp.calendar import Calendar
from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.generation.ledger import GeneralLedger, Posting
from ml_connector_dagster.sandbox.erp.generation.purchasing import Order, OrderLine
from ml_connector_dagster.sandbox.erp.generation.values import (
    blank_row,
    in_local_currency,
    money,
    price,
    row_order,
)
from ml_connector_dagster.sandbox.erp.names import RATES
from ml_connector_dagster.sandbox.erp.sizes import ErpSize


#: The gross amount of each company's first invoice line: 17 digits. Nothing adds it up.
HUGE_AMOUNT = "123456789012345.67"


@dataclass(slots=True, kw_only=True)
class Payables:
    """Rows of the tables that the payables fill."""

    ledger_rows: list[Row] = field(default_factory=list)  # FPLEDG
    batch_heads: list[Row] = field(default_factory=list)  # FAPIBH
    batch_lines: list[Row] = field(default_factory=list)  # FAPIBL


def _invoice_number(index: int, year: int, serial: int) -> str:
    if index % 97 == 5:
        return f"RE/{year}/100%-{serial}"
    if index % 53 == 7:
        return f"o'neill {serial}"
    return f"INV-{year}-{serial}" if index % 3 else f"{20_000_000 + index * 7}"


def make_payables(
    company: int,
    invoices: int,
    size: ErpSize,
    orders: list[Order],
    ledger: GeneralLedger,
    calendar: Calendar,
    random: Random,
) -> Payables:
    """Invoices over the orders, one or two each, and payments of what fell due."""
    made = Payables()
    entry_blank, head_blank, line_blank = (
        blank_row("FPLEDG"),
        blank_row("FAPIBH"),
        blank_row("FAPIBL"),
    )
    entry_order, head_order, line_order = (
        row_order("FPLEDG"),
        row_order("FAPIBH"),
        row_order("FAPIBL"),
    )
    draw = random.random
    serials: dict[str, int] = {}
    line_serial = 0
    for index in range(invoices):
        order = orders[index % len(orders)]
        supplier = order.supplier
        currency = supplier.currency
        rate = RATES[currency]
        rate_number = int(rate.replace(".", ""))
        day = min(calendar.last, order.day + 5 + int(draw() * 35))
        posted = min(calendar.last, day + int(draw() * 4))
        due = day + 30
        year = calendar.year[day]
        serial = serials[supplier.number] = serials.get(supplier.number, 0) + 1
        number = _invoice_number(index, year, serial)
        credit = index % 25 == 17
        sign = -1 if credit else 1
        batch = 7_000_001 + index
        # The first invoice of an order takes the odd lines, the second one the rest.
        second = index >= len(orders)
        chosen: list[OrderLine] = [
            line for place, line in enumerate(order.lines) if (place % 2 == 1) == second
        ] or [order.lines[0]]
        net = 0
        batch_stamps = calendar.stamps(posted, index)
        for place, line in enumerate(chosen, start=1):
            line_serial += 1
            amount = sign * line.amount
            net += amount
            made.batch_lines.append(
                line_order(
                    line_blank
                    | {
                        "CONO": company,
                        "DIVI": order.division,
                        "INBN": batch,
                        "TRNO": place,
                        "RDTP": 1,
                        "SUNO": supplier.number,
                        "SINO": number,
                        "INYR": year,
                        "NLAM": money(amount),
                        "GLAM": money(amount) if line_serial > 1 else HUGE_AMOUNT,
                        "VTA1": money(amount // 4),
                        "VTCD": 1,
                        "PUNO": order.number,
                        "PNLI": line.number,
                        "IVQA": f"{sign * line.quantity}.00",
                        "PUUN": line.item.unit,
                        "GRPR": price(line.item.price),
                        "NEPR": price(line.item.price),
                        "PPUN": line.item.unit,
                        "PUCD": 1,
                        "ITNO": line.item.number,
                        "REPN": 3_000_000 + line_serial,
                        "SUDO": f"DN{line_serial}" if line_serial % 3 else "",
                        **batch_stamps,
                    }
                )
            )
        vat = net // 4
        total = net + vat
        net_local = in_local_currency(net, rate_number)
        vat_local = in_local_currency(vat, rate_number)
        journal_year = calendar.year[posted]
        journal = ledger.next_journal(order.division, journal_year)
        voucher = 60_000_000 + index
        cost_centre = f"D{100 + index % size.cost_centres}"
        project = f"P{100 + index % size.projects}" if index % 4 == 0 else ""
        postings: list[Posting] = [
            ("2440", "", "", "", -total, -(net_local + vat_local)),
            ("4010" if index % 3 else "5410", cost_centre, project, "", net, net_local),
            ("2640", "", "", "", vat, vat_local),
        ]
        ledger.post(
            order.division, posted, journal, "410", voucher, number, currency, rate, postings
        )
        made.batch_heads.append(
            head_order(
                head_blank
                | {
                    "CONO": company,
                    "DIVI": order.division,
                    "INBN": batch,
                    "IBTP": "20",
                    "SUPA": 90,
                    "SPYN": supplier.payee,
                    "SUNO": supplier.number,
                    "SINO": number,
                    "INYR": year,
                    "IVDT": calendar.number[day],
                    "DUDT": calendar.number[due],
                    "ACDT": calendar.number[posted],
                    "CUCD": currency,
                    "CUAM": money(total),
                    "VTAM": money(vat),
                    "TLNA": money(net),
                    "TOPA": money(total),
                    "VONO": voucher,
                    "VSER": "410",
                    "IMCD": "1",
                    "PUNO": order.number,
                    "YEA4": journal_year,
                    **batch_stamps,
                }
            )
        )
        common: dict[str, int | str] = {
            "CONO": company,
            "DIVI": order.division,
            "SPYN": supplier.payee,
            "SUNO": supplier.number,
            "SINO": number,
            "INYR": year,
            "CUCD": currency,
            "CRTP": 1,
            "ARAT": rate,
            "TEPY": supplier.terms,
            "PYME": supplier.method,
            "SUCL": supplier.group,
            "BKID": "SEB1",
        }
        pay_day = due - 2 + int(draw() * 12)
        paid = pay_day <= calendar.last and index % 9 != 4 and not credit
        made.ledger_rows.append(
            entry_order(
                entry_blank
                | common
                | {
                    "YEA4": journal_year,
                    "JRNO": journal,
                    "JSNO": 1,
                    "TRCD": 40,
                    "VSER": "410",
                    "VONO": voucher,
                    "IVTP": "CN" if credit else "01",
                    "CUAM": money(-total),
                    "VTAM": money(vat),
                    "ACAM": money(-(net_local + vat_local)),
                    "IVDT": calendar.number[day],
                    "DUDT": calendar.number[due] if index % 41 != 20 else 0,
                    "ACDT": calendar.number[posted],
                    "IVBL": 1 if index % 33 == 32 else 0,
                    "APRV": 0 if calendar.last - posted < 10 and index % 2 else 1,
                    "APCD": "ANNAK",
                    "PYST": 9 if paid else 0,
                    "RECO": 9 if paid else 0,
                    "REDE": calendar.number[pay_day] if paid else 0,
                    "INBN": batch,
                    **calendar.stamps(posted, index),
                }
            )
        )
        if not paid:
            continue
        # One in ten is paid in two halves, the second later or not yet.
        parts = [total // 2, total - total // 2] if index % 10 == 3 else [total]
        for part, amount in enumerate(parts):
            part_day = pay_day + 20 * part
            if part_day > calendar.last:
                continue
            part_year = calendar.year[part_day]
            part_journal = ledger.next_journal(order.division, part_year)
            part_voucher = 70_000_000 + 2 * index + part
            local = in_local_currency(amount, rate_number)
            ledger.post(
                order.division,
                part_day,
                part_journal,
                "510",
                part_voucher,
                number,
                currency,
                rate,
                [("2440", "", "", "", amount, local), ("1930", "", "", "", -amount, -local)],
            )
            made.ledger_rows.append(
                entry_order(
                    entry_blank
                    | common
                    | {
                        "YEA4": part_year,
                        "JRNO": part_journal,
                        "JSNO": 1,
                        "TRCD": 50,
                        "VSER": "510",
                        "VONO": part_voucher,
                        "CUAM": money(amount),
                        "ACAM": money(local),
                        "IVDT": calendar.number[part_day],
                        "DUDT": calendar.number[due],
                        "ACDT": calendar.number[part_day],
                        "APRV": 1,
                        "PYST": 9,
                        **calendar.stamps(part_day, 2 * index + part),
                    }
                )
            )
    return made
