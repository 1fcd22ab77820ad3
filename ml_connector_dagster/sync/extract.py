"""Read one entity of one company into staged batches, resumably.

The chains of a read (``Slice``) are fetched side by side in threads; their pages are typed and staged in this
thread. A batch is committed to the ledger together with how far every chain has come, and the last one together
with the watermark: a crash anywhere leaves a batch that is not there, and the next run goes on where the last
committed batch ended.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.cloudsuite.pages import Page, ProductLine, Slice
from ml_connector_dagster.columns.shaping import RejectedSource, rejected_text, shape
from ml_connector_dagster.ledger import Ledger, WindowRead
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import RAW_LIMIT, NewDeadLetter, Stage
from ml_connector_dagster.model.windows import Watermark, Window
from ml_connector_dagster.staging import BatchWriter, Staging
from ml_connector_dagster.sync.gathering import Gathering
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.streams import pages_side_by_side
from ml_connector_dagster.telemetry import boundary


#: Rows of one batch: bounds memory and the size of a destination's transaction. Two row groups of DuckDB, so that
#: little more than whole ones is written at a time.
BATCH_ROWS = 245_760

#: A read that stopped less than this ago is taken up where it stopped; an older one begins anew.
RESUME_WITHIN = timedelta(hours=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What one read brought."""

    entity: str
    company: str
    window: Window
    batches: tuple[Batch, ...]
    resumed: bool

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)

    @property
    def requests(self) -> int:
        return sum(batch.requests for batch in self.batches)

    @property
    def dead_letters(self) -> int:
        return sum(batch.dead_letters for batch in self.batches)


def incremental_window(
    ledger: Ledger,
    *,
    tenant: str,
    entity: str,
    company: str,
    now: datetime,
    timezone: ZoneInfo,
    overlap: timedelta,
) -> Window:
    """From a little before the watermark to the end of today, in the tenant's zone.

    The overlap covers clocks that differ and transactions that commit late; what it reads twice is
    dropped by content. Without a watermark the window is open to the past: that is the first load.
    """
    today = now.astimezone(timezone).date()
    whole_day = Window.of_days(today, today, timezone)
    mark = ledger.watermark(tenant, entity, company)
    start = None if mark is None else min(mark.complete_until.astimezone(timezone), now) - overlap
    return Window(start=start, end=whole_day.end)


def extract(
    line: ProductLine,
    ledger: Ledger,
    staging: Staging,
    *,
    tenant: str,
    entity: str,
    company: str,
    window: Window,
    run_id: str,
    timezone: ZoneInfo,
    now: Callable[[], datetime],
    concurrency: int = 4,
    batch_rows: int = BATCH_ROWS,
    on_page: Callable[[int], None] = lambda rows: None,
) -> Extraction:
    """Read ``window`` of ``entity`` and ``company``; answers the batches that this call staged (at least one).

    Raises whatever the product line raises; what was committed before stays, and is not read again when the
    same window is asked for within ``RESUME_WITHIN``.
    """
    read = ledger.begin_read(
        tenant=tenant,
        entity=entity,
        company=company,
        window=window,
        run_id=run_id,
        started_at=now(),
        resume_within=RESUME_WITHIN,
    )
    session = _Session(
        line=line,
        ledger=ledger,
        staging=staging,
        tenant=tenant,
        read=read,
        entity=entity,
        company=company,
        window=window,
        run_id=run_id,
        timezone=timezone,
        now=now,
        progress=dict(read.progress),
    )
    chains = line.slices(entity, company, window)
    session.lag = max((chain.lag for chain in chains), default=timedelta())
    open_chains = [chain for chain in chains if read.progress.get(chain.id, "") is not None]
    try:
        for chain, page in _pages(line, open_chains, read.progress, concurrency):
            session.take(chain, page)
            on_page(page.records.num_rows)
            if session.records >= batch_rows:
                session.commit(finished=False)
        session.commit(finished=True)
    finally:
        session.close()
        # The allocator keeps what pages needed; a destination has its own memory, and needs room for it next.
        pa.default_memory_pool().release_unused()
    return Extraction(
        entity=entity,
        company=company,
        window=window,
        batches=tuple(session.committed),
        resumed=read.resumed,
    )


def _pages(
    line: ProductLine,
    chains: Sequence[Slice],
    progress: Mapping[str, str | None],
    concurrency: int,
) -> Iterator[tuple[Slice, Page]]:
    with closing(
        pages_side_by_side(
            [(chain, line.pages, progress.get(chain.id)) for chain in chains], concurrency
        )
    ) as stream:
        yield from stream


@dataclass(slots=True, kw_only=True)
class _Session:
    """One read in progress: the open batch, and what to commit with it."""

    line: ProductLine
    ledger: Ledger
    staging: Staging
    tenant: str
    read: WindowRead
    entity: str
    company: str
    window: Window
    run_id: str
    timezone: ZoneInfo
    now: Callable[[], datetime]
    progress: dict[str, str | None]
    committed: list[Batch] = field(default_factory=list)
    writer: BatchWriter | None = None
    dead_letters: list[NewDeadLetter] = field(default_factory=list)
    requests: int = 0
    rejected_cells: int = 0
    routes: set[str] = field(default_factory=set)
    lag: timedelta = timedelta()
    gathering: Gathering = field(init=False)

    def __post_init__(self) -> None:
        self.gathering = Gathering(use=self._write)

    @property
    def records(self) -> int:
        """Of the open batch; those that cannot be staged are held in memory, and count too."""
        written = 0 if self.writer is None else self.writer.rows
        return self.gathering.rows + written + len(self.dead_letters)

    def take(self, chain: Slice, page: Page) -> None:
        self.gathering.add(page.records, page.requested_at)
        self._reject([rejected_text(raw, why) for raw, why in page.unreadable])
        self.requests += page.requests
        self.routes.add(chain.route)
        self.progress[chain.id] = page.position

    def _write(self, records: pa.Table, extracted_at: datetime | pa.Array) -> None:
        writer = self._open_writer()
        shaped = shape(
            records,
            self.line.layout(self.entity),
            tenant=self.tenant,
            company=self.company,
            batch_id=writer.batch_id,
            run_id=self.run_id,
            extracted_at=extracted_at,
        )
        writer.append(shaped.table)
        self._reject(shaped.rejected)
        self.rejected_cells += shaped.rejected_cells

    def _reject(self, rejected: Sequence[RejectedSource]) -> None:
        if rejected:
            batch_id = self._open_writer().batch_id
            self.dead_letters += [self._dead_letter(one, batch_id) for one in rejected]

    def commit(self, *, finished: bool) -> None:
        self.gathering.flush()
        writer = self._open_writer()
        facts = {"tenant": self.tenant, "entity": self.entity, "company": self.company}
        with boundary("batch", {**facts, "batch_id": writer.batch_id}) as passing:
            batch = self._commit(writer, finished)
            passing.note({"rows": batch.rows, "route": batch.route, "requests": batch.requests})
        self.committed.append(batch)
        self.writer, self.dead_letters, self.requests, self.rejected_cells = None, [], 0, 0

    def _commit(self, writer: BatchWriter, finished: bool) -> Batch:
        batch = writer.commit(
            route=", ".join(sorted(self.routes)),
            finished_at=self.now(),
            requests=self.requests,
            rejected_cells=self.rejected_cells,
            dead_letters=len(self.dead_letters),
        )
        self.ledger.commit_batch(
            batch,
            read=self.read,
            progress=self.progress,
            dead_letters=self.dead_letters,
            finished=finished,
            watermark=self._watermark() if finished else None,
        )
        return batch

    def close(self) -> None:
        if self.writer is not None:
            self.writer.abort()

    def _open_writer(self) -> BatchWriter:
        if self.writer is None:
            entity = ENTITIES[self.entity]
            self.writer = self.staging.write(
                tenant=self.tenant,
                entity=entity,
                company=self.company,
                window=self.window,
                batch_id=new_id(self.now()),
                run_id=self.run_id,
                started_at=self.read.started_at,
                timezone=self.timezone,
            )
        return self.writer

    def _watermark(self) -> Watermark | None:
        """Complete until the read began (a copy of the ERP: until it was taken), if nothing before the window is missing."""
        known = self.ledger.watermark(self.tenant, self.entity, self.company)
        start = self.window.start
        if start is not None and (known is None or start > known.complete_until):
            return None
        return Watermark(
            tenant=self.tenant,
            entity=self.entity,
            company=self.company,
            complete_until=min(self.window.end, self.read.started_at - self.lag),
        )

    def _dead_letter(self, rejected: RejectedSource, batch_id: str) -> NewDeadLetter:
        return NewDeadLetter(
            stage=Stage.EXTRACT,
            tenant=self.tenant,
            entity=self.entity,
            company=self.company,
            destination="",
            record_id="",
            fingerprint=rejected.fingerprint,
            batch_id=batch_id,
            reason=rejected.reason,
            raw=rejected.raw[:RAW_LIMIT],
            window_start=self.window.start,
            window_end=self.window.end,
        )
