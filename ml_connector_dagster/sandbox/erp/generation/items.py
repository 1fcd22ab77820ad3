"""Items of one company."""

from dataclasses import dataclass
from random import Random

from ml_connector_dagster.sandbox.erp.calendar import Calendar
from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.generation.values import blank_row, price, row_order
from ml_connector_dagster.sandbox.erp.names import BUYERS, FINISHES, ITEM_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What purchase order lines need of an item."""

    number: str
    name: str
    unit: str
    price: int  # in hundredths of cents


def make_items(
    company: int, count: int, calendar: Calendar, random: Random
) -> tuple[list[Item], list[Row]]:
    """Items with their MITMAS rows. One in fifty has a number with leading blanks."""
    blank, order = blank_row("MITMAS"), row_order("MITMAS")
    items: list[Item] = []
    rows: list[Row] = []
    for index in range(count):
        kind, group, unit, weight = ITEM_KINDS[index % len(ITEM_KINDS)]
        finish = FINISHES[int(random.random() * len(FINISHES))]
        size = 5 * (1 + int(random.random() * 90))
        number = f"{group[:3]}-{index + 100:05d}"
        if index % 50 == 9:
            number = f"  {number}"
        elif index % 50 == 13:
            number = f'{group[:3]}/{index:04d}"'
        item = Item(
            number=number,
            name=f"{kind} {size} mm"[:30],
            unit=unit,
            price=int(random.random() ** 3 * 40_000_000) + 500,
        )
        items.append(item)
        stamps = calendar.stamps(int(random.random() * calendar.last), index)
        rows.append(
            order(
                blank
                | {
                    "CONO": company,
                    "ITNO": number,
                    "ITDS": item.name,
                    "FUDS": f"{kind}, {finish}, {size} mm" if index % 9 else "",
                    "STAT": "20" if index % 13 else "90" if index % 26 else "50",
                    "ITTY": "RAW" if index % 3 else "FIN",
                    "ITGR": group,
                    "ITCL": f"{100 + index % 7}",
                    "BUAR": "" if index % 5 == 0 else "IND",
                    "UNMS": unit,
                    "PUUN": unit,
                    "PPUN": unit,
                    "SPUN": unit,
                    "MABU": 1 if index % 3 == 0 else 2,
                    "RESP": BUYERS[index % len(BUYERS)],
                    "NEWE": weight,
                    "GRWE": f"{float(weight) * 1.05:.3f}",
                    "VOL3": f"{index % 40 / 10_000:.4f}",
                    "VTCP": 1,
                    "VTCS": 1,
                    "PRGP": group[:3],
                    "DCCD": 2,
                    "PUPR": price(item.price),
                    "CUCD": "SEK",
                    "SAPR": f"{item.price // 70}.00",
                    "CUCS": "SEK",
                    "CFI1": f"T{index % 6}" if index % 10 == 0 else "",
                    **stamps,
                }
            )
        )
    return items, rows
