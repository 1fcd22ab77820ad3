"""The ledger: what happened and how far we are. One face for the whole room; each subject has its own file."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Self

from ml_connector_dagster.ledger import (
    alerts,
    attempts,
    batches,
    cleaning,
    dead_letters,
    deliveries,
    documents,
    edits,
    forecasts,
    overviews,
    past_reads,
    reads,
    reconciliations,
    recounts,
    remote_records,
    reviews,
    sweeps,
)
from ml_connector_dagster.ledger.breakers import LedgerBreaker
from ml_connector_dagster.ledger.budget import LedgerBudget
from ml_connector_dagster.ledger.call_counts import LedgerCallCounts
from ml_connector_dagster.ledger.cleaning import Forgetting
from ml_connector_dagster.ledger.databases import Database, open_database
from ml_connector_dagster.ledger.documents import DocumentKey
from ml_connector_dagster.ledger.knowledge import LedgerKnowledge
from ml_connector_dagster.ledger.migrations import migrate
from ml_connector_dagster.ledger.overviews import TenantStatus
from ml_connector_dagster.ledger.past_reads import PastDelivery, PastRead
from ml_connector_dagster.ledger.reads import WindowRead
from ml_connector_dagster.ledger.tokens import Cipher, LedgerTokens
from ml_connector_dagster.model.alerts import Alert, AlertKind, Condition
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.edits import Edit, NewEdit
from ml_connector_dagster.model.forecasts import Forecast
from ml_connector_dagster.model.receipts import (
    Attempt,
    DeadLetter,
    Delivery,
    DeliveryReport,
    DeliveryState,
    NewDeadLetter,
    OutcomeCounts,
)
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Reconciliation,
    ReconciliationState,
)
from ml_connector_dagster.model.recounts import NewRecount, Recount
from ml_connector_dagster.model.remote_records import (
    Intent,
    RemoteRecord,
    RemoteState,
    ReviewScope,
)
from ml_connector_dagster.model.sweeps import Sighting, Sweep, SweepState
from ml_connector_dagster.model.windows import Watermark, Window


def utc_now() -> datetime:
    """The clock of a real ledger."""
    return datetime.now(UTC)


class Ledger:
    """Thread-safe; many processes may have the same ledger open. Every method is one transaction.

    Open it in the process that uses it: a ledger must not cross a fork. Methods raise TransientError when another
    process keeps the database locked.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    @classmethod
    def open(cls, url: str, *, now: Callable[[], datetime] = utc_now) -> Self:
        """Open the ledger at ``url``; a fresh one is made, an older one brought up to date.

        Raises ConfigError when ``url`` cannot be a ledger, or one that a newer version has written.
        """
        database = open_database(url)
        try:
            migrate(database, now)
        except BaseException:
            database.close()
            raise
        return cls(database, now)

    def close(self) -> None:
        """Close its connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Reads and batches

    def begin_read(
        self,
        *,
        tenant: str,
        entity: str,
        company: str,
        window: Window,
        run_id: str,
        started_at: datetime,
        resume_within: timedelta,
    ) -> WindowRead:
        """Resume the unfinished read of exactly this window that began within ``resume_within``, or begin one."""
        return reads.begin_read(
            self._database,
            tenant=tenant,
            entity=entity,
            company=company,
            window=window,
            run_id=run_id,
            started_at=started_at,
            resume_within=resume_within,
        )

    def commit_batch(
        self,
        batch: Batch,
        *,
        read: WindowRead,
        progress: Mapping[str, str | None],
        dead_letters: Sequence[NewDeadLetter],
        finished: bool,
        watermark: Watermark | None,
    ) -> None:
        """Write down a staged batch together with all it proves: how far every slice is, and which records are stuck.

        ``progress`` is added to what is known (slice id → position, None when done). With ``finished`` the read
        ends, open letters of its window that it did not meet again are resolved, and ``watermark``, if given, is
        moved; never backwards. Raises ValueError when the pieces do not belong together.
        """
        batches.commit_batch(
            self._database,
            batch,
            read=read,
            progress=progress,
            letters=dead_letters,
            finished=finished,
            watermark=watermark,
            now=self._now(),
        )

    def record_replay(self, batch: Batch) -> None:
        """Write down a batch made of staged rows for its ``for_destination``. It proves nothing about the source."""
        batches.record_replay(self._database, batch, now=self._now())

    def watermark(self, tenant: str, entity: str, company: str) -> Watermark | None:
        """How far the entity is complete (UTC); None before its first finished read."""
        return reads.find_watermark(self._database, tenant, entity, company)

    def batches(
        self,
        *,
        tenant: str,
        entity: str | None = None,
        company: str | None = None,
        window: Window | None = None,
    ) -> tuple[Batch, ...]:
        """Batches, oldest first; with ``window``, those whose own window shares a moment with it."""
        return batches.find(
            self._database, tenant=tenant, entity=entity, company=company, window=window
        )

    def batch_ids(self, tenant: str | None = None) -> frozenset[str]:
        """The ids of all batches (``Staging.orphans`` compares them with what is staged)."""
        return batches.find_ids(self._database, tenant)

    # Key sweeps

    def sweep_alone(self, tenant: str, entity: str, company: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, sweeps this entity and company inside the block. It is waited for."""
        return self._database.alone(f"sweep.{tenant}.{entity}.{company}")

    def sightings(self, tenant: str, entity: str, company: str) -> Mapping[str, Sighting]:
        """The records that the last complete sweep missed and did not mark, by record id."""
        return sweeps.find_sightings(self._database, tenant, entity, company)

    def record_sweep(
        self, sweep: Sweep, *, batches: Sequence[Batch] = (), sightings: Sequence[Sighting] = ()
    ) -> None:
        """Write down a sweep together with the batches of its marks and whom it missed.

        One that is not complete leaves earlier sightings as they are. Raises ValueError when it brings any.
        """
        sweeps.record(self._database, sweep, batches=batches, sightings=sightings, now=self._now())

    def last_sweeps(
        self, tenant: str, *, entity: str | None = None, state: SweepState | None = None
    ) -> tuple[Sweep, ...]:
        """The newest sweep of each entity and company; with ``state``, the newest that ended so."""
        return sweeps.find_last(self._database, tenant, entity, state)

    # Forecasts

    def record_forecast(self, forecast: Forecast) -> None:
        """Keep what was foreseen of a run."""
        forecasts.record(self._database, forecast)

    def forecasts(
        self, flow: str, *, since: datetime | None = None, limit: int = 1
    ) -> tuple[Forecast, ...]:
        """What was foreseen of runs of ``flow``, newest first."""
        return forecasts.find(self._database, flow, since=since, limit=limit)

    def past_reads(
        self,
        *,
        tenant: str,
        entity: str,
        company: str,
        since: datetime | None = None,
        limit: int = 20,
    ) -> tuple[PastRead, ...]:
        """Reads that came to their end, newest first; with ``since``, those that began then or later."""
        return past_reads.find_reads(
            self._database,
            tenant=tenant,
            entity=entity,
            company=company,
            since=since,
            limit=limit,
        )

    def past_deliveries(
        self, *, destination: str, entity: str, limit: int = 20
    ) -> tuple[PastDelivery, ...]:
        """Deliveries that are done, newest first: how large the batch was and what it took."""
        return past_reads.find_deliveries(
            self._database, destination=destination, entity=entity, limit=limit
        )

    def delivery_requests(self, *, destination: str, entity: str, run_ids: Sequence[str]) -> int:
        """Requests to ``destination`` for what ``run_ids`` delivered of ``entity``."""
        return past_reads.requests_of(
            self._database, destination=destination, entity=entity, run_ids=run_ids
        )

    # Reconciliation

    def record_reconciliation(
        self, done: Reconciliation, differences: Sequence[Difference] = ()
    ) -> None:
        """Write down how a comparison ended and the records that differed.

        One of everything replaces what was known of its scope; one that failed changes nothing of it.
        """
        reconciliations.record(self._database, done, differences)

    def differences(
        self, *, tenant: str, destination: str, entity: str, company: str
    ) -> tuple[Difference, ...]:
        """The records that differed when they were last compared, by record id."""
        return reconciliations.find_differences(
            self._database, tenant=tenant, destination=destination, entity=entity, company=company
        )

    def last_reconciliations(
        self,
        tenant: str,
        destination: str,
        *,
        states: Collection[ReconciliationState] | None = None,
        whole: bool = False,
    ) -> tuple[Reconciliation, ...]:
        """The newest of each entity and company; of those that ended in ``states``, and of everything if ``whole``."""
        return reconciliations.find_last(
            self._database, tenant, destination, states=states, whole=whole
        )

    # Business documents

    def take_documents_alone(self, tenant: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, takes documents of ``tenant`` inside the block. It is waited for."""
        return self._database.alone(f"documents.{tenant}")

    def document_variations(
        self, tenant: str, keys: Collection[DocumentKey]
    ) -> Mapping[DocumentKey, int]:
        """(noun, company, document id) → the newest variation that was taken; those never taken are left out."""
        return documents.find_variations(self._database, tenant, keys)

    def record_documents(
        self,
        tenant: str,
        *,
        batches: Sequence[Batch],
        variations: Mapping[DocumentKey, tuple[int, str]],
        dead_letters: Sequence[NewDeadLetter],
        resolved: Collection[str],
    ) -> None:
        """Write down the batches that documents became, with their variations (number, message id), all or none.

        ``resolved``: fingerprints of extraction letters that are healed by it.
        """
        documents.record(
            self._database,
            tenant,
            batches=batches,
            variations=variations,
            letters=dead_letters,
            resolved=resolved,
            now=self._now(),
        )

    # Deliveries. A destination is named "<connection>.<schema>".

    def pending(
        self, *, destination: str, tenant: str, entity: str, companies: Sequence[str]
    ) -> tuple[Batch, ...]:
        """Batches that ``destination`` should have and has not, oldest first; those of no rows too."""
        return batches.pending(
            self._database,
            destination=destination,
            tenant=tenant,
            entity=entity,
            companies=companies,
        )

    def start_delivery(self, batch_id: str, destination: str, run_id: str) -> None:
        """Count an attempt. Of a delivery that is done, nothing else changes, now or later."""
        deliveries.start(self._database, batch_id, destination, run_id, now=self._now())

    def finish_delivery(
        self,
        batch_id: str,
        destination: str,
        report: DeliveryReport,
        *,
        dead_letters: Sequence[NewDeadLetter],
        resolved: Sequence[int],
        ended_edits: Sequence[int] = (),
    ) -> None:
        """Every record of the batch has an outcome: keep counts, keep the refused, close the healed letters.

        A letter that is in ``dead_letters`` again stays open; ``ended_edits`` are those whose record came in a newer
        version. Raises ValueError when the delivery was never started.
        """
        deliveries.finish(
            self._database,
            batch_id,
            destination,
            report,
            letters=dead_letters,
            resolved=resolved,
            ended_edits=ended_edits,
            now=self._now(),
        )

    def fail_delivery(self, batch_id: str, destination: str, error: str) -> None:
        """The delivery as a whole failed: it stays pending. ``error`` must hold no secret."""
        deliveries.fail(self._database, batch_id, destination, error, now=self._now())

    def deliveries(
        self,
        *,
        batch_ids: Sequence[str] | None = None,
        destination: str | None = None,
        states: Collection[DeliveryState] | None = None,
    ) -> tuple[Delivery, ...]:
        """The deliveries that meet every condition given, by batch, then destination."""
        return deliveries.find(
            self._database, batch_ids=batch_ids, destination=destination, states=states
        )

    def attempts(self, batch_ids: Sequence[str] | None = None) -> tuple[Attempt, ...]:
        """Every time that these batches (None: any) were handed to a destination, in the order of beginning."""
        return attempts.find(self._database, batch_ids)

    def delivered_counts(
        self, *, destination: str, tenant: str, entity: str, company: str | None = None
    ) -> OutcomeCounts:
        """Outcomes of all deliveries that are done, added up. What the table must hold is said by ``expected_rows``."""
        return deliveries.count(
            self._database,
            destination=destination,
            tenant=tenant,
            entity=entity,
            company=company,
        )

    def expected_rows(self, *, destination: str, tenant: str, entity: str, company: str) -> int:
        """How many rows a table must hold: what was inserted, as the last recount has corrected it."""
        counts = self.delivered_counts(
            destination=destination, tenant=tenant, entity=entity, company=company
        )
        known = self.recounts(
            destination=destination, tenant=tenant, entity=entity, company=company
        )
        return counts.inserted + (known[-1].adjustment if known else 0)

    def record_recount(self, new: NewRecount) -> None:
        """Keep a recount; from now on it counts."""
        recounts.record(self._database, new, now=self._now())

    def recounts(
        self,
        *,
        destination: str,
        tenant: str,
        entity: str | None = None,
        company: str | None = None,
    ) -> tuple[Recount, ...]:
        """The recounts of a destination's tables, oldest first; the newest of each table counts."""
        return recounts.find(
            self._database, destination=destination, tenant=tenant, entity=entity, company=company
        )

    # Dead letters

    def dead_letters(
        self,
        *,
        open_only: bool = True,
        tenant: str | None = None,
        entity: str | None = None,
        company: str | None = None,
        destination: str | None = None,
        due_before: datetime | None = None,
        ids: Sequence[int] | None = None,
        record_id: str | None = None,
    ) -> tuple[DeadLetter, ...]:
        """The letters that meet every condition given, oldest first; their windows are in UTC.

        ``destination=""`` chooses those of the extraction; ``due_before`` includes the moment itself.
        """
        return dead_letters.find(
            self._database,
            open_only=open_only,
            tenant=tenant,
            entity=entity,
            company=company,
            destination=destination,
            due_before=due_before,
            ids=ids,
            record_id=record_id,
        )

    def postpone(self, ids: Sequence[int], due_at: datetime | None = None) -> None:
        """Try these letters again at ``due_at``; None: it was tried in vain, so count that and wait longer."""
        with self._database.write("dead letters") as connection:
            dead_letters.postpone(connection, ids, due_at, self._now())

    def resolve(self, ids: Sequence[int]) -> None:
        """Close these letters."""
        with self._database.write("dead letters") as connection:
            dead_letters.resolve(connection, ids, self._now())

    # Edits

    def record_edit(self, edit: NewEdit) -> int:
        """Keep an edit; answers its number. It ends those of the same column, and of older versions of the record."""
        return edits.record(self._database, edit, now=self._now())

    def edits(
        self,
        *,
        in_force_only: bool = True,
        tenant: str | None = None,
        entity: str | None = None,
        company: str | None = None,
        destination: str | None = None,
        record_id: str | None = None,
        letter_ids: Sequence[int] | None = None,
    ) -> tuple[Edit, ...]:
        """The edits that meet every condition given, oldest first."""
        return edits.find(
            self._database,
            in_force_only=in_force_only,
            tenant=tenant,
            entity=entity,
            company=company,
            destination=destination,
            record_id=record_id,
            letter_ids=letter_ids,
        )

    # Clean-ups

    def clean_alone(self) -> AbstractContextManager[None]:
        """Nobody else, in any process, cleans up inside the block. It is waited for."""
        return self._database.alone("clean-up")

    def batch_scopes(self) -> tuple[tuple[str, str, str], ...]:
        """Tenant, entity and company of everything that has batches."""
        return cleaning.find_scopes(self._database)

    def watermark_batches(self) -> frozenset[str]:
        """The batches that prove how far each entity is complete."""
        return cleaning.watermark_batches(self._database)

    def replace_batches(
        self, removed: Sequence[Batch], kept: Batch | None, *, needed_by: Collection[str]
    ) -> None:
        """Put ``kept`` in the place of ``removed``, all or nothing; what they have delivered still counts.

        Raises TransientError when one is needed after all, by a destination of ``needed_by`` or as a proof.
        """
        cleaning.replace(self._database, removed, kept, needed_by=needed_by, now=self._now())

    def removed_batches(self, *, since: datetime) -> frozenset[str]:
        """Batches that were replaced at ``since`` or later: somebody may still be reading their files."""
        return cleaning.find_removed(self._database, since=since)

    def forget_removed_batches(self, *, before: datetime) -> None:
        """The files of batches that were replaced before ``before`` are gone."""
        cleaning.forget_removed(self._database, before=before)

    def forget(self, limits: Forgetting, *, dry_run: bool = False) -> Mapping[str, int]:
        """Remove rows that only tell of the past, or count them; answers how many, by what they are."""
        return cleaning.forget(self._database, limits, dry_run=dry_run)

    # Alerts

    def observe_alerts(self, conditions: Sequence[Condition], kinds: Collection[AlertKind]) -> None:
        """Of ``kinds``, exactly ``conditions`` hold now."""
        alerts.observe(self._database, conditions, kinds, now=self._now())

    def raise_alert(self, condition: Condition) -> None:
        """``condition`` holds from now on, unless it does already."""
        alerts.raise_one(self._database, condition, now=self._now())

    def resolve_alert(self, kind: AlertKind, subject: str) -> None:
        """It no longer holds."""
        alerts.resolve_one(self._database, kind, subject, now=self._now())

    def alerts(self, *, open_only: bool = True) -> tuple[Alert, ...]:
        """Alerts, oldest first."""
        return alerts.find(self._database, open_only=open_only)

    def untold_alerts(self, channel: str) -> tuple[Alert, ...]:
        """What ``channel`` has not heard yet: of conditions that began, and of those it knows that ended."""
        return alerts.untold(self._database, channel)

    def mark_told(self, channel: str, alert: Alert) -> None:
        """``channel`` has heard of ``alert`` as it is."""
        alerts.mark_told(self._database, channel, alert, now=self._now())

    def tell_alone(self, channel: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, tells ``channel`` inside the block. It is waited for."""
        return self._database.alone(f"alerts to {channel}", wait_seconds=60)

    # State that the processes of a tenant share

    def token_store(self, tenant: str, keys: Cipher) -> LedgerTokens:
        """The tenant's bearer token (a ``TokenStore``), encrypted with ``keys``."""
        return LedgerTokens(self._database, tenant, keys, self._now)

    def budget_store(self, tenant: str) -> LedgerBudget:
        """The tenant's request budget (a ``BudgetStore``)."""
        return LedgerBudget(self._database, tenant)

    def breaker_store(self, tenant: str) -> LedgerBreaker:
        """The tenant's breaker (a ``BreakerStore``)."""
        return LedgerBreaker(self._database, tenant)

    def route_store(self, tenant: str) -> LedgerKnowledge:
        """What was learned about the tenant's routes."""
        return LedgerKnowledge(self._database, tenant, self._now)

    def call_counts(self, connection: str) -> LedgerCallCounts:
        """How many calls were made through ``connection``, by month."""
        return LedgerCallCounts(self._database, connection, self._now)

    def publications(self, connection: str) -> LedgerKnowledge:
        """What is known of the publications through ``connection``: ids that were looked up, plans that were sent."""
        return LedgerKnowledge(self._database, connection, self._now)

    def publish_alone(self, destination: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, publishes what ``destination`` holds inside the block. It is waited for."""
        return self._database.alone(f"publication of {destination}")

    def remote_records(
        self, destination: str, entity: str, record_ids: Sequence[str]
    ) -> Mapping[str, RemoteRecord]:
        """Record id → what ``destination`` calls it and has accepted of it; unknown ones are left out."""
        return remote_records.find(self._database, destination, entity, record_ids)

    def deliver_alone(self, destination: str, entity: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, delivers ``entity`` to ``destination`` inside the block. It is waited for.

        Raises TransientError when it takes too long. A process that dies lets go of it.
        """
        return self._database.alone(f"{destination}.{entity}")

    def count_remote_records(
        self, destination: str, entity: str, prefix: str, state: RemoteState
    ) -> int:
        """How many records whose id begins with ``prefix`` (not empty) are in ``state`` at ``destination``."""
        return remote_records.count(self._database, destination, entity, prefix, state)

    def put_remote_records(
        self,
        destination: str,
        entity: str,
        records: Sequence[RemoteRecord],
        *,
        answered: Collection[str] = (),
    ) -> None:
        """Remember ``records``, in place of what was known of them, and end the intents of ``answered``. All or none."""
        remote_records.put(
            self._database, destination, entity, records, answered=answered, now=self._now()
        )

    def put_intents(self, destination: str, entity: str, intents: Sequence[Intent]) -> None:
        """Write down writes that are about to be sent. All or none."""
        remote_records.put_intents(self._database, destination, entity, intents)

    def intents(self, destination: str, entity: str) -> tuple[Intent, ...]:
        """Writes without an answer, by ticket and in the order of sending."""
        return remote_records.find_intents(self._database, destination, entity)

    def put_job(self, destination: str, entity: str, ticket: str, job_id: str) -> None:
        """A sending has become a job of the application, which another process can wait for too."""
        remote_records.put_job(self._database, destination, entity, ticket, job_id, now=self._now())

    def jobs(self, destination: str, entity: str) -> Mapping[str, str]:
        """Ticket → id of its job."""
        return remote_records.find_jobs(self._database, destination, entity)

    def end_job(self, destination: str, entity: str, ticket: str) -> None:
        """Nobody waits for the job of ``ticket`` any more."""
        remote_records.end_job(self._database, destination, entity, ticket)

    # Reviews: what has to be looked at again at an application

    def moved_records(self, destination: str, entity: str, prefix: str) -> tuple[str, ...]:
        """Records (``prefix``: their ids' beginning) that have come to ``destination``, or gone from it, since ``reviewed``."""
        return reviews.find_moves(self._database, destination, entity, prefix)

    def remote_record_ids(self, destination: str, entity: str, prefix: str) -> tuple[str, ...]:
        """The ids (beginning with ``prefix``) of all records that were decided on for ``destination``."""
        return reviews.find_record_ids(self._database, destination, entity, prefix)

    def review_marks(self, scope: ReviewScope, kind: str) -> frozenset[str]:
        """What of ``kind`` the state of ``scope`` reflects; empty before the first delivery."""
        return reviews.find_marks(self._database, scope, kind)

    def reviewed(
        self,
        scope: ReviewScope,
        *,
        marks: Mapping[str, Collection[str]],
        moves: Mapping[str, Sequence[str]],
    ) -> None:
        """``scope`` was looked at again: it reflects ``marks`` (by kind) from now on, and ``moves`` (by entity)."""
        reviews.reviewed(self._database, scope, marks, moves)

    def status(self, tenant: str) -> TenantStatus:
        """The newest read and delivery of each entity and company, and what is stuck, at one moment."""
        return overviews.overview(self._database, tenant)
