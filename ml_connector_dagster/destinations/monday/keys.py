"""Which new records are on a board already: asked once for a plan, before the first of them is made.

An item may have our key although the ledger knows nothing of it: another installation made it, or the ledger was
lost. It is taken over. Of several items with one key the oldest counts, and the others are reported.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from ml_connector_dagster.destinations.applications.contract import Change, ChangeKind
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.batches import send
from ml_connector_dagster.destinations.monday.layouts import Layout
from ml_connector_dagster.destinations.monday.reading import ids_of_keys


_log = logging.getLogger(__name__)


class KnownKeys:
    """Keys of new records, by entity."""

    def __init__(
        self,
        api: MondayApi,
        *,
        archive_duplicates: bool,
        batch: int,
        pause: Callable[[float], None],
    ) -> None:
        self._api = api
        self._archive_duplicates = archive_duplicates
        self._batch = batch
        self._pause = pause
        self._planned: dict[str, set[str]] = {}  # entity → keys of a plan
        self._asked: dict[str, set[str]] = {}  # entity → those that were looked up
        self._there: dict[str, dict[str, str]] = {}  # entity → key → item that has it

    def plan(self, entity: str, changes: Sequence[Change]) -> None:
        """Forget the last plan; the keys of this one are looked up together, when the first is needed."""
        self._planned[entity] = _new_keys(changes)
        self._asked[entity] = set()
        self._there[entity] = {}

    def taken_over(self, layout: Layout, changes: Sequence[Change]) -> list[Change]:
        """``changes``, with new records whose key is on the board as updates of its item."""
        entity = layout.placement.entity
        new, asked = _new_keys(changes), self._asked.setdefault(entity, set())
        there = self._there.setdefault(entity, {})
        if new - asked:
            keys = new | self._planned.get(entity, set())
            found = ids_of_keys(self._api, layout, sorted(keys - asked))
            self._report(layout, found)
            there.update({key: ids[0] for key, ids in found.items()})
            asked |= keys
        return [
            replace(change, kind=ChangeKind.UPDATE, remote_id=there[change.external_id])
            if change.kind is ChangeKind.CREATE and change.external_id in there
            else change
            for change in changes
        ]

    def _report(self, layout: Layout, found: dict[str, list[str]]) -> None:
        extra = {key: ids[1:] for key, ids in found.items() if len(ids) > 1}
        if not extra:
            return
        _log.warning(
            "board %r: %d keys are on several items, the oldest counts; first %r, items %s",
            layout.board.name,
            len(extra),
            next(iter(extra)),
            ", ".join(next(iter(extra.values()))),
        )
        if self._archive_duplicates:
            self._archive(layout, [number for numbers in extra.values() for number in numbers])

    def _archive(self, layout: Layout, numbers: Sequence[str]) -> None:
        doomed = [
            Change(kind=ChangeKind.ARCHIVE, external_id=number, remote_id=number)
            for number in numbers
        ]
        for start in range(0, len(doomed), self._batch):
            part = doomed[start : start + self._batch]
            for _ in send(self._api, layout, part, "duplicates", pause=self._pause):
                pass


def _new_keys(changes: Sequence[Change]) -> set[str]:
    return {change.external_id for change in changes if change.kind is ChangeKind.CREATE}
