"""``Staging``: all batches of an installation."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.manifests import batch_of_manifest
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging.paths import safe_part
from ml_connector_dagster.staging.reading import LocalStagedBatch
from ml_connector_dagster.staging.store import LocalStore
from ml_connector_dagster.staging.writing import MANIFEST, BatchWriter


#: tenant / entity / company / window / batch
_DEPTH = 5


class Staging:
    """Batches under one root: ``…/tenant/entity/company/window/batch_id/part-0.parquet, …`` beside ``manifest.json``.

    ``step`` is called at every write point, by name: tests crash there.
    """

    def __init__(self, root: str, *, step: Callable[[str], None] = lambda name: None) -> None:
        self._store = LocalStore(root, step)
        self._step = step

    def write(
        self,
        *,
        tenant: str,
        entity: Entity,
        company: str,
        window: Window,
        batch_id: str,
        run_id: str,
        started_at: datetime,
        timezone: ZoneInfo,
        for_destination: str = "",
    ) -> BatchWriter:
        """Begin a batch. Days are counted in ``timezone``."""
        return BatchWriter(
            store=self._store,
            batch_id=batch_id,
            run_id=run_id,
            tenant=tenant,
            entity=entity,
            company=company,
            window=window,
            started_at=started_at,
            timezone=timezone,
            for_destination=for_destination,
            step=self._step,
        )

    def open(self, batch: Batch) -> LocalStagedBatch:
        """A committed batch with its rows."""
        return LocalStagedBatch(self._store, batch)

    def locate(self, batch: Batch) -> str:
        """The absolute path of a batch's folder."""
        return str(self._store.root / batch.path)

    def find(self, batch: Batch, record_ids: Sequence[str]) -> pa.Table:
        """The rows of these records in ``batch``, in file order."""
        return self.open(batch).find(record_ids)

    def receipts(self, batch: Batch, destination: str | None = None) -> pa.Table:
        """What ``destination`` (None: every one) answered for ``batch``, record by record, with its name in front."""
        return self.open(batch).receipts(destination)

    def manifest(self, folder: Path) -> Batch:
        """The batch that is staged in ``folder``. Raises ValueError when its manifest cannot be read."""
        return batch_of_manifest((folder / MANIFEST).read_text(encoding="utf-8"))

    def orphans(
        self, known: Collection[str], *, untouched_since: datetime | None = None
    ) -> tuple[Path, ...]:
        """Batch folders that a crash left: half-written ones, and whole ones that are not among ``known`` ids.

        A batch that is being written or committed right now looks the same: before anything is removed, give an
        ``untouched_since`` that is longer ago than a read takes.
        """
        names = {safe_part(batch_id) for batch_id in known}
        return tuple(
            folder
            for folder in sorted(self._store.folders(_DEPTH))
            if folder.name not in names
            and (untouched_since is None or folder.stat().st_mtime < untouched_since.timestamp())
        )

    def discard(self, orphan: Path) -> None:
        """Remove one of the folders that ``orphans`` answered. Raises ValueError for a path that is no batch's."""
        if orphan.resolve() not in {folder.resolve() for folder in self._store.folders(_DEPTH)}:
            raise ValueError(f"{orphan} is not the folder of a batch in {self._store.root}")
        self._store.discard(orphan)
