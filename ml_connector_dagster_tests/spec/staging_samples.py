"""Staged rows for staging tests, and a process that dies at a chosen write point."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging import BatchWriter, Staging
from ml_connector_dagster_tests.contracts.staged import row, schema_of


PAYMENTS = ENTITIES["payments"]
SCHEMA = schema_of(PAYMENTS)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOON = datetime(2026, 1, 18, 12, 0, tzinfo=UTC)
DAY = Window.of_days(date(2026, 1, 18), date(2026, 1, 18), STOCKHOLM)

_KEY = {"string": "k", "integer": 0, "date": date(2026, 1, 1)}


def payment(number: int, *, amount: str | None = "1.5", modified: datetime | None = NOON) -> Any:
    """A row of payments; its record id ends in ``number``, seven digits wide."""
    key = [_KEY[PAYMENTS.column(name).type.value] for name in PAYMENTS.key]
    one = row(
        PAYMENTS,
        *key,
        modified=modified,
        amount=None if amount is None else Decimal(amount),
    )
    return one | {"record_id": f"acme/100/{number:07}"}


def payments(rows: list[Any]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def many(count: int, first: int = 0) -> pa.Table:
    """``count`` payments of consecutive numbers, cheaply."""
    one = payments([payment(0)])
    table = one.take(pa.array([0] * count))
    ids = pa.array([f"acme/100/{number:07}" for number in range(first, first + count)])
    return table.set_column(0, "record_id", ids)


def begin(staging: Staging, batch_id: str = "b1", **changes: Any) -> BatchWriter:
    given: dict[str, Any] = {
        "tenant": "acme",
        "entity": PAYMENTS,
        "company": "100",
        "window": DAY,
        "run_id": "run-1",
        "started_at": NOON,
        "timezone": STOCKHOLM,
    }
    return staging.write(batch_id=batch_id, **(given | changes))


def commit(writer: BatchWriter) -> Batch:
    return writer.commit(
        route="list", finished_at=NOON, requests=3, rejected_cells=0, dead_letters=0
    )


def stage(staging: Staging, *tables: pa.Table, batch_id: str = "b1", **changes: Any) -> Batch:
    with begin(staging, batch_id, **changes) as writer:
        for table in tables:
            writer.append(table)
        return commit(writer)


def receipts(*record_ids: str) -> pa.Table:
    return pa.table(
        {
            name: [NOON] * len(record_ids)
            if name == "delivered_at"
            else list(record_ids)
            if name == "record_id"
            else ["x"] * len(record_ids)
            for name in RECEIPT_COLUMNS
        },
        schema=pa.schema(
            [
                (name, pa.timestamp("us", "UTC") if name == "delivered_at" else pa.string())
                for name in RECEIPT_COLUMNS
            ]
        ),
    )


def stage_with_receipts(root: str, step: Callable[[str], None]) -> None:
    """Everything that writes: a batch of two appends, then receipts."""
    staging = Staging(root, step=step)
    batch = stage(staging, payments([payment(1)]), payments([payment(2)]))
    staging.open(batch).write_receipts("warehouse.erp", receipts("acme/100/0000001"))


def die_at(fatal: str) -> Callable[[str], None]:
    def step(name: str) -> None:
        if name == fatal:
            os._exit(9)  # no handler, no finally: like a power cut

    return step


if __name__ == "__main__":
    stage_with_receipts(sys.argv[1], die_at(sys.argv[2]))
