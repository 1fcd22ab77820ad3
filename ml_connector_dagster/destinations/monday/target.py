"""The records of a Monday.com account: which way they go, and what must be looked up before.

Written from reference/saas-destinations.md §2.3. Few changes go as aliased mutations, 25 in a call; many as one file.
A new record is looked up by its key first: an item that somebody or an earlier installation made is taken over.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.applications.contract import (
    Budget,
    Change,
    ChangeKind,
    FieldKind,
    Found,
    Placement,
    Portion,
    Ticket,
    Usage,
    Written,
)
from ml_connector_dagster.destinations.monday import archiving, imports, jobs
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.batches import rejected, send
from ml_connector_dagster.destinations.monday.boards import PARENT_ITEM, Boards
from ml_connector_dagster.destinations.monday.keys import KnownKeys
from ml_connector_dagster.destinations.monday.layouts import Layout, layout_of
from ml_connector_dagster.destinations.monday.reading import (
    SEARCHES_FOR_VALUES,
    columns_of,
    found_in,
    key_of,
    rows_of_board,
    rows_of_keys,
)
from ml_connector_dagster.model.errors import TransientError


IMPORT: Final = "import"
ARCHIVE: Final = "archive"
MUTATIONS: Final = "mutations"
SUBITEMS: Final = "subitems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much goes where, and how much of the day may be used.

    Attributes:
        batch: changes in a mutation.
        import_above: more changes than this go as a file.
        daily_calls: what the plan allows, as long as the account does not say.
        ceiling: the share of it that we use at most.
    """

    batch: int
    import_above: int
    daily_calls: int
    ceiling: float


class MondayTarget:
    """Implements ``Target``. One writer at a time."""

    def __init__(
        self,
        api: MondayApi,
        boards: Boards,
        sizes: Sizes,
        *,
        archive_duplicates: bool,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._boards = boards
        self._sizes = sizes
        self._pause = pause
        self._keys = KnownKeys(
            api, archive_duplicates=archive_duplicates, batch=sizes.batch, pause=pause
        )

    def plan(self, placement: Placement, changes: Sequence[Change]) -> tuple[Portion, ...]:
        """Jobs for many, mutations for few; what a file cannot say goes by mutation."""
        kept = [change for change in changes if change.kind is not ChangeKind.ARCHIVE]
        dropped = [change for change in changes if change.kind is ChangeKind.ARCHIVE]
        if len(dropped) <= self._sizes.import_above:
            dropped = []
        filed: list[Change] = []
        if len(kept) > self._sizes.import_above and _may_be_filed(placement):
            filed = [change for change in kept if imports.fits_a_cell(change)]
        in_files = {change.external_id for change in (*filed, *dropped)}
        rest = [change for change in changes if change.external_id not in in_files]
        self._keys.plan(placement.entity, rest)
        portions = [
            Portion(route=IMPORT, changes=tuple(part), calls=1 + _lookups(part))
            for part in _cut(filed, imports.MOST_ROWS)
        ]
        portions += [
            Portion(route=ARCHIVE, changes=tuple(part), calls=1)
            for part in _cut(dropped, archiving.MOST_ITEMS)
        ]
        portions += [
            # The first one looks up the keys of all that are new.
            Portion(route=MUTATIONS, changes=tuple(part), calls=1 if n else 1 + _lookups(rest))
            for n, part in enumerate(_cut(rest, self._sizes.batch))
        ]
        return tuple(portions)

    def write(
        self, placement: Placement, portion: Portion, ticket: Ticket
    ) -> Iterator[Sequence[Written]]:
        """Send one portion, call by call."""
        layout = layout_of(self._boards, placement)
        self._check_budget()
        if portion.route == IMPORT and layout.takes_files:
            yield from self._import(layout, portion.changes, ticket)
        elif portion.route == ARCHIVE:
            yield archiving.archive(self._api, layout, portion.changes, ticket.id)
        else:
            yield from self._mutate(layout, portion.changes, ticket)

    def _import(
        self, layout: Layout, changes: Sequence[Change], ticket: Ticket
    ) -> Iterator[Sequence[Written]]:
        job_id = imports.start(self._api, layout, changes, ticket)
        job = jobs.wait(self._api, job_id, pause=self._pause)
        if job is None:
            raise TransientError(f"Monday.com has not taken the file of import {job_id}")
        yield from imports.outcomes(self._api, layout, job, changes, pause=self._pause)

    def _mutate(
        self, layout: Layout, changes: Sequence[Change], ticket: Ticket
    ) -> Iterator[Sequence[Written]]:
        for part in _cut(self._keys.taken_over(layout, changes), self._sizes.batch):
            orphans = [change for change in part if _is_orphan(layout, change)]
            if orphans:
                reason = f"{PARENT_ITEM}: a subitem needs an item above it"
                yield [rejected(change, reason) for change in orphans]
            sendable = [change for change in part if change not in orphans]
            if sendable:
                yield from send(self._api, layout, sendable, ticket.id, pause=self._pause)

    def collect(
        self, placement: Placement, job_id: str, external_ids: Sequence[str]
    ) -> Iterator[Sequence[Written]]:
        """Wait for an import that an earlier process began."""
        job = jobs.wait(self._api, job_id, pause=self._pause)
        if job is None:
            return
        layout = layout_of(self._boards, placement)
        # What kind of change it was is not kept: every id is looked up.
        changes = [
            Change(kind=ChangeKind.CREATE, external_id=external_id) for external_id in external_ids
        ]
        yield from imports.outcomes(self._api, layout, job, changes, pause=self._pause)

    def find(
        self, placement: Placement, *, external_ids: Sequence[str] | None, prefix: str
    ) -> Iterator[Found]:
        """Items by key, or all of a prefix. Archived ones are not on the board any more."""
        layout = layout_of(self._boards, placement)
        columns = columns_of(layout)
        if external_ids is None:
            rows = rows_of_board(self._api, layout, columns)
        else:
            keys = list(dict.fromkeys(external_ids))
            rows = rows_of_keys(self._api, layout, keys, columns, SEARCHES_FOR_VALUES)
        for row in rows:
            if (key := key_of(layout, row)) and key.startswith(prefix):
                yield found_in(layout, row)

    def usage(self) -> Usage:
        """Calls of this process, and of the account's day where it tells them."""
        limit = self._boards.daily_limit or self._sizes.daily_calls
        used = (self._boards.used_today or 0) + self._api.calls
        budget = Budget(
            name="calls of the account today",
            used=used,
            limit=limit,
            ceiling=int(limit * self._sizes.ceiling),
        )
        return Usage(requests=self._api.calls, budgets=(budget,))

    def _check_budget(self) -> None:
        (budget,) = self.usage().budgets
        if budget.used >= budget.ceiling:
            raise TransientError(
                f"Monday.com: {budget.used:,} of {budget.limit:,} calls of today are used and {budget.ceiling:,} is "
                "our limit (usage_ceiling of the connection); the rest is delivered tomorrow (UTC)"
            )


def _may_be_filed(placement: Placement) -> bool:
    return placement.style != SUBITEMS and FieldKind.FLAG not in placement.fields.values()


def _is_orphan(layout: Layout, change: Change) -> bool:
    return (
        layout.is_of_subitems and change.kind is ChangeKind.CREATE and not layout.parent_of(change)
    )


def _lookups(changes: Sequence[Change]) -> int:
    """Calls that look up the keys of new records, before or after."""
    new = sum(change.kind is ChangeKind.CREATE for change in changes)
    return -(-new // imports.KEYS_PER_LOOK)


def _cut(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]
