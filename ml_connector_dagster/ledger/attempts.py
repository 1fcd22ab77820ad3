"""Attempts: every time that a batch was handed to a destination. A delivery keeps only the last; a trail needs all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import delivery_attempt
from ml_connector_dagster.model.receipts import Attempt, DeliveryState


def begin(
    connection: Connection, batch_id: str, destination: str, run_id: str, number: int, now: datetime
) -> None:
    """Attempt ``number`` of a delivery begins, in the transaction that counts it."""
    connection.execute(
        insert(delivery_attempt).values(
            batch_id=batch_id,
            destination=destination,
            attempt=number,
            state=DeliveryState.STARTED,
            run_id=run_id,
            started_at=now,
        )
    )


def end(
    connection: Connection,
    batch_id: str,
    destination: str,
    state: DeliveryState,
    error: str | None,
    now: datetime,
) -> None:
    """The newest attempt of a delivery ended so."""
    this = (
        delivery_attempt.c.batch_id == batch_id,
        delivery_attempt.c.destination == destination,
    )
    newest = connection.execute(
        select(func.max(delivery_attempt.c.attempt)).where(*this)
    ).scalar_one()
    connection.execute(
        update(delivery_attempt)
        .where(*this, delivery_attempt.c.attempt == newest)
        .values(state=state, ended_at=now, error=error)
    )


def find(database: Database, batch_ids: Sequence[str] | None) -> tuple[Attempt, ...]:
    """The attempts to deliver these batches (None: all), in the order in which they began."""
    query = select(delivery_attempt).order_by(
        delivery_attempt.c.started_at, delivery_attempt.c.attempt
    )
    with database.read() as connection:
        if batch_ids is None:
            return tuple(_attempt(row) for row in connection.execute(query))
        return tuple(
            _attempt(row)
            for portion in chunks(sorted(set(batch_ids)))
            for row in connection.execute(query.where(delivery_attempt.c.batch_id.in_(portion)))
        )


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        batch_id=row.batch_id,
        destination=row.destination,
        number=row.attempt,
        state=DeliveryState(row.state),
        run_id=row.run_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        error=row.error,
    )
