"""The ledger: what happened and how far we are. One face for what moves data; what has its own users has its own."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Self

from ml_connector_dagster.ledger import (
    attempts,
    batches,
    dead_letters,
    deliveries,
    edits,
    forecasts,
    overviews,
    past_reads,
    reads,
    reconciliations,
    recounts,
)
from ml_connector_dagster.ledger.alerts import LedgerAlerts
from ml_connector_dagster.ledger.breakers import LedgerBreaker
from ml_connector_dagster.ledger.budget import LedgerBudget
from ml_connector_dagster.ledger.call_counts import LedgerCallCounts
from ml_connector_dagster.ledger.cleaning import LedgerCleaning
from ml_connector_dagster.ledger.databases import Database, open_database
from ml_connector_dagster.ledger.documents import LedgerDocuments
from ml_connector_dagster.ledger.knowledge import LedgerKnowledge
from ml_connector_dagster.ledger.migrations import migrate
from ml_connector_dagster.ledger.overviews import TenantStatus
from ml_connector_dagster.ledger.past_reads import PastDelivery, PastRead
from ml_connector_dagster.ledger.reads import WindowRead
from ml_connector_dagster.ledger.remote_records import LedgerRemoteRecords
from ml_connector_dagster.ledger.reviews import LedgerReviews
from ml_connector_dagster.ledger.sweeps import LedgerSweeps
from ml_connector_dagster.ledger.tokens import Cipher, LedgerTokens
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
from ml_connector_dagster.model.windows import Watermark, Window


def utc_now() -> datetime:
    """The clock of a real ledger."""
    return datetime.now(UTC)


class Ledger:
    """Thread-safe; many processes may have the same ledger open. Every method is one transaction.

    Open it in the process that uses it: a ledger must not cross a fork. Methods raise TransientError when another
    process keeps the database locked.

    Attributes:
        sweeps: key sweeps, and whom they missed.
        documents: business documents that were taken.
        remote: what applications have of our records.
        reviews: what has to be looked at again there.
        alerts: conditions that people are told of.
        cleaning: what a clean-up takes out.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self.sweeps = LedgerSweeps(database, now)
        self.documents = LedgerDocuments(database, now)
        self.remote = LedgerRemoteRecords(database, now)
        self.reviews = LedgerReviews(database)
        self.alerts = LedgerAlerts(database, now)
        self.cleaning = LedgerCleaning(database, now)

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

    def batch_scopes(self) -> tuple[tuple[str, str, str], ...]:
        """Tenant, entity and company of everything that has batches."""
        return batches.find_scopes(self._database)

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

    def status(self, tenant: str) -> TenantStatus:
        """The newest read and delivery of each entity and company, and what is stuck, at one moment."""
        return overviews.overview(self._database, tenant)
