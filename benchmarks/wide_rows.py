"""What the benchmark reads: an invented M3 list of 40 text fields, about 650 bytes a row as JSON.

Row ``number`` has the key ``1000000000 + number``. Everything follows from the number alone, so that the server builds
pages from templates and any row can be told again. In the second state every hundredth row has changed.
"""

import json
import random
from collections.abc import Iterator

from ml_connector_dagster.model.entities import Column, ColumnType, Entity


ENTITY = "wide_rows"
PROGRAM, TRANSACTION = "ZBN100MI", "LstRows"
KEY, CHANGED_SINCE = "RWNO", "LMTS"
FIRST_KEY = 1_000_000_000
ZONE = "Europe/Stockholm"

#: Rows that differ in more than their key and text: then they repeat.
TEMPLATES = 40_000

_OLD_STAMP = "20250301"

#: Field → (type, column), in the order of the list. No column: not mapped, so it goes into ``_extra`` (CONO: ignored).
FIELDS: dict[str, tuple[ColumnType, str]] = {
    "RWNO": (ColumnType.STRING, "row_id"),
    "TX60": (ColumnType.STRING, "text"),
    "CONO": (ColumnType.STRING, ""),
    "DIVI": (ColumnType.STRING, "division"),
    "SUNO": (ColumnType.STRING, "supplier_id"),
    "SUNM": (ColumnType.STRING, "supplier_name"),
    "ITNO": (ColumnType.STRING, "item_id"),
    "ITDS": (ColumnType.STRING, "item_name"),
    "PUNO": (ColumnType.STRING, "order_id"),
    "PNLI": (ColumnType.INTEGER, "line_number"),
    "STAT": (ColumnType.STRING, "status"),
    "ORTY": (ColumnType.STRING, "order_type"),
    "FACI": (ColumnType.STRING, "facility"),
    "WHLO": (ColumnType.STRING, "warehouse"),
    "BUYE": (ColumnType.STRING, "buyer"),
    "PURC": (ColumnType.STRING, "requester"),
    "CUCD": (ColumnType.STRING, "currency"),
    "PUUN": (ColumnType.STRING, "unit"),
    "TEPY": (ColumnType.STRING, "payment_terms"),
    "MODL": (ColumnType.STRING, "delivery_method"),
    "TEDL": (ColumnType.STRING, "delivery_terms"),
    "CSCD": (ColumnType.STRING, "country"),
    "ECAR": (ColumnType.STRING, "state"),
    "ORDT": (ColumnType.DATE, "order_date"),
    "DWDT": (ColumnType.DATE, "requested_date"),
    "CODT": (ColumnType.DATE, "confirmed_date"),
    "RCDT": (ColumnType.DATE, "received_date"),
    "ORQA": (ColumnType.DECIMAL, "ordered_quantity"),
    "RVQA": (ColumnType.DECIMAL, "received_quantity"),
    "IVQA": (ColumnType.DECIMAL, "invoiced_quantity"),
    "PUPR": (ColumnType.DECIMAL, "unit_price"),
    "LNAM": (ColumnType.DECIMAL, "line_amount"),
    "VTAM": (ColumnType.DECIMAL, "vat_amount"),
    "NEWE": (ColumnType.DECIMAL, "net_weight"),
    "PROJ": (ColumnType.STRING, "project"),
    "REFE": (ColumnType.STRING, "reference"),
    "TXT1": (ColumnType.STRING, ""),
    "VTCD": (ColumnType.STRING, ""),
    "RGDT": (ColumnType.STRING, ""),
    "LMDT": (ColumnType.STRING, ""),
}


def entity() -> Entity:
    """The benchmark's own entity, to be added to ``ENTITIES`` of the measured process."""
    return Entity(
        name=ENTITY,
        label="Wide rows",
        description="Rows of the benchmark.",
        key=("row_id",),
        columns=tuple(
            Column(name=column, type=kind, description=f"field {field}")
            for field, (kind, column) in FIELDS.items()
            if column
        ),
        control_totals=("line_amount",),
    )


def catalog() -> dict[str, object]:
    """A tenant's own catalog file with the one route of the entity; JSON is YAML."""
    kinds = {ColumnType.INTEGER: "N5", ColumnType.DECIMAL: "N17", ColumnType.DATE: "D8"}
    return {
        "entities": {
            ENTITY: {
                "modified": "LMDT",
                "fields": {
                    column: f"{field} {kinds.get(kind, 'A60')}"
                    for field, (kind, column) in FIELDS.items()
                    if column
                },
                "routes": {
                    "list": {
                        "kind": "list",
                        "program": PROGRAM,
                        "transaction": TRANSACTION,
                        "position": {KEY: KEY},
                        "changed_since": {"input": CHANGED_SINCE, "unit": "epoch_milliseconds"},
                    }
                },
            }
        }
    }


def is_changed(number: int) -> bool:
    """Whether a row differs in the second state."""
    return number % 100 == 37


def templates(today: str) -> tuple[list[bytes], list[bytes]]:
    """Rows without their first two fields, as JSON up to the brace: in the first state, and changed ``today``."""
    chance = random.Random(41)
    records = [_template(chance, number) for number in range(TEMPLATES)]
    changed = [one | {"STAT": "85", "LNAM": "7.25", "LMDT": today} for one in records]
    return [_tail(one) for one in records], [_tail(one) for one in changed]


def rows(numbers: Iterator[int], before: list[bytes], after: list[bytes] | None) -> bytes:
    """The rows as JSON, joined by commas. ``after``: the templates of changed rows, in the second state."""
    size = TEMPLATES
    if after is None:
        return b",".join(
            [
                b'{"RWNO":"%d","TX60":"Row %d, as delivered",%b'
                % (FIRST_KEY + number, number, before[number % size])
                for number in numbers
            ]
        )
    return b",".join(
        [
            b'{"RWNO":"%d","TX60":"Row %d, as delivered",%b'
            % (
                FIRST_KEY + number,
                number,
                (after if is_changed(number) else before)[number % size],
            )
            for number in numbers
        ]
    )


def _tail(record: dict[str, str]) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)[1:].encode()


def _day(chance: random.Random) -> str:
    return f"20{chance.randrange(22, 26)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"


def _amount(chance: random.Random, most: int) -> str:
    return f"{chance.random() * most:.2f}"


def _template(chance: random.Random, number: int) -> dict[str, str]:
    supplier, item = chance.randrange(5_000), chance.randrange(30_000)
    return {
        "CONO": "790",
        "DIVI": chance.choice(("AAA", "BBB", "CCC")),
        "SUNO": f"S{supplier:07}",
        "SUNM": f"{chance.choice(('Nordic', 'Baltic', 'Müller', 'Atlas'))} Components {supplier} AB",
        "ITNO": f"IT{item:08}",
        "ITDS": f"Hexagon bolt M{item % 40} zinc plated {item}",
        "PUNO": f"{2_000_000 + number // 4}",
        "PNLI": str(number % 4 * 10 + 10),
        "STAT": chance.choice(("15", "20", "35", "75")),
        "ORTY": chance.choice(("P01", "P02")),
        "FACI": chance.choice(("A01", "B01")),
        "WHLO": chance.choice(("001", "002", "110")),
        "BUYE": f"BUYER{chance.randrange(40):02}",
        "PURC": f"USER{chance.randrange(300):04}",
        "CUCD": chance.choice(("SEK", "EUR", "USD")),
        "PUUN": chance.choice(("PCS", "KG", "M")),
        "TEPY": chance.choice(("030", "060")),
        "MODL": chance.choice(("TRK", "AIR", "")),
        "TEDL": chance.choice(("DAP", "FCA")),
        "CSCD": chance.choice(("SE", "DE", "US")),
        "ECAR": "",
        "ORDT": _day(chance),
        "DWDT": _day(chance),
        "CODT": _day(chance),
        "RCDT": _day(chance) if chance.random() < 0.5 else "",
        "ORQA": _amount(chance, 10_000),
        "RVQA": _amount(chance, 10_000),
        "IVQA": "0",
        "PUPR": f"{chance.random() * 500:.4f}",
        "LNAM": _amount(chance, 1_000_000),
        "VTAM": _amount(chance, 100_000),
        "NEWE": f"{chance.random() * 20:.3f}",
        "PROJ": f"PRJ{chance.randrange(2_000):05}" if chance.random() < 0.2 else "",
        "REFE": "",
        "TXT1": "",
        "VTCD": chance.choice(("1", "2")),
        "RGDT": _day(chance),
        "LMDT": _OLD_STAMP,
    }
