"""Reads of windows, the batches they committed, and the watermarks that rest on them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from ml_connector_dagster.ledger import dead_letters as letters
from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import (
    BATCH,
    WATERMARK,
    WINDOW_READ,
    from_micros,
    maybe_micros,
    to_micros,
)
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.manifests import from_manifest, to_manifest
from ml_connector_dagster.model.receipts import NewDeadLetter
from ml_connector_dagster.model.windows import Watermark, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRead:
    """One read of a window, open or taken up again.

    Attributes:
        started_at: when it began the first time: what changed later is not promised.
        progress: chain id → position after which to go on, None for a chain that is done. A chain that is not
            in it has not begun.
        resumed: whether an earlier, unfinished read of the same window is taken up.
    """

    id: str
    tenant: str
    entity: str
    company: str
    window: Window
    started_at: datetime
    progress: Mapping[str, str | None]
    resumed: bool


def begin_read(
    database: Database,
    *,
    read_id: str,
    tenant: str,
    entity: str,
    company: str,
    window: Window,
    run_id: str,
    started_at: datetime,
    resume_within: timedelta,
) -> WindowRead:
    """Take up the unfinished read of the same window if it began recently, else begin a new one."""
    same_window = (
        WINDOW_READ.c.tenant == tenant,
        WINDOW_READ.c.entity == entity,
        WINDOW_READ.c.company == company,
        WINDOW_READ.c.state == "open",
        WINDOW_READ.c.window_end == to_micros(window.end),
        WINDOW_READ.c.window_start.is_(None)
        if window.start is None
        else WINDOW_READ.c.window_start == to_micros(window.start),
    )
    with database.write(f"read/{tenant}/{entity}/{company}") as connection:
        found = connection.execute(
            sa.select(WINDOW_READ).where(*same_window).order_by(WINDOW_READ.c.started_at.desc())
        ).first()
        if found is not None and from_micros(found.started_at) >= started_at - resume_within:
            return WindowRead(
                id=found.id,
                tenant=tenant,
                entity=entity,
                company=company,
                window=window,
                started_at=from_micros(found.started_at),
                progress=json.loads(found.progress),
                resumed=True,
            )
        connection.execute(sa.update(WINDOW_READ).where(*same_window).values(state="abandoned"))
        connection.execute(
            sa.insert(WINDOW_READ).values(
                id=read_id,
                tenant=tenant,
                entity=entity,
                company=company,
                window_start=maybe_micros(window.start),
                window_end=to_micros(window.end),
                run_id=run_id,
                started_at=to_micros(started_at),
                state="open",
                progress="{}",
            )
        )
    return WindowRead(
        id=read_id,
        tenant=tenant,
        entity=entity,
        company=company,
        window=window,
        started_at=started_at,
        progress={},
        resumed=False,
    )


def commit_batch(
    database: Database,
    batch: Batch,
    *,
    now: datetime,
    read: WindowRead,
    progress: Mapping[str, str | None],
    dead_letters: Sequence[NewDeadLetter],
    finished: bool,
    watermark: Watermark | None,
) -> None:
    """Record a batch with all that it proves, in one transaction."""
    with database.write(f"read/{read.tenant}/{read.entity}/{read.company}") as connection:
        _insert(connection, batch, read.id)
        letters.add(connection, dead_letters, now, read_id=read.id)
        connection.execute(
            sa.update(WINDOW_READ)
            .where(WINDOW_READ.c.id == read.id)
            .values(
                progress=json.dumps(dict(progress), sort_keys=True),
                state="finished" if finished else "open",
            )
        )
        if finished:
            letters.resolve_read_again(connection, read.id, read.window, batch, now)
        if watermark is not None:
            _advance(database, connection, watermark)


def record_replay(database: Database, batch: Batch) -> None:
    """Record a batch that was not read from the ERP but staged again for one destination."""
    with database.write() as connection:
        _insert(connection, batch, "")


def watermark(database: Database, tenant: str, entity: str, company: str) -> Watermark | None:
    """How far an entity and company are complete; None before the first complete read."""
    with database.read() as connection:
        found = _watermark(connection, tenant, entity, company)
    if found is None:
        return None
    return Watermark(
        tenant=tenant, entity=entity, company=company, complete_until=from_micros(found)
    )


def batches(
    database: Database,
    *,
    tenant: str,
    entity: str | None,
    company: str | None,
    window: Window | None,
) -> tuple[Batch, ...]:
    """Committed batches, oldest first; with ``window``, those whose window overlaps it."""
    query = sa.select(BATCH.c.manifest).where(BATCH.c.tenant == tenant)
    if entity is not None:
        query = query.where(BATCH.c.entity == entity)
    if company is not None:
        query = query.where(BATCH.c.company == company)
    if window is not None:
        query = query.where(
            sa.or_(BATCH.c.window_start.is_(None), BATCH.c.window_start < to_micros(window.end))
        )
        if window.start is not None:
            query = query.where(BATCH.c.window_end > to_micros(window.start))
    with database.read() as connection:
        rows = connection.execute(query.order_by(BATCH.c.batch_id)).scalars().all()
    return tuple(from_manifest(text) for text in rows)


def batch_ids(database: Database) -> frozenset[str]:
    """The ids of all committed batches: what is on disk beside them is an orphan."""
    with database.read() as connection:
        return frozenset(connection.execute(sa.select(BATCH.c.batch_id)).scalars())


def _insert(connection: sa.Connection, batch: Batch, read_id: str) -> None:
    connection.execute(
        sa.insert(BATCH).values(
            batch_id=batch.batch_id,
            tenant=batch.tenant,
            entity=batch.entity,
            company=batch.company,
            read_id=read_id,
            for_destination=batch.for_destination,
            window_start=maybe_micros(batch.window.start),
            window_end=to_micros(batch.window.end),
            finished_at=to_micros(batch.finished_at),
            manifest=to_manifest(batch),
        )
    )


def _watermark(connection: sa.Connection, tenant: str, entity: str, company: str) -> int | None:
    return connection.execute(
        sa.select(WATERMARK.c.complete_until).where(
            WATERMARK.c.tenant == tenant,
            WATERMARK.c.entity == entity,
            WATERMARK.c.company == company,
        )
    ).scalar()


def _advance(database: Database, connection: sa.Connection, mark: Watermark) -> None:
    """Never backwards: a slow read that ends after a younger one changes nothing."""
    known = _watermark(connection, mark.tenant, mark.entity, mark.company)
    until = to_micros(mark.complete_until)
    if known is None or until > known:
        connection.execute(
            database.upsert(
                WATERMARK,
                {
                    "tenant": mark.tenant,
                    "entity": mark.entity,
                    "company": mark.company,
                    "complete_until": until,
                },
            )
        )
