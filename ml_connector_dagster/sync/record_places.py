"""Which batches may hold a record, so that its trace does not open thousands of files.

The trail's file knows it for the batches that it has taken over (``trail``); the others are looked into. The
file is a cache: where it is away, busy or broken, every batch is looked into, as if there were none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.sync.trail import Trail
from ml_connector_dagster.sync.workspace import Workspace


#: So few batches are simply looked into.
WORTH_ASKING: Final = 200

#: How long the file is waited for: then the batches are looked into.
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPlaces:
    """``known``: batches of which it is known whether they hold the record; ``holding``: those that do."""

    known: frozenset[str] = frozenset()
    holding: frozenset[str] = frozenset()

    def may_hold(self, batch: Batch) -> bool:
        """Whether the batch has to be opened. Of replays the trail keeps no rows, so they always are."""
        if batch.for_destination or batch.batch_id not in self.known:
            return batch.rows > 0
        return batch.batch_id in self.holding


def places_of(workspace: Workspace, record_id: str, batches: Sequence[Batch]) -> RecordPlaces:
    """Where ``record_id`` may be among ``batches``, as far as the trail was brought up to date. Nothing is written."""
    if len(batches) <= WORTH_ASKING:
        return RecordPlaces()
    try:
        known, holding = Trail(workspace, wait_seconds=_PATIENCE).holding(record_id)
    except (ConnectorError, OSError):
        return RecordPlaces()
    return RecordPlaces(known=known, holding=holding)
