"""Records that could not go on: kept with their reason until they are accepted."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import (
    DEAD_LETTER,
    from_micros,
    maybe_micros,
    maybe_moment,
    to_micros,
)
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import DeadLetter, NewDeadLetter, Stage
from ml_connector_dagster.model.windows import Window


#: The replay sensor waits this long before its first try, and twice as long before each further one.
FIRST_DELAY = timedelta(minutes=5)
LONGEST_DELAY = timedelta(hours=6)

#: Values of one IN list: SQLite takes 32,766 at most.
CHUNK = 10_000


def delay_after(attempts: int) -> timedelta:
    """How long to wait after ``attempts`` failures before the next automatic try."""
    doublings = min(attempts - 1, 16)
    return min(FIRST_DELAY * float(2**doublings), LONGEST_DELAY)


def add(
    connection: sa.Connection,
    dead_letters: Sequence[NewDeadLetter],
    now: datetime,
    *,
    read_id: str | None = None,
) -> None:
    """Keep ``dead_letters``. One that is open already counts one attempt more and takes the new reason."""
    unique = {_identity(letter): letter for letter in dead_letters}
    known = _open_attempts(connection, list(unique.values()))
    fresh = []
    for identity, letter in unique.items():
        if identity not in known:
            fresh.append(_values(letter, now, read_id))
            continue
        number, attempts = known[identity]
        connection.execute(
            sa.update(DEAD_LETTER)
            .where(DEAD_LETTER.c.id == number)
            .values(
                attempts=attempts + 1,
                reason=letter.reason,
                batch_id=letter.batch_id,
                raw=letter.raw,
                due_at=to_micros(now + delay_after(attempts + 1)),
                read_id=read_id,
            )
        )
    if fresh:
        connection.execute(sa.insert(DEAD_LETTER), fresh)


def resolve_read_again(
    connection: sa.Connection, read_id: str, window: Window, batch: Batch, now: datetime
) -> None:
    """Resolve extract letters whose window lies inside a finished read that did not meet them again."""
    inside = [
        DEAD_LETTER.c.stage == Stage.EXTRACT.value,
        DEAD_LETTER.c.tenant == batch.tenant,
        DEAD_LETTER.c.entity == batch.entity,
        DEAD_LETTER.c.company == batch.company,
        DEAD_LETTER.c.resolved_at.is_(None),
        DEAD_LETTER.c.window_end <= to_micros(window.end),
        sa.func.coalesce(DEAD_LETTER.c.read_id, "") != read_id,
    ]
    if window.start is not None:
        inside.append(DEAD_LETTER.c.window_start >= to_micros(window.start))
    connection.execute(sa.update(DEAD_LETTER).where(*inside).values(resolved_at=to_micros(now)))


def resolve(connection: sa.Connection, ids: Sequence[int], now: datetime) -> None:
    """Mark letters as accepted."""
    for first in range(0, len(ids), CHUNK):
        connection.execute(
            sa.update(DEAD_LETTER)
            .where(
                DEAD_LETTER.c.id.in_(ids[first : first + CHUNK]),
                DEAD_LETTER.c.resolved_at.is_(None),
            )
            .values(resolved_at=to_micros(now))
        )


def postpone(database: Database, ids: Sequence[int], now: datetime) -> None:
    """A try that did not get as far as the record: one attempt more, and due later."""
    with database.write() as connection:
        for first in range(0, len(ids), CHUNK):
            chosen = DEAD_LETTER.c.id.in_(ids[first : first + CHUNK])
            rows = connection.execute(
                sa.select(DEAD_LETTER.c.id, DEAD_LETTER.c.attempts).where(chosen)
            ).all()
            for row in rows:
                connection.execute(
                    sa.update(DEAD_LETTER)
                    .where(DEAD_LETTER.c.id == row.id)
                    .values(
                        attempts=row.attempts + 1,
                        due_at=to_micros(now + delay_after(row.attempts + 1)),
                    )
                )


def find(
    database: Database,
    *,
    open_only: bool,
    tenant: str | None,
    entity: str | None,
    company: str | None,
    destination: str | None,
    due_before: datetime | None,
    ids: Sequence[int] | None,
    record_id: str | None,
) -> tuple[DeadLetter, ...]:
    """Letters that match every condition given, oldest first."""
    exact = {
        DEAD_LETTER.c.tenant: tenant,
        DEAD_LETTER.c.entity: entity,
        DEAD_LETTER.c.company: company,
        DEAD_LETTER.c.destination: destination,
        DEAD_LETTER.c.record_id: record_id,
    }
    query = sa.select(DEAD_LETTER).where(
        *(column == value for column, value in exact.items() if value is not None)
    )
    if open_only:
        query = query.where(DEAD_LETTER.c.resolved_at.is_(None))
    if due_before is not None:
        query = query.where(DEAD_LETTER.c.due_at <= to_micros(due_before))
    if ids is not None:
        query = query.where(DEAD_LETTER.c.id.in_(list(ids)))
    with database.read() as connection:
        rows = connection.execute(query.order_by(DEAD_LETTER.c.id)).all()
    return tuple(_letter(row) for row in rows)


def counts(database: Database, tenant: str) -> dict[tuple[str, str, str], int]:
    """(entity, company, destination) → open letters."""
    group = (DEAD_LETTER.c.entity, DEAD_LETTER.c.company, DEAD_LETTER.c.destination)
    query = (
        sa.select(*group, sa.func.count())
        .where(DEAD_LETTER.c.tenant == tenant, DEAD_LETTER.c.resolved_at.is_(None))
        .group_by(*group)
    )
    with database.read() as connection:
        return {(row[0], row[1], row[2]): row[3] for row in connection.execute(query)}


_Identity = tuple[str, str, str, str, str, str]


def _identity(letter: NewDeadLetter) -> _Identity:
    return (
        letter.stage.value,
        letter.tenant,
        letter.entity,
        letter.company,
        letter.destination,
        letter.fingerprint,
    )


def _open_attempts(
    connection: sa.Connection, dead_letters: Sequence[NewDeadLetter]
) -> dict[_Identity, tuple[int, int]]:
    """The open letters among ``dead_letters``: identity → (number, attempts so far)."""
    table = DEAD_LETTER.c
    found: dict[_Identity, tuple[int, int]] = {}
    prints = sorted({letter.fingerprint for letter in dead_letters})
    for first in range(0, len(prints), CHUNK):
        for row in connection.execute(
            sa.select(DEAD_LETTER).where(
                table.resolved_at.is_(None),
                table.tenant.in_({letter.tenant for letter in dead_letters}),
                table.fingerprint.in_(prints[first : first + CHUNK]),
            )
        ):
            identity = (
                row.stage,
                row.tenant,
                row.entity,
                row.company,
                row.destination,
                row.fingerprint,
            )
            found[identity] = (row.id, row.attempts)
    return found


def _values(letter: NewDeadLetter, now: datetime, read_id: str | None) -> dict[str, object]:
    return {
        "stage": letter.stage.value,
        "tenant": letter.tenant,
        "entity": letter.entity,
        "company": letter.company,
        "destination": letter.destination,
        "record_id": letter.record_id,
        "fingerprint": letter.fingerprint,
        "batch_id": letter.batch_id,
        "reason": letter.reason,
        "raw": letter.raw,
        "window_start": maybe_micros(letter.window_start),
        "window_end": maybe_micros(letter.window_end),
        "attempts": 1,
        "created_at": to_micros(now),
        "due_at": to_micros(now + delay_after(1)),
        "resolved_at": None,
        "read_id": read_id,
    }


def _letter(row: "sa.Row[tuple[object, ...]]") -> DeadLetter:
    return DeadLetter(
        id=row.id,
        stage=Stage(row.stage),
        tenant=row.tenant,
        entity=row.entity,
        company=row.company,
        destination=row.destination,
        record_id=row.record_id,
        fingerprint=row.fingerprint,
        batch_id=row.batch_id,
        reason=row.reason,
        raw=row.raw,
        window_start=maybe_moment(row.window_start),
        window_end=maybe_moment(row.window_end),
        attempts=row.attempts,
        created_at=from_micros(row.created_at),
        due_at=from_micros(row.due_at),
        resolved_at=maybe_moment(row.resolved_at),
    )
