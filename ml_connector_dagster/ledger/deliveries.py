"""Deliveries: one batch at one destination. Once it is done it stays done, and its first counts are the true ones."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Label,
    Row,
    Table,
    func,
    insert,
    select,
    update,
)

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.ledger import attempts, dead_letters, edits
from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import batch, delivery, delivery_carried
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.model.receipts import (
    Delivery,
    DeliveryReport,
    DeliveryState,
    NewDeadLetter,
    OutcomeCounts,
)


#: The outcomes, as they are named in the table and in ``OutcomeCounts``.
OUTCOMES: Final = ("inserted", "updated", "unchanged", "deleted", "rejected", "unknown")

#: An error is cut here: the ledger keeps reasons, not payloads.
ERROR_LIMIT: Final = 4096


def start(
    database: Database, batch_id: str, destination: str, run_id: str, *, now: datetime
) -> None:
    """Count an attempt. A delivery that died in an earlier attempt simply starts again.

    Raises TransientError for a batch that a clean-up has meanwhile replaced: what took its place is pending too.
    """
    this, not_done = _this(batch_id, destination)
    with database.write(f"deliveries to {destination}") as connection:
        known_batch = select(batch.c.batch_id).where(batch.c.batch_id == batch_id)
        if connection.execute(known_batch.with_for_update(read=True)).first() is None:
            raise TransientError(
                f"batch {batch_id} was replaced by a clean-up before it was delivered to {destination}; run again"
            )
        known = connection.execute(select(delivery.c.attempts).where(*this)).scalar_one_or_none()
        attempts.begin(connection, batch_id, destination, run_id, (known or 0) + 1, now)
        if known is None:
            nothing = dict.fromkeys((*OUTCOMES, "requests"), 0)
            connection.execute(
                insert(delivery).values(
                    batch_id=batch_id,
                    destination=destination,
                    state=DeliveryState.STARTED,
                    attempts=1,
                    run_id=run_id,
                    started_at=now,
                    **nothing,
                )
            )
            return
        connection.execute(update(delivery).where(*this).values(attempts=known + 1))
        connection.execute(
            update(delivery)
            .where(*this, not_done)
            .values(state=DeliveryState.STARTED, run_id=run_id, started_at=now, finished_at=None)
        )


def finish(
    database: Database,
    batch_id: str,
    destination: str,
    report: DeliveryReport,
    *,
    letters: Sequence[NewDeadLetter],
    resolved: Collection[int],
    ended_edits: Collection[int],
    now: datetime,
) -> None:
    """Write down, in one transaction, that every record of the batch has an outcome, and which were refused or healed.

    A letter that is in ``letters`` again stays open, even when ``resolved`` names it. ``ended_edits``: those whose
    record came in a newer version.
    """
    this, not_done = _this(batch_id, destination)
    with database.write(f"deliveries to {destination}") as connection:
        _must_exist(connection, batch_id, destination)
        connection.execute(
            update(delivery)
            .where(*this, not_done)
            .values(
                state=DeliveryState.DONE,
                finished_at=now,
                error=None,
                receipts=report.receipts,
                requests=report.requests,
                **{name: getattr(report.counts, name) for name in OUTCOMES},
            )
        )
        attempts.end(connection, batch_id, destination, DeliveryState.DONE, None, now)
        again = dead_letters.record(connection, letters, read_id=None, now=now)
        dead_letters.resolve(connection, set(resolved) - again, now)
        edits.end(connection, ended_edits, now)


def fail(database: Database, batch_id: str, destination: str, error: str, *, now: datetime) -> None:
    """The delivery as a whole failed: it stays pending, with its reason.

    A server's error page may quote the whole request, so secrets in it are masked, before it is cut.
    """
    reason = redact(error)[:ERROR_LIMIT]
    this, not_done = _this(batch_id, destination)
    with database.write(f"deliveries to {destination}") as connection:
        _must_exist(connection, batch_id, destination)
        connection.execute(
            update(delivery)
            .where(*this, not_done)
            .values(state=DeliveryState.FAILED, finished_at=now, error=reason)
        )
        attempts.end(connection, batch_id, destination, DeliveryState.FAILED, reason, now)


def find(
    database: Database,
    *,
    batch_ids: Sequence[str] | None,
    destination: str | None,
    states: Collection[DeliveryState] | None,
) -> tuple[Delivery, ...]:
    """The deliveries that meet every condition given (None: no condition), by batch, then destination."""
    conditions: list[ColumnElement[bool]] = []
    if destination is not None:
        conditions.append(delivery.c.destination == destination)
    if states is not None:
        conditions.append(delivery.c.state.in_(list(states)))
    query = select(delivery).where(*conditions)
    query = query.order_by(delivery.c.batch_id, delivery.c.destination)
    with database.read() as connection:
        if batch_ids is None:
            return tuple(delivery_of(row) for row in connection.execute(query))
        found = [
            delivery_of(row)
            for portion in chunks(sorted(set(batch_ids)))
            for row in connection.execute(query.where(delivery.c.batch_id.in_(portion)))
        ]
    return tuple(found)


def count(
    database: Database, *, destination: str, tenant: str, entity: str, company: str | None
) -> OutcomeCounts:
    """Outcomes of all deliveries that are done, added up; those of batches that a clean-up has removed too."""

    def scope(table: Table) -> list[ColumnElement[bool]]:
        wanted = [table.c.tenant == tenant, table.c.entity == entity]
        return wanted if company is None else [*wanted, table.c.company == company]

    kept = (
        select(*(_sum(delivery, name) for name in OUTCOMES))
        .join(batch, batch.c.batch_id == delivery.c.batch_id)
        .where(
            delivery.c.destination == destination,
            delivery.c.state == DeliveryState.DONE,
            *scope(batch),
        )
    )
    carried = select(*(_sum(delivery_carried, name) for name in OUTCOMES)).where(
        delivery_carried.c.destination == destination, *scope(delivery_carried)
    )
    with database.read() as connection:
        rows = [connection.execute(query).one() for query in (kept, carried)]
    return _counts(rows[0]) + _counts(rows[1])


def _sum(table: Table, name: str) -> Label[Any]:
    return func.coalesce(func.sum(table.c[name]), 0).label(name)


def delivery_of(row: Row[Any]) -> Delivery:
    """A row of the delivery table."""
    return Delivery(
        batch_id=row.batch_id,
        destination=row.destination,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        counts=_counts(row),
        run_id=row.run_id,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        receipts=row.receipts,
    )


def _counts(row: Row[Any]) -> OutcomeCounts:
    return OutcomeCounts(**{name: int(getattr(row, name)) for name in OUTCOMES})


def _this(
    batch_id: str, destination: str
) -> tuple[tuple[ColumnElement[bool], ColumnElement[bool]], ColumnElement[bool]]:
    this = (delivery.c.batch_id == batch_id, delivery.c.destination == destination)
    return this, delivery.c.state != DeliveryState.DONE


def _must_exist(connection: Connection, batch_id: str, destination: str) -> None:
    this, _ = _this(batch_id, destination)
    if connection.execute(select(delivery.c.batch_id).where(*this)).first() is None:
        raise ValueError(f"the delivery of batch {batch_id} to {destination} was never started")
