"""Reads of windows: which are under way, how far their slices have come, and how far an entity is complete."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, insert, select, update

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import watermark, window_read
from ml_connector_dagster.model.windows import Watermark, Window


class ReadState(StrEnum):
    """What became of the read of a window."""

    OPEN = "open"  # under way, or its process died: may be resumed
    FINISHED = "finished"  # every slice is staged
    ABANDONED = "abandoned"  # too old to be resumed; what it staged stays


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRead:
    """One read of a window, as it is handed to whoever reads.

    Attributes:
        id: the ledger's number.
        started_at: when it began; for a resumed read, when it began first: what changed later is not promised.
        progress: slice id → the position after the last staged page; None for a slice that is done.
        resumed: whether it takes up an earlier one.
    """

    id: int
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
    tenant: str,
    entity: str,
    company: str,
    window: Window,
    run_id: str,
    started_at: datetime,
    resume_within: timedelta,
) -> WindowRead:
    """Resume the unfinished read of exactly this window that began within ``resume_within``, or begin a new one.

    Unfinished reads of the entity and company that are older can never be resumed: they are closed.
    """
    this_company = (
        window_read.c.tenant == tenant,
        window_read.c.entity == entity,
        window_read.c.company == company,
        window_read.c.state == ReadState.OPEN,
    )
    with database.write(f"reads of {entity} of {tenant}/{company}") as connection:
        connection.execute(
            update(window_read)
            .where(*this_company, window_read.c.started_at < started_at - resume_within)
            .values(state=ReadState.ABANDONED, ended_at=started_at)
        )
        found = connection.execute(
            select(window_read.c.id, window_read.c.started_at, window_read.c.progress)
            .where(
                *this_company,
                window_read.c.window_start.is_(None)
                if window.start is None
                else window_read.c.window_start == window.start,
                window_read.c.window_end == window.end,
            )
            .order_by(window_read.c.id.desc())
        ).first()
        if found is None:
            number = connection.execute(
                insert(window_read)
                .values(
                    tenant=tenant,
                    entity=entity,
                    company=company,
                    window_start=window.start,
                    window_end=window.end,
                    run_id=run_id,
                    state=ReadState.OPEN,
                    progress="{}",
                    started_at=started_at,
                )
                .returning(window_read.c.id)
            ).scalar_one()
        else:
            number = found.id
            connection.execute(
                update(window_read).where(window_read.c.id == number).values(run_id=run_id)
            )
    return WindowRead(
        id=number,
        tenant=tenant,
        entity=entity,
        company=company,
        window=window,
        started_at=started_at if found is None else found.started_at,
        progress={} if found is None else json.loads(found.progress),
        resumed=found is not None,
    )


def advance(
    connection: Connection,
    read: WindowRead,
    progress: Mapping[str, str | None],
    *,
    finished: bool,
    now: datetime,
) -> None:
    """Add ``progress`` to what is known of ``read``, and close it when it is ``finished``."""
    this_read = window_read.c.id == read.id
    known = json.loads(
        connection.execute(select(window_read.c.progress).where(this_read)).scalar_one()
    )
    values = {"progress": json.dumps(known | dict(progress), sort_keys=True)}
    changes = update(window_read).where(this_read).values(**values)
    if finished:
        changes = changes.values(state=ReadState.FINISHED, ended_at=now)
    connection.execute(changes)


def move_watermark(connection: Connection, mark: Watermark, batch_id: str, now: datetime) -> None:
    """Store ``mark`` if it is later than the one that is stored."""
    this_company = (
        watermark.c.tenant == mark.tenant,
        watermark.c.entity == mark.entity,
        watermark.c.company == mark.company,
    )
    known = connection.execute(
        select(watermark.c.complete_until).where(*this_company)
    ).scalar_one_or_none()
    values = {"complete_until": mark.complete_until, "batch_id": batch_id, "moved_at": now}
    if known is None:
        connection.execute(
            insert(watermark).values(
                tenant=mark.tenant, entity=mark.entity, company=mark.company, **values
            )
        )
    elif known < mark.complete_until:
        connection.execute(update(watermark).where(*this_company).values(**values))


def find_watermark(database: Database, tenant: str, entity: str, company: str) -> Watermark | None:
    """How far the entity is complete (UTC); None before its first finished read."""
    with database.read() as connection:
        until = connection.execute(
            select(watermark.c.complete_until).where(
                watermark.c.tenant == tenant,
                watermark.c.entity == entity,
                watermark.c.company == company,
            )
        ).scalar_one_or_none()
    if until is None:
        return None
    return Watermark(tenant=tenant, entity=entity, company=company, complete_until=until)
