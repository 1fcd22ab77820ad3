"""Batches, letters and a clock for ledger tests."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import NewDeadLetter, Stage
from ml_connector_dagster.model.windows import Window


TENANT, ENTITY, COMPANY = "acme", "suppliers", "100"
WAREHOUSE, BOARD = "warehouse.erp", "board.erp"
STOCKHOLM = ZoneInfo("Europe/Stockholm")
NOON = datetime(2026, 1, 18, 12, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += timedelta(**step)


def days(first: int | None, last: int) -> Window:
    """The days ``first`` to ``last`` of January 2026 in Stockholm; None: from the beginning."""
    start = None if first is None else date(2026, 1, first)
    return Window.of_days(start, date(2026, 1, last), STOCKHOLM)


def batch(
    batch_id: str,
    *,
    window: Window | None = None,
    entity: str = ENTITY,
    company: str = COMPANY,
    rows: int = 3,
    for_destination: str = "",
) -> Batch:
    """A staged batch with something in every field."""
    window = window or days(18, 18)
    return Batch(
        batch_id=batch_id,
        run_id="run-1",
        tenant=TENANT,
        entity=entity,
        company=company,
        window=window,
        route="list CRS620MI/LstSuppliers",
        path=f"{TENANT}/{entity}/{company}/somewhere/{batch_id}",
        parts=("part-0.parquet",) if rows else (),
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=2.5),
        rows=rows,
        bytes=rows * 1000,
        requests=2,
        rejected_cells=1,
        dead_letters=0,
        rows_by_day={"2026-01-18": rows, "": 0},
        control_totals={"amount": Decimal("12345678901234567.654321")},
        schema={"record_id": "string", "amount": "decimal128(27, 6)"},
        for_destination=for_destination,
    )


def stuck_source(
    fingerprint: str, *, window: Window | None = None, reason: str = "no key"
) -> NewDeadLetter:
    """A record that could not be staged."""
    window = window or days(18, 18)
    return NewDeadLetter(
        stage=Stage.EXTRACT,
        tenant=TENANT,
        entity=ENTITY,
        company=COMPANY,
        destination="",
        record_id="",
        fingerprint=fingerprint,
        batch_id="b1",
        reason=reason,
        raw=f'{{"SUNO": "", "print": "{fingerprint}"}}',
        window_start=window.start,
        window_end=window.end,
    )


def refused(
    key: str, *, destination: str = WAREHOUSE, entity: str = ENTITY, reason: str = "too long"
) -> NewDeadLetter:
    """A record that a destination refused."""
    record_id = f"{TENANT}/{COMPANY}/{key}"
    return NewDeadLetter(
        stage=Stage.DELIVER,
        tenant=TENANT,
        entity=entity,
        company=COMPANY,
        destination=destination,
        record_id=record_id,
        fingerprint=record_id,
        batch_id="b1",
        reason=reason,
        raw="",
        window_start=None,
        window_end=days(18, 18).end,
    )
