"""The ERP's side: every record of an entity and company, with as little of each as the comparison needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pyarrow as pa

from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.columns.shaping import shape
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.pace import Pace
from ml_connector_dagster.sync.reconcile.books import Books
from ml_connector_dagster.sync.sweep_session import present
from ml_connector_dagster.sync.workspace import Source


#: Stamps of the future are read too: a record with one would look gone.
LAST_DAY: Final = date(2999, 12, 31)

#: For which destinations the rows of a page are meant: flag → one truth for each row.
Flags = Callable[[pa.Table], Mapping[str, pa.Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErpSide:
    """What was read. ``as_of``: nothing that changed later is promised; ``unreadable``: records without a key.

    ``skipped``: only changes were asked for, and the route knows no change filter.
    """

    as_of: datetime
    requests: int = 0
    unreadable: int = 0
    skipped: bool = False


def read_erp(
    source: Source,
    books: Books,
    *,
    entity: str,
    company: str,
    since: datetime | None,
    flags: Flags,
    pace: Pace,
    on_page: Callable[[int], None],
) -> ErpSide:
    """Enter all records into ``books``; with ``since``, those that changed from then on."""
    line, layout = source.line, source.line.layout(entity)
    window = Window.of_days(None, LAST_DAY, source.timezone)
    if since is not None:
        window = changes_from(source, since, pace.started_at)
    chains = line.slices(entity, company, window)
    as_of = pace.started_at - max((chain.lag for chain in chains), default=timedelta())
    if since is not None and any(chain.whole for chain in chains):
        return ErpSide(as_of=as_of, skipped=True)
    requests = unreadable = 0
    for chain in chains:
        for page in line.pages(chain, None):
            shaped = shape(
                present(page.records),
                layout,
                tenant=source.tenant,
                company=company,
                batch_id="",
                run_id="",
                extracted_at=page.requested_at,
            )
            books.enter(shaped.table, flags(shaped.table))
            requests += page.requests
            unreadable += len(page.unreadable) + len(shaped.rejected)
            on_page(page.records.num_rows)
            if page.position is not None:
                pace.wait(requests)
    return ErpSide(as_of=as_of, requests=requests, unreadable=unreadable)


def changes_from(source: Source, since: datetime, now: datetime) -> Window:
    """To the end of today, as an incremental read: a longer window would be cut into several."""
    today = now.astimezone(source.timezone).date()
    start = since.astimezone(source.timezone)
    return Window(start=start, end=Window.of_days(None, today, source.timezone).end)


def next_read_from(
    source: Source, entity: str, company: str, complete_until: datetime | None, now: datetime
) -> datetime | None:
    """What changed in the ERP from then on, the next incremental read brings; None: it brings everything.

    A stamp that is a date alone stands for its whole day.
    """
    if complete_until is None:
        return None
    start = complete_until.astimezone(source.timezone) - source.overlap
    window = changes_from(source, start, max(now, complete_until))
    if any(chain.whole for chain in source.line.slices(entity, company, window)):
        return None
    stamp = source.line.layout(entity).modified
    if stamp is None:
        return None
    if stamp.format is StampFormat.DATE and stamp.time_source is None:
        start = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return start.astimezone(UTC)
