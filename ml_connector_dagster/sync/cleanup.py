"""Remove what nobody needs any more, and nothing else.

Needed is: a batch that some destination of any flow has not got; the newest version of every record (replays, key sweeps
and business documents start from it, and a destination that comes later gets it); the batch that proves a watermark;
whatever is open. So old batches are not just removed: one kept batch takes the place of all that every destination has.

Each step can die. A kept batch that is staged and not committed is a folder that nobody knows; committed, it replaces
the others in one transaction; their files go when no run can still be reading them, the next time at the latest.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.ledger import Forgetting
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import DeliveryState
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.keeping import KEPT, keep_receipts, rows_to_keep, write_kept
from ml_connector_dagster.sync.workspace import Workspace


#: Longer than any run may take (``max_runtime_seconds`` of dagster.yaml): until then, files that a run may be reading
#: stay where they are.
GRACE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeCleaning:
    """One entity of one company.

    Attributes:
        removed: batches that were taken out, and ``bytes`` their size.
        rows: of the removed ones, and ``kept`` how many of these stay.
        waiting: destinations that have not got an old batch, so it and those after it stay.
    """

    tenant: str
    entity: str
    company: str
    removed: int = 0
    rows: int = 0
    kept: int = 0
    bytes: int = 0
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What a clean-up did, or would do. ``forgotten``: rows of the ledger, by what they are; ``folders`` were discarded."""

    dry_run: bool
    scopes: tuple[ScopeCleaning, ...]
    forgotten: Mapping[str, int] = field(default_factory=dict)
    folders: int = 0

    @property
    def removed(self) -> int:
        """Batches."""
        return sum(one.removed for one in self.scopes)


def clean_up(
    workspace: Workspace,
    *,
    run_id: str,
    dry_run: bool = False,
    grace: timedelta = GRACE,
    step: Callable[[str], None] = lambda name: None,
) -> Cleaning:
    """Clean up as ``retention:`` says. ``step`` is called between any two writes, by name: tests crash there."""
    retention = workspace.project.retention
    with workspace.ledger.cleaning.alone():
        proofs = workspace.ledger.cleaning.watermark_batches()
        scopes = tuple(
            _Scope(workspace, retention, tenant, entity, company, run_id, proofs, step).clean(
                dry_run=dry_run
            )
            for tenant, entity, company in workspace.ledger.batch_scopes()
            # What the configuration does not know cannot be judged.
            if entity in ENTITIES and tenant in workspace.project.connections
        )
        forgotten = workspace.ledger.cleaning.forget(_limits(workspace, retention), dry_run=dry_run)
        step("clean-up: rows forgotten")
        folders = _discard(workspace, grace, step, dry_run=dry_run)
    return Cleaning(dry_run=dry_run, scopes=scopes, forgotten=forgotten, folders=folders)


def _limits(workspace: Workspace, retention: Retention) -> Forgetting:
    now = workspace.now()
    return Forgetting(
        letters=now - timedelta(days=retention.letters_days),
        reads=now - timedelta(days=retention.reads_days),
        sweeps=now - timedelta(days=retention.sweeps_days),
        now=now,
    )


def _discard(
    workspace: Workspace, grace: timedelta, step: Callable[[str], None], *, dry_run: bool
) -> int:
    """Remove the files of batches that were replaced long enough ago, and what crashes have left."""
    before = workspace.now() - grace
    known = workspace.ledger.batch_ids() | workspace.ledger.cleaning.removed_batches(since=before)
    folders = workspace.staging.orphans(known, untouched_since=before)
    if dry_run:
        return len(folders)
    for folder in folders:
        workspace.staging.discard(folder)
        step("clean-up: folder discarded")
    workspace.ledger.cleaning.forget_removed_batches(before=before)
    return len(folders)


@dataclass(frozen=True, slots=True)
class _Scope:
    """One entity of one company."""

    workspace: Workspace
    retention: Retention
    tenant: str
    entity: str
    company: str
    run_id: str
    proofs: Collection[str]
    step: Callable[[str], None]

    def clean(self, *, dry_run: bool) -> ScopeCleaning:
        # A sweep finds a batch by its id a while after it has listed the files.
        with self.workspace.ledger.sweeps.alone(self.tenant, self.entity, self.company):
            removable, waiting = self._removable()
            done = ScopeCleaning(
                tenant=self.tenant, entity=self.entity, company=self.company, waiting=waiting
            )
            for batches in _replaceable(removable):
                done = self._replaced(batches, done, dry_run=dry_run)
        return done

    @property
    def needed_by(self) -> frozenset[str]:
        """The destinations of any flow that get this entity and company."""
        return frozenset(
            target.name
            for flow in self.workspace.project.flows.values()
            if flow.source == self.tenant
            and self.entity in flow.entities
            and self.company in flow.companies
            for target in flow.destinations
        )

    def _removable(self) -> tuple[list[Batch], tuple[str, ...]]:
        """The oldest batches, up to the first that somebody needs as it is; and who waits for that one.

        Never one from the middle: what takes their place must come where they came in the order of all.
        """
        before = self.workspace.now() - timedelta(days=self.retention.batches_days)
        batches = self.workspace.ledger.batches(
            tenant=self.tenant, entity=self.entity, company=self.company
        )
        old = [batch for batch in batches if batch.finished_at < before]
        done = self._done(old)
        found: list[Batch] = []
        for batch in old:
            who = {batch.for_destination} if batch.for_destination else self.needed_by
            lacking = who & self.needed_by - done.get(batch.batch_id, frozenset())
            if batch.for_destination and lacking:
                continue  # a replay under way: its rows are copies, so its place does not matter
            if lacking:
                return found, tuple(sorted(lacking))
            if batch.batch_id in self.proofs:
                break
            found.append(batch)
        return found, ()

    def _done(self, batches: Sequence[Batch]) -> dict[str, frozenset[str]]:
        """Batch → the destinations that have it."""
        found: dict[str, frozenset[str]] = {}
        for delivery in self.workspace.ledger.deliveries(
            batch_ids=[batch.batch_id for batch in batches], states=[DeliveryState.DONE]
        ):
            had = found.get(delivery.batch_id, frozenset())
            found[delivery.batch_id] = had | {delivery.destination}
        return found

    def _replaced(
        self, batches: Sequence[Batch], done: ScopeCleaning, *, dry_run: bool
    ) -> ScopeCleaning:
        """``batches`` of the same columns as one, and the tally with it."""
        workspace = self.workspace
        ordinary = [batch for batch in batches if not batch.for_destination]
        chosen = rows_to_keep(workspace.staging, ordinary, workspace.settings.home)
        if not dry_run:
            kept = self._stage(batches, ordinary, chosen)
            self.step("clean-up: kept batch staged")
            since = workspace.now() - timedelta(days=self.retention.receipts_days)
            keep_receipts(workspace.staging, batches, kept, since=since)
            self.step("clean-up: receipts kept")
            workspace.ledger.cleaning.replace_batches(batches, kept, needed_by=self.needed_by)
            self.step("clean-up: batches replaced")
        return ScopeCleaning(
            tenant=done.tenant,
            entity=done.entity,
            company=done.company,
            removed=done.removed + len(batches),
            rows=done.rows + sum(batch.rows for batch in batches),
            kept=done.kept + sum(map(len, chosen)),
            bytes=done.bytes + sum(batch.bytes for batch in batches),
            waiting=done.waiting,
        )

    def _stage(
        self, batches: Sequence[Batch], ordinary: Sequence[Batch], chosen: Sequence[Sequence[int]]
    ) -> Batch:
        last = batches[-1]
        with self.workspace.staging.write(
            tenant=self.tenant,
            entity=ENTITIES[self.entity],
            company=self.company,
            window=_all_of([batch.window for batch in ordinary]),
            batch_id=_id_after(last.batch_id),
            run_id=self.run_id,
            started_at=last.started_at,
            timezone=self.workspace.cloudsuite(self.tenant).zone,
        ) as writer:
            write_kept(self.workspace.staging, ordinary, chosen, writer)
            return writer.commit(
                route=KEPT,
                finished_at=last.finished_at,
                requests=0,
                rejected_cells=0,
                dead_letters=0,
            )


def _replaceable(batches: Sequence[Batch]) -> list[list[Batch]]:
    """Neighbours with the same columns, where there are several: a column that a batch does not bring keeps its value.

    A replay, and a batch of no rows, has no columns of its own: it goes with those before it.
    """
    number, current = 0, None
    numbers: list[int] = []
    for batch in batches:
        columns = list(batch.schema.items()) if batch.rows and not batch.for_destination else None
        if columns is not None and current not in (None, columns):
            number += 1
        current = columns or current
        numbers.append(number)
    pairs = zip(numbers, batches, strict=True)
    groups = [[one for _, one in group] for _, group in groupby(pairs, key=lambda pair: pair[0])]
    return [group for group in groups if sum(not one.for_destination for one in group) > 1]


def _all_of(windows: Sequence[Window]) -> Window:
    """One window around all."""
    starts = [window.start for window in windows]
    known = [start for start in starts if start is not None]
    first: datetime | None = min(known) if len(known) == len(starts) else None
    return Window(start=first, end=max(window.end for window in windows))


def _id_after(batch_id: str) -> str:
    """An id that sorts right after ``batch_id``, before whatever came next; a new one each time, for a crash's sake."""
    return f"{batch_id}k{secrets.token_hex(3)}"
