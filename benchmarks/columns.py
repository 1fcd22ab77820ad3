"""CPU seconds per million rows of every step from page bytes to rows, one process, no network.

    python benchmarks/columns.py [--rows 10000] [--rounds 10]

The page is what M3 answers to a list of purchase order lines: 40 text fields, about 650 bytes a row; 26 of them are
columns of the entity (12 texts, 8 amounts, 3 integers, 3 dates), two are the modified stamp, three are ignored, the others go into ``_extra``.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa

from ml_connector_dagster.columns.cells import clean
from ml_connector_dagster.columns.content import extra_json, row_hashes
from ml_connector_dagster.columns.days import dates
from ml_connector_dagster.columns.json_pages import EACH, read_answer
from ml_connector_dagster.columns.layouts import (
    Field,
    Layout,
    ModifiedStamp,
    StampFormat,
    ValueFormat,
)
from ml_connector_dagster.columns.numbers import decimals, integers
from ml_connector_dagster.columns.shaping import Shaped, shape
from ml_connector_dagster.model.entities import ENTITIES, ColumnType


SOURCES = {
    "purchase_order_id": "PUNO",
    "line_number": "PNLI",
    "subline_number": "PNLS",
    "supplier_id": "SUNO",
    "item_id": "ITNO",
    "item_name": "PITD",
    "supplier_item_id": "SITE",
    "status_lowest": "PUSL",
    "status_highest": "PUST",
    "facility": "FACI",
    "warehouse": "WHLO",
    "unit": "PUUN",
    "ordered_quantity": "ORQA",
    "confirmed_quantity": "CFQA",
    "received_quantity": "RVQA",
    "invoiced_quantity": "IVQA",
    "rejected_quantity": "RJQA",
    "unit_price": "PUPR",
    "confirmed_price": "CFPR",
    "price_quantity": "PUCD",
    "line_amount": "LNAM",
    "requested_delivery_date": "DWDT",
    "confirmed_delivery_date": "CODT",
    "received_date": "RCDT",
    "buyer": "BUYE",
    "requester": "PURC",
}
OTHERS = ("CONO", "LMDT", "RGTM", "RGDT", "CHNO", "CHID", "PPUN", "OEND", "VTCD", "ECVE", "REVN", "ETRF", "TXT1", "PROJ")  # fmt: skip
FORMATS = {
    ColumnType.STRING: ValueFormat.TEXT,
    ColumnType.INTEGER: ValueFormat.INTEGER,
    ColumnType.DECIMAL: ValueFormat.NUMBER,
    ColumnType.DATE: ValueFormat.DATE,
}
READ_AT = datetime(2026, 1, 31, tzinfo=UTC)


def lines_layout() -> Layout:
    """Purchase order lines as M3's list answers them."""
    entity = ENTITIES["purchase_order_lines"]
    return Layout(
        entity=entity,
        fields=tuple(
            Field(column=one.name, source=SOURCES[one.name], format=FORMATS[one.type])
            for one in entity.columns
            if one.name in SOURCES
        ),
        modified=ModifiedStamp(source="LMDT", format=StampFormat.DATE, time_source="RGTM"),
        ignored=frozenset({"CONO", "CHNO", "CHID"}),
        timezone="Europe/Stockholm",
        source_system="m3",
    )


def lines(rows: int) -> list[dict[str, str]]:
    """Invented records of the shape above."""
    chance = random.Random(7)
    return [_line(chance, number) for number in range(rows)]


def _line(chance: random.Random, number: int) -> dict[str, str]:
    record = {}
    for name in (*SOURCES.values(), *OTHERS):
        if name == "PUNO":
            value = f"{1_000_000 + number // 4}"
        elif name == "PNLI":
            value = str(number % 4 * 10 + 10)
        elif name in {"CONO", "PNLS", "PUCD"}:
            value = {"CONO": "790", "PNLS": "0", "PUCD": "1"}[name]
        elif name in {"DWDT", "CODT", "RCDT", "LMDT", "RGDT"}:
            value = f"202{chance.randrange(3, 6)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
        elif name == "RGTM":
            value = f"{chance.randrange(24)}{chance.randrange(60):02}{chance.randrange(60):02}"
        elif name in {"ORQA", "CFQA", "RVQA", "IVQA", "RJQA", "PUPR", "CFPR", "LNAM"}:
            value = f"{chance.random() * 10_000:.2f}"
        elif name in {"PITD", "TXT1"}:
            value = f"Hexagon bolt M{chance.randrange(40)} zinc {chance.randrange(10_000)}"
        elif name in {"VTCD", "ETRF"}:
            value = ""
        elif name in {"SUNO", "ITNO", "SITE", "PROJ"}:
            value = f"{name[0]}{chance.randrange(100_000):05}"
        else:
            value = chance.choice(("20", "A01", "EUR", "PCS"))
        record[name] = value
    return record


def page(records: list[dict[str, str]], *, escaped: bool = False) -> bytes:
    """The body of M3's answer; ``escaped`` puts a JSON escape into every tenth row."""
    if escaped:
        records = [
            record | {"PITD": 'Bolt 1/4" é'} if row % 10 == 0 else record
            for row, record in enumerate(records)
        ]
    answer = {
        "results": [{"transaction": "LstLine", "records": records}],
        "wasTerminated": False,
        "nrOfSuccessfullTransactions": 1,
        "nrOfFailedTransactions": 0,
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def steps(rows: int) -> dict[str, Callable[[], object]]:
    """The steps to be measured, each on a page of ``rows`` rows."""
    records = lines(rows)
    regular, escaped = page(records), page(records, escaped=True)
    irregular = page([{**record, f"X{row % 2}": ""} for row, record in enumerate(records)])
    path = ("results", EACH, "records")
    layout = lines_layout()
    table = read_answer(regular, path).records
    shaped = _shape(table, layout).table
    cells = {name: clean(table.column(name).chunk(0))[0] for name in table.column_names}
    unmapped = {name: cells[name] for name in OTHERS[6:]}
    hashed = [
        shaped.column(one).combine_chunks()
        for one in ("record_id", *(c.name for c in layout.entity.columns), "_extra", "_deleted_at")
    ]
    typed = {
        kind: [SOURCES[c.name] for c in layout.entity.columns if c.type is kind]
        for kind in ColumnType
    }
    return {
        "read: every record alike": lambda: read_answer(regular, path),
        "read: escapes in every tenth row": lambda: read_answer(escaped, path),
        "read: records of different fields": lambda: read_answer(irregular, path),
        "  clean 40 columns": lambda: [clean(table.column(n).chunk(0)) for n in table.column_names],
        "  type 8 decimals": lambda: [decimals(cells[n]) for n in typed[ColumnType.DECIMAL]],
        "  type 3 integers": lambda: [integers(cells[n]) for n in typed[ColumnType.INTEGER]],
        "  type 3 dates": lambda: [dates(cells[n]) for n in typed[ColumnType.DATE]],
        "  _extra of 8 fields": lambda: extra_json(unmapped, rows),
        "  _row_hash": lambda: row_hashes(hashed),
        "shape: all of it": lambda: _shape(table, layout),
        "read + shape": lambda: _shape(read_answer(regular, path).records, layout),
    }


def _shape(table: pa.Table, layout: Layout) -> Shaped:
    return shape(
        table,
        layout,
        tenant="acme",
        company="790",
        batch_id="batch",
        run_id="run",
        extracted_at=READ_AT,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000, help="rows of a page")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    size = len(page(lines(options.rows))) / options.rows
    print(
        f"pages of {options.rows:,} rows x {len(SOURCES) + len(OTHERS)} fields, {size:.0f} bytes a row"
    )
    for name, step in steps(options.rows).items():
        step()
        readings = []
        for _ in range(options.rounds):
            began = time.process_time()
            step()
            readings.append(time.process_time() - began)
        million = 1_000_000 / options.rows
        print(
            f"{name:36} {statistics.median(readings) * million:7.2f} CPU s per million rows"
            f"  (best {min(readings) * million:.2f})"
        )


if __name__ == "__main__":
    main()
