"""``Staging``: all batches of an installation."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.config.staging import StagingKind, staging_place
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.manifests import batch_of_manifest
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging.local import LocalStore
from ml_connector_dagster.staging.objects import ObjectStore
from ml_connector_dagster.staging.paths import safe_part
from ml_connector_dagster.staging.reading import StoredBatch
from ml_connector_dagster.staging.schemas import selected
from ml_connector_dagster.staging.stores import MANIFEST, Store
from ml_connector_dagster.staging.writing import BatchWriter


#: tenant / entity / company / window / batch
_DEPTH = 5


class Staging:
    """Batches in one place: ``…/tenant/entity/company/window/batch_id/part-0.parquet, …`` beside ``manifest.json``.

    ``url`` is a folder or object storage (``config.staging``). ``credential`` is what object storage is opened with; None
    leaves it to the cloud. ``step`` is called at every write point, by name: tests crash there.
    """

    def __init__(
        self,
        url: str,
        *,
        credential: Credential | None = None,
        step: Callable[[str], None] = lambda name: None,
    ) -> None:
        place = staging_place(url)
        self._store: Store
        if place.kind is StagingKind.FOLDER:
            self._store = LocalStore(Path(place.prefix), step)
        else:
            self._store = ObjectStore(place, credential, step)
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

    def open(self, batch: Batch) -> StoredBatch:
        """A committed batch with its rows. Use it in a ``with`` block: its ``files`` may be fetched, and are gone after it."""
        return StoredBatch(self._store, batch)

    @contextmanager
    def files(self, batches: Iterable[Batch]) -> Iterator[list[str]]:
        """The Parquet parts of several batches, as files of this machine inside the block."""
        with ExitStack() as stack:
            yield [file for one in batches for file in stack.enter_context(self.open(one)).files]

    def locate(self, batch: Batch) -> str:
        """Where a batch's folder is: an absolute path, or a URL."""
        return f"{self._store.address}/{batch.path}"

    def find(self, batch: Batch, record_ids: Sequence[str]) -> pa.Table:
        """The rows of these records in ``batch``, in file order."""
        return self.open(batch).find(record_ids)

    def columns(self, batches: Iterable[Batch], names: Sequence[str]) -> pa.RecordBatchReader:
        """A few columns of several batches as one stream, in bounded memory; null where a batch has no such column."""
        several = tuple(batches)
        schema = pa.unify_schemas([selected(batch, names) for batch in several])
        return pa.RecordBatchReader.from_batches(schema, self._parts(several, schema))

    def _parts(self, batches: Iterable[Batch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in self.open(batch).reader(schema.names):
                arrays = [
                    part[field.name]
                    if field.name in part.schema.names
                    else pa.nulls(part.num_rows, field.type)
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def receipts(
        self,
        batch: Batch,
        destination: str | None = None,
        record_ids: Sequence[str] | None = None,
    ) -> pa.Table:
        """What ``destination`` (None: every one) answered for ``batch``, record by record, with its name in front.

        With ``record_ids``, only for these.
        """
        return self.open(batch).receipts(destination, record_ids)

    def manifest(self, location: str) -> Batch:
        """The batch that is staged at ``location`` (of ``locate``, ``orphans``).

        Raises ValueError when its manifest cannot be read, FileNotFoundError when there is none.
        """
        return batch_of_manifest(self._store.text(f"{self._path(location)}/{MANIFEST}"))

    def orphans(
        self, known: Collection[str], *, untouched_since: datetime | None = None
    ) -> tuple[str, ...]:
        """Where a crash left something: half-written batches, and whole ones that are not among ``known`` ids.

        A batch that is being written or committed right now looks the same: before anything is removed, give an
        ``untouched_since`` that is longer ago than a read takes.
        """
        names = {safe_part(batch_id) for batch_id in known}
        return tuple(
            f"{self._store.address}/{folder.path}"
            for folder in self._store.folders(_DEPTH)
            if folder.path.rpartition("/")[2] not in names
            and (untouched_since is None or folder.touched_at < untouched_since)
        )

    def discard(self, orphan: str) -> None:
        """Remove one of the folders that ``orphans`` answered. Raises ValueError for what is no batch's."""
        path = self._path(orphan)
        parts = path.split("/")
        if len(parts) != _DEPTH or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"{orphan} is not the folder of a batch in {self._store.address}")
        self._store.discard(path)

    def _path(self, location: str) -> str:
        path = location.removeprefix(f"{self._store.address}/")
        if path == location:
            raise ValueError(f"{location} is not in {self._store.address}")
        return path
