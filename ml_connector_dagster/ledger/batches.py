"""Staged batches: written down together with all that they prove, found again in the order of their ids."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, insert, or_, select

from ml_connector_dagster.ledger import dead_letters
from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.reads import WindowRead, advance, move_watermark
from ml_connector_dagster.ledger.tables import batch as batches
from ml_connector_dagster.ledger.tables import delivery
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.manifests import batch_of_manifest, manifest_text
from ml_connector_dagster.model.receipts import DeliveryState, NewDeadLetter
from ml_connector_dagster.model.windows import Watermark, Window


def commit_batch(
    database: Database,
    batch: Batch,
    *,
    read: WindowRead,
    progress: Mapping[str, str | None],
    letters: Sequence[NewDeadLetter],
    finished: bool,
    watermark: Watermark | None,
    now: datetime,
) -> None:
    """Write down, in one transaction, a staged batch and everything that its existence proves.

    Raises ValueError when the pieces do not belong together.
    """
    scope = (batch.tenant, batch.entity, batch.company)
    if scope != (read.tenant, read.entity, read.company):
        raise ValueError(f"batch {batch.batch_id} is of {scope}, its read is of another company")
    if watermark is not None and not finished:
        raise ValueError(f"batch {batch.batch_id}: only a finished read can move a watermark")
    if watermark is not None and scope != (watermark.tenant, watermark.entity, watermark.company):
        raise ValueError(
            f"batch {batch.batch_id} is of {scope}, the watermark is of another company"
        )
    with database.write(
        f"batches of {batch.entity} of {batch.tenant}/{batch.company}"
    ) as connection:
        insert_batch(connection, batch, read.id, now)
        dead_letters.record(connection, letters, read_id=read.id, now=now)
        advance(connection, read, progress, finished=finished, now=now)
        if finished:
            dead_letters.resolve_unseen(connection, read, now)
        if watermark is not None:
            move_watermark(connection, watermark, batch.batch_id, now)


def record_replay(database: Database, batch: Batch, *, now: datetime) -> None:
    """Write down a batch that was staged again from staged rows, for one destination. It proves nothing else.

    Raises ValueError when the batch is for every destination.
    """
    if not batch.for_destination:
        raise ValueError(f"batch {batch.batch_id} names no destination: it is not a replay")
    with database.write(
        f"batches of {batch.entity} of {batch.tenant}/{batch.company}"
    ) as connection:
        insert_batch(connection, batch, None, now)


def insert_batch(connection: Connection, batch: Batch, read_id: int | None, now: datetime) -> None:
    """Write down ``batch`` as a part of somebody's transaction; ``read_id`` None: it comes from no read of a window."""
    connection.execute(
        insert(batches).values(
            batch_id=batch.batch_id,
            read_id=read_id,
            tenant=batch.tenant,
            entity=batch.entity,
            company=batch.company,
            window_start=batch.window.start,
            window_end=batch.window.end,
            for_destination=batch.for_destination,
            run_id=batch.run_id,
            row_count=batch.rows,
            committed_at=now,
            manifest=manifest_text(batch),
        )
    )


def find(
    database: Database,
    *,
    tenant: str,
    entity: str | None,
    company: str | None,
    window: Window | None,
) -> tuple[Batch, ...]:
    """Batches, oldest first; with ``window``, those whose own window shares a moment with it."""
    conditions: list[ColumnElement[bool]] = [batches.c.tenant == tenant]
    if entity is not None:
        conditions.append(batches.c.entity == entity)
    if company is not None:
        conditions.append(batches.c.company == company)
    if window is not None:
        conditions.append(
            or_(batches.c.window_start.is_(None), batches.c.window_start < window.end)
        )
        if window.start is not None:
            conditions.append(batches.c.window_end > window.start)
    return _select(database, conditions)


def pending(
    database: Database,
    *,
    destination: str,
    tenant: str,
    entity: str,
    companies: Sequence[str],
) -> tuple[Batch, ...]:
    """Batches that ``destination`` should have and has not, oldest first; those of no rows too."""
    done = exists().where(
        and_(
            delivery.c.batch_id == batches.c.batch_id,
            delivery.c.destination == destination,
            delivery.c.state == DeliveryState.DONE,
        )
    )
    return _select(
        database,
        [
            batches.c.tenant == tenant,
            batches.c.entity == entity,
            batches.c.company.in_(companies),
            batches.c.for_destination.in_(("", destination)),
            ~done,
        ],
    )


def find_ids(database: Database, tenant: str | None) -> frozenset[str]:
    """The ids of all batches, for telling what staging holds beyond them."""
    query = select(batches.c.batch_id)
    if tenant is not None:
        query = query.where(batches.c.tenant == tenant)
    with database.read() as connection:
        return frozenset(connection.execute(query).scalars())


def find_scopes(database: Database) -> tuple[tuple[str, str, str], ...]:
    """Tenant, entity and company of everything that has batches."""
    columns = (batches.c.tenant, batches.c.entity, batches.c.company)
    with database.read() as connection:
        rows = connection.execute(select(*columns).distinct().order_by(*columns))
        return tuple((row.tenant, row.entity, row.company) for row in rows)


def _select(database: Database, conditions: Sequence[Any]) -> tuple[Batch, ...]:
    query = select(batches.c.manifest).where(*conditions).order_by(batches.c.batch_id)
    with database.read() as connection:
        return tuple(batch_of_manifest(text) for text in connection.execute(query).scalars())
