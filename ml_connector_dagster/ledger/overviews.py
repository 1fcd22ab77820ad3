"""A tenant at a glance: the newest read and delivery of each entity and company, and what is stuck."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.deliveries import delivery_of
from ml_connector_dagster.ledger.reads import ReadState
from ml_connector_dagster.ledger.tables import batch, dead_letter, delivery, watermark, window_read
from ml_connector_dagster.model.receipts import Delivery, Stage
from ml_connector_dagster.model.windows import Watermark, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRead:
    """The newest read of an entity and company, and what it has staged. ``ended_at`` None: not finished."""

    entity: str
    company: str
    state: ReadState
    window: Window
    run_id: str
    started_at: datetime
    ended_at: datetime | None
    batches: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDelivery:
    """The delivery of the newest batch of an entity and company that was ever begun at a destination."""

    entity: str
    company: str
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDeadLetters:
    """How many records are stuck at one place, since when, and when the first of them is due."""

    stage: Stage
    entity: str
    company: str
    destination: str
    count: int
    oldest_at: datetime
    next_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantStatus:
    """All of it, each part by entity and company."""

    reads: tuple[LastRead, ...]
    watermarks: tuple[Watermark, ...]
    deliveries: tuple[LastDelivery, ...]
    dead_letters: tuple[OpenDeadLetters, ...]


def overview(database: Database, tenant: str) -> TenantStatus:
    """The state of ``tenant`` at one moment."""
    with database.read() as connection:
        return TenantStatus(
            reads=_reads(connection, tenant),
            watermarks=_watermarks(connection, tenant),
            deliveries=_deliveries(connection, tenant),
            dead_letters=_dead_letters(connection, tenant),
        )


def _reads(connection: Connection, tenant: str) -> tuple[LastRead, ...]:
    newest = (
        select(func.max(window_read.c.id))
        .where(window_read.c.tenant == tenant)
        .group_by(window_read.c.entity, window_read.c.company)
    )
    query = (
        select(
            window_read,
            func.count(batch.c.batch_id).label("batches"),
            func.coalesce(func.sum(batch.c.row_count), 0).label("rows"),
        )
        .outerjoin(
            batch,
            and_(
                batch.c.read_id == window_read.c.id,
                batch.c.tenant == window_read.c.tenant,
                batch.c.entity == window_read.c.entity,
                batch.c.company == window_read.c.company,
            ),
        )
        .where(window_read.c.id.in_(newest))
        .group_by(*window_read.c)
        .order_by(window_read.c.entity, window_read.c.company)
    )
    return tuple(_read(row) for row in connection.execute(query))


def _read(row: Row[Any]) -> LastRead:
    return LastRead(
        entity=row.entity,
        company=row.company,
        state=ReadState(row.state),
        window=Window(start=row.window_start, end=row.window_end),
        run_id=row.run_id,
        started_at=row.started_at,
        ended_at=row.ended_at,
        batches=row.batches,
        rows=int(row.rows),
    )


def _watermarks(connection: Connection, tenant: str) -> tuple[Watermark, ...]:
    query = select(watermark).where(watermark.c.tenant == tenant)
    query = query.order_by(watermark.c.entity, watermark.c.company)
    return tuple(
        Watermark(
            tenant=row.tenant,
            entity=row.entity,
            company=row.company,
            complete_until=row.complete_until,
        )
        for row in connection.execute(query)
    )


def _deliveries(connection: Connection, tenant: str) -> tuple[LastDelivery, ...]:
    newest = (
        select(func.max(delivery.c.batch_id).label("batch_id"), delivery.c.destination)
        .join(batch, batch.c.batch_id == delivery.c.batch_id)
        .where(batch.c.tenant == tenant)
        .group_by(batch.c.entity, batch.c.company, delivery.c.destination)
        .subquery()
    )
    query = (
        select(delivery, batch.c.entity, batch.c.company)
        .join(
            newest,
            and_(
                newest.c.batch_id == delivery.c.batch_id,
                newest.c.destination == delivery.c.destination,
            ),
        )
        .join(batch, batch.c.batch_id == delivery.c.batch_id)
        .order_by(batch.c.entity, batch.c.company, delivery.c.destination)
    )
    return tuple(
        LastDelivery(entity=row.entity, company=row.company, delivery=delivery_of(row))
        for row in connection.execute(query)
    )


def _dead_letters(connection: Connection, tenant: str) -> tuple[OpenDeadLetters, ...]:
    columns = dead_letter.c
    where = (columns.stage, columns.entity, columns.company, columns.destination)
    query = (
        select(
            *where,
            func.count().label("letters"),
            func.min(columns.created_at).label("oldest_at"),
            func.min(columns.due_at).label("next_due_at"),
        )
        .where(columns.tenant == tenant, columns.resolved_at.is_(None))
        .group_by(*where)
        .order_by(columns.entity, columns.company, columns.destination, columns.stage)
    )
    return tuple(
        OpenDeadLetters(
            stage=Stage(row.stage),
            entity=row.entity,
            company=row.company,
            destination=row.destination,
            count=row.letters,
            oldest_at=row.oldest_at,
            next_due_at=row.next_due_at,
        )
        for row in connection.execute(query)
    )
