"""One key sweep of one entity and company: list, compare, judge, stage the marks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.pages import Page
from ml_connector_dagster.columns.layouts import Layout
from ml_connector_dagster.columns.marks import marked
from ml_connector_dagster.columns.shaping import shape
from ml_connector_dagster.config.sweeps import Sweep as SweepSettings
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.sweeps import Sighting, Sweep, SweepState
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.pace import Pace
from ml_connector_dagster.sync.presence import VERSION_COLUMNS, Presence, Staged
from ml_connector_dagster.sync.versions import newest_versions
from ml_connector_dagster.sync.workspace import Source, Workspace


#: Sweeps that must miss a record, one after the other, before it is marked.
SIGHTINGS: Final = 2

#: A sweep asks for everything, stamps of the future included: a record with one would look gone.
LAST_DAY: Final = date(2999, 12, 31)


@dataclass(slots=True, kw_only=True)
class SweepSession:
    """A sweep in progress. ``run`` it; when that raises, ``end`` it."""

    workspace: Workspace
    source: Source
    settings: SweepSettings
    dry_run: bool
    sweep: Sweep
    window: Window = field(init=False)

    def __post_init__(self) -> None:
        self.window = Window.of_days(None, LAST_DAY, self.source.timezone)

    def run(self, presence: Presence) -> Sweep:
        """List, compare, and mark what was missed for the second time. Raises what the product line raises."""
        lag = self._list(presence)
        before = self.sweep.started_at - lag
        different = presence.compare(self._versions(), before=before)
        self.sweep = replace(
            self.sweep, known=different.known, seen=different.seen, missed=different.missed
        )
        if self.settings.brakes(
            known=different.known, seen=different.seen, missed=different.missed
        ):
            return self.end(SweepState.BRAKED, self._why_braked())
        return self._judge(presence.missed(), presence.returned())

    def _list(self, presence: Presence) -> timedelta:
        """Every key that the ERP has, one page after the other; answers how far the list may be behind the ERP."""
        entity, company = self.sweep.entity, self.sweep.company
        line = self.source.line
        chains = line.slices(entity, company, self.window)
        pace = Pace(
            pause=self.workspace.make_pause(),
            per_minute=self.source.connection.requests_per_minute
            * self.settings.budget_percent
            / 100,
            now=self.workspace.now,
            started_at=self.sweep.started_at,
        )
        for chain in chains:
            for page in line.pages(chain, None):
                presence.see(self._record_ids(page, line.layout(entity)))
                self.sweep = replace(self.sweep, requests=self.sweep.requests + page.requests)
                if page.position is not None:
                    pace.wait(self.sweep.requests)
        return max((chain.lag for chain in chains), default=timedelta())

    def _record_ids(self, page: Page, layout: Layout) -> pa.ChunkedArray:
        """The ids of a page's records. Raises ContractError when one cannot be told: it may be any of those missed."""
        entity = layout.entity
        keys = tuple(one for one in layout.fields if one.column in entity.key)
        records = present(page.records)
        columns = {one.source for one in keys}
        shaped = shape(
            records.select([name for name in records.column_names if name in columns]),
            replace(layout, fields=keys, modified=None),
            tenant=self.sweep.tenant,
            company=self.sweep.company,
            batch_id="",
            run_id="",
            extracted_at=page.requested_at,
        )
        unreadable = [why for _, why in page.unreadable] + [one.reason for one in shaped.rejected]
        if unreadable:
            raise ContractError(
                f"{entity.name} of company {self.sweep.company}: {len(unreadable)} listed record(s) have no readable key "
                f"({unreadable[0]}), so nobody can say which are missing; correct them in the ERP"
            )
        return shaped.table["record_id"]

    def _versions(self) -> pa.RecordBatchReader | None:
        """Every version that was staged, as far as a comparison needs it."""
        batches = [batch for batch in self._batches() if batch.rows]
        return self.workspace.staging.columns(batches, VERSION_COLUMNS) if batches else None

    def _batches(self) -> Iterator[Batch]:
        """What was staged for everybody; a replay only repeats some of it."""
        for batch in self.workspace.ledger.batches(
            tenant=self.sweep.tenant, entity=self.sweep.entity, company=self.sweep.company
        ):
            if not batch.for_destination:
                yield batch

    def _why_braked(self) -> str:
        sweep, settings = self.sweep, self.settings
        return (
            f"{sweep.missed:,} of {sweep.known:,} known records were not among the {sweep.seen:,} that the ERP listed; "
            f"the brake allows {settings.allowed(sweep.known):,} ({settings.brake_percent:g} %, at least "
            f"{settings.brake_records:,}). Nothing was marked. See whether the service user still sees all records; if "
            "they were really deleted, sweep twice with --brake-percent"
        )

    def _judge(self, missed: Mapping[str, Staged], returned: Mapping[str, Staged]) -> Sweep:
        earlier = self.workspace.ledger.sweeps.sightings(
            self.sweep.tenant, self.sweep.entity, self.sweep.company
        )
        sightings = [
            self._sighting(record_id, staged, earlier.get(record_id))
            for record_id, staged in missed.items()
        ]
        gone = {
            one.record_id: missed[one.record_id]
            for one in sightings
            if one.times_missed >= SIGHTINGS
        }
        self.sweep = replace(self.sweep, marked=len(gone), returned=len(returned))
        if self.dry_run:
            return self._ended(SweepState.COMPLETE, "")
        batches = [
            *self._stage(gone, deleted_at=self.sweep.started_at),
            *self._stage(returned, deleted_at=None),
        ]
        done = self._ended(SweepState.COMPLETE, "")
        self.workspace.ledger.sweeps.record(
            done,
            batches=batches,
            sightings=[one for one in sightings if one.record_id not in gone],
        )
        return done

    def _sighting(self, record_id: str, staged: Staged, earlier: Sighting | None) -> Sighting:
        """Missed once more; or for the first time, when it was read since it was missed."""
        if earlier is None or staged.observed_at >= earlier.first_missed_at:
            return Sighting(
                record_id=record_id, first_missed_at=self.sweep.started_at, times_missed=1
            )
        return replace(earlier, times_missed=earlier.times_missed + 1)

    def _stage(
        self, found: Mapping[str, Staged], *, deleted_at: datetime | None
    ) -> Iterator[Batch]:
        """The newest versions again, marked or not: a batch for each set of columns that they have."""
        for rows in _by_columns(self._newest_versions(found)):
            now = self.workspace.now()
            with self.workspace.staging.write(
                tenant=self.sweep.tenant,
                entity=ENTITIES[self.sweep.entity],
                company=self.sweep.company,
                window=self.window,
                batch_id=new_id(now),
                run_id=self.sweep.run_id,
                started_at=self.sweep.started_at,
                timezone=self.source.timezone,
            ) as writer:
                writer.append(
                    marked(
                        rows,
                        deleted_at=deleted_at,
                        extracted_at=self.sweep.started_at,
                        batch_id=writer.batch_id,
                        run_id=self.sweep.run_id,
                    )
                )
                yield writer.commit(
                    route="key sweep", finished_at=now, requests=0, rejected_cells=0, dead_letters=0
                )

    def _newest_versions(self, found: Mapping[str, Staged]) -> Iterator[pa.Table]:
        by_batch: dict[str, list[str]] = {}
        for record_id, staged in found.items():
            by_batch.setdefault(staged.batch_id, []).append(record_id)
        for batch in self._batches():
            if batch.batch_id in by_batch:
                rows = self.workspace.staging.find(batch, by_batch[batch.batch_id])
                yield newest_versions(rows)

    def end(self, state: SweepState, reason: str) -> Sweep:
        """Write down that the sweep proved nothing."""
        ended = self._ended(state, reason)
        if not self.dry_run:
            self.workspace.ledger.sweeps.record(ended)
        return ended

    def _ended(self, state: SweepState, reason: str) -> Sweep:
        now = self.workspace.now()
        return replace(self.sweep, state=state, reason=redact(reason), ended_at=now)


def present(records: pa.Table) -> pa.Table:
    """Records that the list itself does not call deleted, as a data lake's does."""
    if "_deleted_at" not in records.column_names:
        return records
    return records.filter(pc.is_null(records["_deleted_at"]))


def _by_columns(tables: Iterable[pa.Table]) -> Sequence[pa.Table]:
    """``tables`` put together where they have the same columns."""
    groups: list[list[pa.Table]] = []
    for table in tables:
        for group in groups:
            if group[0].schema.equals(table.schema):
                group.append(table)
                break
        else:
            groups.append([table])
    return [pa.concat_tables(group) for group in groups]
