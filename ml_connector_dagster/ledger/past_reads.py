"""What earlier reads and deliveries took: the basis of forecasts where nothing can be counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.reads import ReadState
from ml_connector_dagster.ledger.tables import batch, delivery, window_read
from ml_connector_dagster.model.manifests import batch_of_manifest
from ml_connector_dagster.model.receipts import DeliveryState
from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRead:
    """A read that came to its end: all its batches together."""

    window: Window
    run_id: str
    route: str
    started_at: datetime
    ended_at: datetime
    rows: int
    requests: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDelivery:
    """A batch that arrived: how large it was, and what that took."""

    rows: int
    requests: int


def find_reads(
    database: Database,
    *,
    tenant: str,
    entity: str,
    company: str,
    since: datetime | None,
    limit: int,
) -> tuple[PastRead, ...]:
    """Finished reads, newest first; ``since``: only those that began then or later."""
    newest = (
        select(window_read)
        .where(
            window_read.c.tenant == tenant,
            window_read.c.entity == entity,
            window_read.c.company == company,
            window_read.c.state == ReadState.FINISHED,
        )
        .order_by(window_read.c.id.desc())
        .limit(limit)
    )
    if since is not None:
        newest = newest.where(window_read.c.started_at >= since)
    found: list[PastRead] = []
    with database.read() as connection:
        for row in connection.execute(newest).all():
            texts = connection.execute(
                select(batch.c.manifest).where(batch.c.read_id == row.id).order_by(batch.c.batch_id)
            ).scalars()
            batches = [batch_of_manifest(text) for text in texts]
            if batches:
                found.append(
                    PastRead(
                        window=Window(start=row.window_start, end=row.window_end),
                        run_id=row.run_id,
                        route=batches[-1].route,
                        started_at=row.started_at,
                        ended_at=row.ended_at,
                        rows=sum(one.rows for one in batches),
                        requests=sum(one.requests for one in batches),
                        bytes=sum(one.bytes for one in batches),
                    )
                )
    return tuple(found)


def find_deliveries(
    database: Database, *, destination: str, entity: str, limit: int
) -> tuple[PastDelivery, ...]:
    """Deliveries that are done, newest first."""
    query = (
        select(batch.c.row_count, delivery.c.requests)
        .join(batch, batch.c.batch_id == delivery.c.batch_id)
        .where(
            delivery.c.destination == destination,
            delivery.c.state == DeliveryState.DONE,
            batch.c.entity == entity,
        )
        .order_by(delivery.c.batch_id.desc())
        .limit(limit)
    )
    with database.read() as connection:
        return tuple(
            PastDelivery(rows=row.row_count, requests=row.requests)
            for row in connection.execute(query)
        )


def requests_of(
    database: Database, *, destination: str, entity: str, run_ids: Sequence[str]
) -> int:
    """Requests to ``destination`` for all that ``run_ids`` delivered of ``entity``."""
    query = (
        select(delivery.c.requests)
        .join(batch, batch.c.batch_id == delivery.c.batch_id)
        .where(
            delivery.c.destination == destination,
            batch.c.entity == entity,
            delivery.c.run_id.in_(run_ids),
        )
    )
    with database.read() as connection:
        return sum(connection.execute(query).scalars())
