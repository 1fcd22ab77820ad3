"""``Ledger``: the one object that the rest of the house talks to. Each method is a function of a module beside it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from uuid import uuid4

import sqlalchemy as sa

from ml_connector_dagster.ledger import dead_letters as letters
from ml_connector_dagster.ledger import deliveries, reads
from ml_connector_dagster.ledger.breaker import LedgerBreakerStore
from ml_connector_dagster.ledger.budget import LedgerBudgetStore
from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.migrations import migrate
from ml_connector_dagster.ledger.reads import WindowRead
from ml_connector_dagster.ledger.routes import LedgerRouteStore
from ml_connector_dagster.ledger.tokens import Cipher, LedgerTokenStore
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import (
    DeadLetter,
    Delivery,
    DeliveryReport,
    DeliveryState,
    NewDeadLetter,
    OutcomeCounts,
)
from ml_connector_dagster.model.windows import Watermark, Window


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """What happened, and how far we are. Safe to share between threads, and between processes by its URL.

    Every method that changes something is one transaction.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    @classmethod
    def open(cls, url: str, *, now: Callable[[], datetime] = _utc_now) -> Self:
        """Open the database at a SQLAlchemy URL, making or migrating it first.

        Raises ConfigError when a newer version of this package has written it.
        """
        file = sa.make_url(url).database
        if sa.make_url(url).get_backend_name() == "sqlite" and file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
        database = Database(url)
        with database.write("migrate") as connection:
            migrate(connection, now())
        return cls(database, now)

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Reads

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
        """Take up the unfinished read of the same window if it began recently, else begin a new one."""
        return reads.begin_read(
            self._database,
            read_id=uuid4().hex,
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
        """Record a batch with the progress of its read, its dead letters and, at the end, the watermark.

        A finished read resolves the dead letters inside its window that it did not meet again. The watermark
        never moves backwards.
        """
        reads.commit_batch(
            self._database,
            batch,
            now=self._now(),
            read=read,
            progress=progress,
            dead_letters=dead_letters,
            finished=finished,
            watermark=watermark,
        )

    def record_replay(self, batch: Batch) -> None:
        """Record a batch that was staged again for one destination."""
        reads.record_replay(self._database, batch)

    def watermark(self, tenant: str, entity: str, company: str) -> Watermark | None:
        """How far an entity and company are complete; None before the first complete read."""
        return reads.watermark(self._database, tenant, entity, company)

    def batches(
        self,
        *,
        tenant: str,
        entity: str | None = None,
        company: str | None = None,
        window: Window | None = None,
    ) -> tuple[Batch, ...]:
        """Committed batches, oldest first; with ``window``, those whose window overlaps it."""
        return reads.batches(
            self._database, tenant=tenant, entity=entity, company=company, window=window
        )

    def batch_ids(self) -> frozenset[str]:
        """The ids of all committed batches."""
        return reads.batch_ids(self._database)

    # Deliveries

    def pending(
        self, *, destination: str, tenant: str, entity: str, companies: Sequence[str]
    ) -> tuple[Batch, ...]:
        """Batches that ``destination`` has not taken whole, oldest first."""
        return deliveries.pending(
            self._database,
            destination=destination,
            tenant=tenant,
            entity=entity,
            companies=companies,
        )

    def start_delivery(self, batch_id: str, destination: str, run_id: str) -> None:
        """A process is about to send a batch."""
        deliveries.start(self._database, batch_id, destination, run_id, self._now())

    def finish_delivery(
        self,
        batch_id: str,
        destination: str,
        report: DeliveryReport,
        *,
        dead_letters: Sequence[NewDeadLetter],
        resolved: Sequence[int],
    ) -> None:
        """Every record has an outcome; refused ones become dead letters, accepted ones end theirs."""
        deliveries.finish(
            self._database,
            batch_id,
            destination,
            report,
            dead_letters=dead_letters,
            resolved=resolved,
            now=self._now(),
        )

    def fail_delivery(self, batch_id: str, destination: str, error: str) -> None:
        """The delivery as a whole failed; the batch stays pending."""
        deliveries.fail(self._database, batch_id, destination, error, self._now())

    def deliveries(
        self,
        *,
        batch_ids: Sequence[str] | None = None,
        destination: str | None = None,
        states: Sequence[DeliveryState] | None = None,
    ) -> tuple[Delivery, ...]:
        """Deliveries that match every condition given."""
        return deliveries.find(
            self._database, batch_ids=batch_ids, destination=destination, states=states
        )

    def delivered_counts(
        self, *, destination: str, tenant: str, entity: str, company: str | None = None
    ) -> OutcomeCounts:
        """The sum of all outcomes that a destination has ever answered."""
        return deliveries.delivered_counts(
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
        """Dead letters that match every condition given, oldest first."""
        return letters.find(
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

    def open_dead_letters(self, tenant: str) -> Mapping[tuple[str, str, str], int]:
        """(entity, company, destination) → how many are open."""
        return letters.counts(self._database, tenant)

    def postpone(self, ids: Sequence[int]) -> None:
        """A try that did not get as far as the record: one attempt more, and due later."""
        letters.postpone(self._database, ids, self._now())

    # What the processes of a tenant share

    def token_store(self, tenant: str, cipher: Cipher) -> LedgerTokenStore:
        """The tenant's bearer token."""
        return LedgerTokenStore(self._database, tenant, cipher, self._now)

    def budget_store(self, tenant: str) -> LedgerBudgetStore:
        """The tenant's request budget."""
        return LedgerBudgetStore(self._database, tenant)

    def breaker_store(self, tenant: str) -> LedgerBreakerStore:
        """The tenant's breaker."""
        return LedgerBreakerStore(self._database, tenant)

    def route_store(self, tenant: str) -> LedgerRouteStore:
        """What was learned about the tenant's routes."""
        return LedgerRouteStore(self._database, tenant, self._now)
