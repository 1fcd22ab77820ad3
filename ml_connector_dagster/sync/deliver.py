"""Hand staged batches to one destination, oldest first, and write down what it answered.

A delivery that died is simply done again: destinations recognise a batch that they have already taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import (
    DeliveryReport,
    NewDeadLetter,
    OutcomeCounts,
    RejectedRecord,
    Stage,
)
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.sync.corrections import corrected
from ml_connector_dagster.sync.watching import tell_open_letters, watched_delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySummary:
    """What one call of ``deliver`` did. ``batches`` are those that were delivered by this call.

    Of an application: ``address`` is where a person sees the object, and ``limits`` what is left of what it allows, as
    far as this call has learned them.
    """

    destination: str
    entity: str
    batches: tuple[Batch, ...]
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    requests: int = 0
    resolved: int = 0
    address: str = ""
    limits: tuple[str, ...] = ()

    @property
    def repeated(self) -> int:
        """Staged rows that were further versions of a record of the same batch."""
        return sum(batch.rows for batch in self.batches) - self.counts.total


def deliver(
    destination: Destination,
    ledger: Ledger,
    staging: Staging,
    *,
    tenant: str,
    entity: str,
    companies: Sequence[str],
    run_id: str,
    mode: WriteMode = WriteMode.UPSERT,
    on_batch: Callable[[Batch, DeliveryReport], None] = lambda batch, report: None,
    derive: Callable[[StagedBatch], StagedBatch] = lambda staged: staged,
) -> DeliverySummary:
    """Deliver every batch of ``entity`` and ``companies`` that ``destination`` does not have yet.

    ``mode`` is the flow's; a batch that restores lands as such, whoever delivers it.
    ``derive`` gives a batch the columns that follow from other records.
    Raises what the destination raises, after the ledger has kept the reason; the batches before it stay done.
    """
    pending = ledger.pending(
        destination=destination.name, tenant=tenant, entity=entity, companies=companies
    )
    counts, requests, resolved = OutcomeCounts(), 0, 0
    for batch in pending:
        how = WriteMode.RESTORE if batch.restores else mode
        report, healed = _deliver_one(destination, ledger, staging, batch, run_id, how, derive)
        counts += report.counts
        requests += report.requests
        resolved += healed
        on_batch(batch, report)
    tell_open_letters(ledger, tenant, [entity])
    return DeliverySummary(
        destination=destination.name,
        entity=entity,
        batches=pending,
        counts=counts,
        requests=requests,
        resolved=resolved,
    )


def _deliver_one(
    destination: Destination,
    ledger: Ledger,
    staging: Staging,
    batch: Batch,
    run_id: str,
    mode: WriteMode,
    derive: Callable[[StagedBatch], StagedBatch],
) -> tuple[DeliveryReport, int]:
    ledger.start_delivery(batch.batch_id, destination.name, run_id)
    try:
        with corrected(ledger, staging, batch, destination.name) as correction:
            staged = derive(correction.staged)
            report = watched_delivery(
                batch,
                destination.name,
                run_id,
                lambda: destination.deliver(ENTITIES[batch.entity], staged, mode),
            )
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        ledger.fail_delivery(batch.batch_id, destination.name, why)
        raise
    if batch.restores:
        report = replace(report, counts=report.counts.as_restored())
    healed = _healed(destination, ledger, staging, batch, report)
    ledger.finish_delivery(
        batch.batch_id,
        destination.name,
        report,
        dead_letters=[_dead_letter(batch, destination.name, one) for one in report.rejected],
        resolved=healed,
        ended_edits=correction.ended,
    )
    return report, len(healed)


def _healed(
    destination: Destination,
    ledger: Ledger,
    staging: Staging,
    batch: Batch,
    report: DeliveryReport,
) -> list[int]:
    """Open dead letters whose record is in this batch and was not refused again."""
    letters = ledger.dead_letters(
        tenant=batch.tenant,
        entity=batch.entity,
        company=batch.company,
        destination=destination.name,
    )
    if not letters or not batch.rows:
        return []
    present = set(
        staging.find(batch, [letter.record_id for letter in letters])["record_id"].to_pylist()
    )
    accepted = present - {one.record_id for one in report.rejected}
    return [letter.id for letter in letters if letter.record_id in accepted]


def _dead_letter(batch: Batch, destination: str, rejected: RejectedRecord) -> NewDeadLetter:
    return NewDeadLetter(
        stage=Stage.DELIVER,
        tenant=batch.tenant,
        entity=batch.entity,
        company=batch.company,
        destination=destination,
        record_id=rejected.record_id,
        fingerprint=rejected.record_id,
        batch_id=batch.batch_id,
        reason=rejected.reason,
        raw="",
        window_start=batch.window.start,
        window_end=batch.window.end,
    )
