"""Purchase orders and their lines of one company, oldest first."""

from dataclasses import dataclass
from random import Random

from ml_connector_dagster.sandbox.erp.calendar import Calendar
from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.generation.items import Item
from ml_connector_dagster.sandbox.erp.generation.parties import Supplier
from ml_connector_dagster.sandbox.erp.generation.values import blank_row, money, price, row_order
from ml_connector_dagster.sandbox.erp.names import BUYERS, RATES


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """What invoices need of a purchase order line."""

    number: int
    item: Item
    quantity: int  # whole units
    amount: int  # cents


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What invoices need of a purchase order."""

    number: str
    division: str
    supplier: Supplier
    day: int
    lines: tuple[OrderLine, ...]


def lines_per_order(orders: int, lines: int, random: Random) -> list[int]:
    """How many lines each order has: one to ten, ``lines`` in sum."""
    counts = [lines // orders] * orders
    for index in range(lines % orders):
        counts[index] += 1
    for _ in range(orders):
        giver, taker = int(random.random() * orders), int(random.random() * orders)
        if counts[giver] > 1 and counts[taker] < 10:
            counts[giver] -= 1
            counts[taker] += 1
    return counts


def lateness(supplier: str, serial: int) -> int:
    """Days between the promised and the real receipt: suppliers have habits, and most keep their word."""
    habit = sum(map(ord, supplier)) % 7
    if habit == 0:
        return serial % 5 * 3
    if habit == 1:
        return 14 if serial % 4 == 0 else 0
    return -2 if habit == 2 else 0


def make_orders(
    company: int,
    orders: int,
    lines: int,
    divisions: tuple[str, ...],
    suppliers: list[Supplier],
    items: list[Item],
    calendar: Calendar,
    random: Random,
) -> tuple[list[Order], list[Row], list[Row]]:
    """Orders with their MPHEAD and MPLINE rows."""
    head_blank, line_blank = blank_row("MPHEAD"), blank_row("MPLINE")
    head_order, line_order = row_order("MPHEAD"), row_order("MPLINE")
    made: list[Order] = []
    heads: list[Row] = []
    line_rows: list[Row] = []
    serial = 0
    draw = random.random
    for index, count in enumerate(lines_per_order(orders, lines, random)):
        supplier = suppliers[int(draw() ** 2 * len(suppliers))]
        division = divisions[int(draw() * len(divisions))]
        warehouse = f"{division[0]}01"
        number = str(1_000_001 + index)
        day = index * calendar.last // orders
        wanted = day + 7 + int(draw() * 40)
        age = calendar.last - wanted
        status = "85" if age > 20 else "75" if age > 5 else "35" if age > -10 else "20"
        buyer = BUYERS[index % len(BUYERS)]
        rate = float(RATES[supplier.currency])
        order_lines: list[OrderLine] = []
        total = quantities = 0
        lowest = status
        for line in range(count):
            item = items[int(draw() * len(items))]
            quantity = 1 + int(draw() ** 2 * 600)
            amount = quantity * item.price // 100
            total += amount
            quantities += quantity
            order_lines.append(
                OrderLine(number=10 * (line + 1), item=item, quantity=quantity, amount=amount)
            )
            line_status = "20" if status == "35" and line % 3 == 2 else status
            lowest = min(lowest, line_status)
            received = quantity if line_status >= "50" else 0
            ordered_text, received_text = f"{quantity}.00", f"{received}.00" if received else "0"
            price_text = price(item.price)
            serial += 1
            line_rows.append(
                line_order(
                    line_blank
                    | {
                        "CONO": company,
                        "PUNO": number,
                        "PNLI": 10 * (line + 1),
                        "ITNO": item.number,
                        "SITE": f"{supplier.number}-{item.number.strip()}" if serial % 3 else "",
                        "PITD": item.name,
                        "PITT": "Enligt ritning, see drawing" if serial % 40 == 0 else "",
                        "FACI": warehouse,
                        "WHLO": warehouse,
                        "SUNO": supplier.number,
                        "PUSL": line_status,
                        "PUST": line_status,
                        "ORQA": ordered_text,
                        "CFQA": ordered_text if line_status >= "35" else "0",
                        "RVQA": received_text,
                        "CAQA": received_text,
                        "IVQA": received_text if status == "85" else "0",
                        "RJQA": "1.00" if serial % 90 == 0 else "0",
                        "SDQA": received_text,
                        "ORQT": ordered_text,
                        "PUUN": item.unit,
                        "PUPR": price_text,
                        "CPPR": price_text if line_status >= "35" else "0",
                        "PPUN": item.unit,
                        "PUCD": 1,
                        "LNAM": money(amount),
                        "CUPR": f"{item.price / 10_000 * rate:.4f}",
                        "SAAM": f"{amount / 100 * rate:.2f}",
                        "LOCD": "SEK",
                        "DWDT": calendar.number[wanted],
                        "CODT": calendar.number[wanted] if line_status >= "35" else 0,
                        "RCDT": calendar.number[
                            min(wanted + lateness(supplier.number, serial), calendar.last)
                        ]
                        if received
                        else 0,
                        "VTCD": 1,
                        "BUYE": buyer,
                        "PURC": BUYERS[serial % len(BUYERS)] if serial % 2 else "",
                        **calendar.stamps(day, serial),
                    }
                )
            )
        made.append(
            Order(
                number=number,
                division=division,
                supplier=supplier,
                day=day,
                lines=tuple(order_lines),
            )
        )
        heads.append(
            head_order(
                head_blank
                | {
                    "CONO": company,
                    "PUNO": number,
                    "DIVI": division,
                    "FACI": warehouse,
                    "WHLO": warehouse,
                    "SUNO": supplier.number,
                    "PRSU": supplier.payee,
                    "ORTY": "P10" if index % 8 else "P20",
                    "POTC": "20",
                    "PUSL": lowest,
                    "PUST": status,
                    "SLDT": calendar.number[min(wanted, calendar.last)],
                    "SCDT": calendar.number[min(wanted, calendar.last)],
                    "PUDT": calendar.number[day],
                    "DWDT": calendar.number[wanted] if index % 19 else 0,
                    "LEDT": calendar.number[day] if status > "20" else 0,
                    "BUYE": buyer,
                    "CUCD": supplier.currency,
                    "TEPY": supplier.terms,
                    "MODL": "TRK" if index % 3 else "",
                    "TEDL": "DAP" if index % 2 else "FCA",
                    "REVN": "1" if index % 6 == 0 else "",
                    "NTAM": money(total),
                    "BRAM": money(total),
                    "COAM": money(total),
                    "TOQT": f"{quantities}.00",
                    "SAAM": f"{total / 100 * rate:.2f}",
                    "LOCD": "SEK",
                    "PROJ": f"P{100 + index % 12}" if index % 5 == 0 else "",
                    "OURR": "Annå K." if index % 7 == 0 else "",
                    "REMK": "Leverera till port 3; ring" if index % 31 == 0 else "",
                    **calendar.stamps(day, index),
                }
            )
        )
    return made, heads, line_rows
