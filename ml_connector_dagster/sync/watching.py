"""What is told of the verbs, where they are called: one boundary each, and the figures that a dashboard shows."""

from collections.abc import Callable, Sequence
from datetime import datetime

from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.sync.extract import Extraction
from ml_connector_dagster.telemetry import Meter, boundary, is_on, meter


def watched_extraction(
    ledger: Ledger,
    *,
    tenant: str,
    entity: str,
    company: str,
    run_id: str,
    now: Callable[[], datetime],
    read: Callable[[], Extraction],
) -> Extraction:
    """``read()``, told as the boundary ``extract``."""
    what = {"tenant": tenant, "entity": entity, "company": company}
    with boundary("extract", {**what, "run_id": run_id}) as passing:
        done = read()
        passing.note(
            {
                "rows": done.rows,
                "batches": len(done.batches),
                "requests": done.requests,
                "dead_letters": done.dead_letters,
                "resumed": done.resumed,
            }
        )
    meter(Meter.ROWS_READ, done.rows, what)
    meter(Meter.ROWS_REJECTED, done.dead_letters, {**what, "stage": "extract"})
    if is_on() and (mark := ledger.watermark(tenant, entity, company)) is not None:
        meter(Meter.WATERMARK_AGE, (now() - mark.complete_until).total_seconds(), what)
    return done


def watched_delivery(
    batch: Batch, destination: str, run_id: str, send: Callable[[], DeliveryReport]
) -> DeliveryReport:
    """``send()``, told as the boundary ``deliver``."""
    what = {
        "tenant": batch.tenant,
        "entity": batch.entity,
        "company": batch.company,
        "destination": destination,
    }
    which = {"run_id": run_id, "batch_id": batch.batch_id}
    with boundary("deliver", {**what, **which, "rows": batch.rows}) as passing:
        report = send()
        counts = report.counts
        passing.note(
            {
                "inserted": counts.inserted,
                "updated": counts.updated,
                "unchanged": counts.unchanged,
                "deleted": counts.deleted,
                "rejected": counts.rejected,
                "unknown": counts.unknown,
                "requests": report.requests,
            }
        )
    meter(Meter.ROWS_WRITTEN, counts.written, what)
    meter(Meter.ROWS_REJECTED, counts.rejected, {**what, "stage": "deliver"})
    return report


def tell_open_letters(ledger: Ledger, tenant: str, entities: Sequence[str]) -> None:
    """How many dead letters of each entity are open. They are counted only when somebody listens."""
    if not is_on():
        return
    for entity in entities:
        letters = ledger.dead_letters(tenant=tenant, entity=entity)
        meter(Meter.DEAD_LETTERS, len(letters), {"tenant": tenant, "entity": entity})
