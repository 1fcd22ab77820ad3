"""Records that could not go on: kept once while they are open, tried again with growing pauses, closed when they passed.

A dead letter is the same as an open one when tenant, entity, company, destination, stage and fingerprint agree.
At a destination the fingerprint is the record's id: one record is open there once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.reads import WindowRead
from ml_connector_dagster.ledger.tables import dead_letter
from ml_connector_dagster.model.receipts import DeadLetter, NewDeadLetter, Stage


#: The replay sensor waits this long before its first try, and twice as long before each further one.
FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(hours=6)

_Identity = tuple[str, str, str, str, str, str]

_UPDATE: Final = update(dead_letter).where(dead_letter.c.id == bindparam("number"))


def pause_after(waits: int) -> timedelta:
    """How long the ``waits``-th pause before an automatic try is."""
    return min(FIRST_PAUSE * float(2 ** min(waits - 1, 16)), LONGEST_PAUSE)


def record(
    connection: Connection,
    letters: Sequence[NewDeadLetter],
    *,
    read_id: int | None,
    now: datetime,
) -> set[int]:
    """Keep ``letters``. One that is open already counts an attempt more; answers the numbers of those.

    Secrets in reasons are masked. ``raw`` is kept as it is: it is data, and what is replayed.
    """
    unique = {_identity(letter): letter for letter in letters}
    known = _open(connection, list(unique.values()))
    fresh, again = [], []
    for identity, letter in unique.items():
        if identity not in known:
            fresh.append(_values(letter, read_id, now))
            continue
        number, attempts, waits, due_at = known[identity]
        # One that an ordinary run has met before its pause was over has not waited in vain.
        over = due_at <= now
        again.append(
            {
                "number": number,
                "attempts": attempts + 1,
                "waits": waits + over,
                "reason": redact(letter.reason),
                "batch_id": letter.batch_id,
                "raw": letter.raw,
                # where it was met last is where it is read again
                "window_start": letter.window_start,
                "window_end": letter.window_end,
                "due_at": now + pause_after(waits + 1) if over else due_at,
                "read_id": read_id,
            }
        )
    if again:
        connection.execute(_UPDATE, again)
    if fresh:
        connection.execute(insert(dead_letter), fresh)
    return {known[identity][0] for identity in unique if identity in known}


def resolve_unseen(connection: Connection, read: WindowRead, now: datetime) -> None:
    """Close extract letters whose window lies inside a finished read that did not meet them again."""
    table = dead_letter.c
    inside = [
        table.stage == Stage.EXTRACT,
        table.tenant == read.tenant,
        table.entity == read.entity,
        table.company == read.company,
        table.resolved_at.is_(None),
        table.window_end <= read.window.end,
        table.read_id.is_distinct_from(read.id),
    ]
    if read.window.start is not None:
        inside.append(table.window_start >= read.window.start)
    connection.execute(update(dead_letter).where(*inside).values(resolved_at=now))


def resolve(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Close letters; closed ones stay as they are."""
    for chunk in chunks(sorted(ids)):
        connection.execute(
            update(dead_letter)
            .where(dead_letter.c.id.in_(chunk), dead_letter.c.resolved_at.is_(None))
            .values(resolved_at=now)
        )


def postpone(
    connection: Connection, ids: Sequence[int], due_at: datetime | None, now: datetime
) -> None:
    """Try letters again at ``due_at``; None: it was tried in vain, so count that and wait longer."""
    later = []
    for chunk in chunks(ids):
        rows = connection.execute(
            select(dead_letter.c.id, dead_letter.c.attempts, dead_letter.c.waits).where(
                dead_letter.c.id.in_(chunk), dead_letter.c.resolved_at.is_(None)
            )
        )
        for number, attempts, waits in rows:
            once = 0 if due_at else 1
            later.append(
                {
                    "number": number,
                    "attempts": attempts + once,
                    "waits": waits + once,
                    "due_at": due_at or now + pause_after(waits + once),
                }
            )
    if later:
        connection.execute(_UPDATE, later)


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
    """The letters that meet every condition given, oldest first; their windows are in UTC."""
    table = dead_letter.c
    exact = {
        table.tenant: tenant,
        table.entity: entity,
        table.company: company,
        table.destination: destination,
        table.record_id: record_id,
    }
    query = select(dead_letter).where(
        *(column == value for column, value in exact.items() if value is not None)
    )
    if open_only:
        query = query.where(table.resolved_at.is_(None))
    if due_before is not None:
        query = query.where(table.due_at <= due_before)
    found: list[DeadLetter] = []
    with database.read() as connection:
        for chunk in [None] if ids is None else list(chunks(sorted(set(ids)))):
            part = query if chunk is None else query.where(table.id.in_(chunk))
            found += [_letter(row) for row in connection.execute(part.order_by(table.id))]
    return tuple(found)


def _identity(letter: NewDeadLetter) -> _Identity:
    return (
        letter.tenant,
        letter.entity,
        letter.company,
        letter.destination,
        letter.stage.value,
        _fingerprint(letter),
    )


def _fingerprint(letter: NewDeadLetter) -> str:
    return letter.record_id if letter.stage is Stage.DELIVER else letter.fingerprint


def _open(
    connection: Connection, letters: Sequence[NewDeadLetter]
) -> dict[_Identity, tuple[int, int, int, datetime]]:
    """The open ones among ``letters``: identity → (number, attempts so far, waits so far, due at)."""
    table = dead_letter.c
    identity = (
        table.tenant,
        table.entity,
        table.company,
        table.destination,
        table.stage,
        table.fingerprint,
    )
    found: dict[_Identity, tuple[int, int, int, datetime]] = {}
    for chunk in chunks(sorted({_fingerprint(letter) for letter in letters})):
        query = select(*identity, table.id, table.attempts, table.waits, table.due_at).where(
            table.resolved_at.is_(None),
            table.tenant.in_({letter.tenant for letter in letters}),
            table.entity.in_({letter.entity for letter in letters}),
            table.company.in_({letter.company for letter in letters}),
            table.fingerprint.in_(chunk),
        )
        for row in connection.execute(query):
            key = (row.tenant, row.entity, row.company, row.destination, row.stage, row.fingerprint)
            found[key] = (row.id, row.attempts, row.waits, row.due_at)
    return found


def _values(letter: NewDeadLetter, read_id: int | None, now: datetime) -> dict[str, Any]:
    return {
        "stage": letter.stage.value,
        "tenant": letter.tenant,
        "entity": letter.entity,
        "company": letter.company,
        "destination": letter.destination,
        "record_id": letter.record_id,
        "fingerprint": _fingerprint(letter),
        "batch_id": letter.batch_id,
        "reason": redact(letter.reason),
        "raw": letter.raw,
        "window_start": letter.window_start,
        "window_end": letter.window_end,
        "attempts": 1,
        "created_at": now,
        "due_at": now + pause_after(1),
        "resolved_at": None,
        "read_id": read_id,
        "waits": 1,
    }


def _letter(row: Row[Any]) -> DeadLetter:
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
        window_start=row.window_start,
        window_end=row.window_end,
        attempts=row.attempts,
        created_at=row.created_at,
        due_at=row.due_at,
        resolved_at=row.resolved_at,
        waits=row.waits,
    )
