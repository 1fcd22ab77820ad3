"""Which batch is where: one row per batch and destination."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from ml_connector_dagster.ledger import dead_letters as letters
from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import BATCH, DELIVERY, maybe_moment, to_micros
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.manifests import from_manifest
from ml_connector_dagster.model.receipts import (
    Delivery,
    DeliveryReport,
    DeliveryState,
    NewDeadLetter,
    OutcomeCounts,
)


#: An error is cut here: it is for people, the log has the rest.
ERROR_LIMIT = 4_000

_COUNTS = ("inserted", "updated", "unchanged", "deleted", "rejected", "unknown")


def pending(
    database: Database, *, destination: str, tenant: str, entity: str, companies: Sequence[str]
) -> tuple[Batch, ...]:
    """Batches that ``destination`` has not taken whole, oldest first."""
    query = (
        sa.select(BATCH.c.manifest)
        .outerjoin(
            DELIVERY,
            sa.and_(DELIVERY.c.batch_id == BATCH.c.batch_id, DELIVERY.c.destination == destination),
        )
        .where(
            BATCH.c.tenant == tenant,
            BATCH.c.entity == entity,
            BATCH.c.company.in_(list(companies)),
            BATCH.c.for_destination.in_(["", destination]),
            sa.func.coalesce(DELIVERY.c.state, "") != DeliveryState.DONE.value,
        )
        .order_by(BATCH.c.batch_id)
    )
    with database.read() as connection:
        return tuple(from_manifest(text) for text in connection.execute(query).scalars())


def start(database: Database, batch_id: str, destination: str, run_id: str, now: datetime) -> None:
    """A process is about to send a batch."""
    with database.write(f"delivery/{batch_id}/{destination}") as connection:
        attempts = connection.execute(
            sa.select(DELIVERY.c.attempts).where(*_is(batch_id, destination))
        ).scalar()
        if attempts is None:
            connection.execute(
                sa.insert(DELIVERY).values(
                    batch_id=batch_id,
                    destination=destination,
                    state=DeliveryState.STARTED.value,
                    attempts=1,
                    run_id=run_id,
                    started_at=to_micros(now),
                )
            )
            return
        connection.execute(
            sa.update(DELIVERY)
            .where(*_is(batch_id, destination), DELIVERY.c.state != DeliveryState.DONE.value)
            .values(
                state=DeliveryState.STARTED.value,
                attempts=attempts + 1,
                run_id=run_id,
                started_at=to_micros(now),
                finished_at=None,
                error=None,
            )
        )


def finish(
    database: Database,
    batch_id: str,
    destination: str,
    report: DeliveryReport,
    *,
    dead_letters: Sequence[NewDeadLetter],
    resolved: Sequence[int],
    now: datetime,
) -> None:
    """Every record of the batch has an outcome. Counts, receipts and dead letters move together."""
    with database.write(f"delivery/{batch_id}/{destination}") as connection:
        connection.execute(
            sa.update(DELIVERY)
            .where(*_is(batch_id, destination))
            .values(
                state=DeliveryState.DONE.value,
                finished_at=to_micros(now),
                error=None,
                receipts=report.receipts,
                **{name: getattr(report.counts, name) for name in _COUNTS},
            )
        )
        letters.resolve(connection, resolved, now)
        letters.add(connection, dead_letters, now)


def fail(database: Database, batch_id: str, destination: str, error: str, now: datetime) -> None:
    """The delivery as a whole failed; it stays pending."""
    with database.write(f"delivery/{batch_id}/{destination}") as connection:
        connection.execute(
            sa.update(DELIVERY)
            .where(*_is(batch_id, destination), DELIVERY.c.state != DeliveryState.DONE.value)
            .values(
                state=DeliveryState.FAILED.value,
                finished_at=to_micros(now),
                error=error[:ERROR_LIMIT],
            )
        )


def find(
    database: Database,
    *,
    batch_ids: Sequence[str] | None,
    destination: str | None,
    states: Sequence[DeliveryState] | None,
) -> tuple[Delivery, ...]:
    """Deliveries that match every condition given, by batch."""
    query = sa.select(DELIVERY)
    if destination is not None:
        query = query.where(DELIVERY.c.destination == destination)
    if states is not None:
        query = query.where(DELIVERY.c.state.in_([state.value for state in states]))
    chunks = [list(batch_ids)] if batch_ids is not None else [None]
    if batch_ids is not None and len(batch_ids) > letters.CHUNK:
        chunks = [
            list(batch_ids[first : first + letters.CHUNK])
            for first in range(0, len(batch_ids), letters.CHUNK)
        ]
    found: list[Delivery] = []
    with database.read() as connection:
        for chunk in chunks:
            part = query if chunk is None else query.where(DELIVERY.c.batch_id.in_(chunk))
            found += [
                _delivery(row)
                for row in connection.execute(
                    part.order_by(DELIVERY.c.batch_id, DELIVERY.c.destination)
                )
            ]
    return tuple(found)


def delivered_counts(
    database: Database, *, destination: str, tenant: str, entity: str, company: str | None
) -> OutcomeCounts:
    """The sum of all outcomes that a destination has ever answered."""
    query = (
        sa.select(*(sa.func.coalesce(sa.func.sum(DELIVERY.c[name]), 0) for name in _COUNTS))
        .join(BATCH, BATCH.c.batch_id == DELIVERY.c.batch_id)
        .where(
            DELIVERY.c.destination == destination,
            DELIVERY.c.state == DeliveryState.DONE.value,
            BATCH.c.tenant == tenant,
            BATCH.c.entity == entity,
        )
    )
    if company is not None:
        query = query.where(BATCH.c.company == company)
    with database.read() as connection:
        row = connection.execute(query).one()
    return OutcomeCounts(**{name: int(value) for name, value in zip(_COUNTS, row, strict=True)})


def _is(batch_id: str, destination: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (DELIVERY.c.batch_id == batch_id, DELIVERY.c.destination == destination)


def _delivery(row: "sa.Row[tuple[object, ...]]") -> Delivery:
    return Delivery(
        batch_id=row.batch_id,
        destination=row.destination,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        counts=OutcomeCounts(**{name: getattr(row, name) for name in _COUNTS}),
        run_id=row.run_id,
        started_at=maybe_moment(row.started_at),
        finished_at=maybe_moment(row.finished_at),
        error=row.error,
        receipts=row.receipts,
    )
