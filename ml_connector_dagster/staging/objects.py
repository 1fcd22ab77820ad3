"""Batches in object storage: S3, Azure Data Lake, Google Cloud Storage.

Nothing can be renamed there, but one object can be made on condition that there is none. So parts are uploaded under names
of their own attempt, and the manifest comes last, created only if absent: it makes the batch, for one of several that try.
What has no manifest is no batch. Every other object has a name that nobody else chooses, so an upload can be repeated
safely, and in parts.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

from ml_connector_dagster.config.staging import StagingPlace
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.model.errors import ConnectorError, ContractError, TransientError
from ml_connector_dagster.staging.clouds import open_client
from ml_connector_dagster.staging.ranges import RangedFile
from ml_connector_dagster.staging.refusals import explained
from ml_connector_dagster.staging.scratch import Scratch
from ml_connector_dagster.staging.stores import MANIFEST, Folder, StoredFile


if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client


#: An upload goes in chunks of this size, so many at a time: what it holds in memory. S3 wants 5 MiB at least.
_CHUNK: Final = 8 * 1024 * 1024
_AT_ONCE: Final = 3

#: Files fetched at the same time, and what is held of each.
_FETCHED_AT_ONCE: Final = 4
_FETCHED_CHUNK: Final = 1024 * 1024


class ObjectStore:
    """A prefix of a bucket. ``step`` is called at every write point, by name: tests crash there."""

    def __init__(
        self, place: StagingPlace, credential: Credential | None, step: Callable[[str], None]
    ) -> None:
        self._bucket = _Bucket(place=place, client=open_client(place, credential))
        self._step = step

    @property
    def address(self) -> str:
        return self._bucket.place.address

    def draft(self, path: str) -> "ObjectDraft":
        return ObjectDraft(bucket=self._bucket, path=path, step=self._step)

    def text(self, path: str) -> str:
        return self._bucket.content(path).decode("utf-8")

    def files(self, folder: str) -> Mapping[str, int]:
        return {
            path.removeprefix(f"{folder}/"): size for path, size, _ in self._bucket.listed(folder)
        }

    def parquet(self, path: str, size: int) -> pq.ParquetFile:
        """Row groups are fetched in few large ranges: each column by itself would be a request."""
        file = RangedFile(lambda start, length: self._bucket.range(path, start, length), size)
        return pq.ParquetFile(file, pre_buffer=True)

    @contextmanager
    def local_copies(self, paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The files, fetched side by side into a folder that is gone afterwards."""
        with Scratch() as scratch, ThreadPoolExecutor(_FETCHED_AT_ONCE) as threads:
            # Readers go by the order of paths, some by that of names: a number in front keeps both the same.
            copies = [
                scratch.folder / f"{number:05}-{path.rpartition('/')[2]}"
                for number, path in enumerate(paths)
            ]
            list(threads.map(self._bucket.fetch, paths, copies))
            yield tuple(map(str, copies))

    def add_numbered(self, folder: str, write: Callable[[Path], None]) -> str:
        """Numbers tell the order; of two processes that take the same one, chance tells the names apart."""
        number = sum(1 for _ in self._bucket.listed(folder))
        name = f"{number}-{secrets.token_hex(4)}.parquet"
        with Scratch() as scratch:
            file = scratch.folder / name
            write(file)
            self._step("staging: receipts written")
            self._bucket.upload(f"{folder}/{name}", file)
        self._step("staging: receipts uploaded")
        return name

    def folders(self, depth: int) -> Iterator[Folder]:
        touched: dict[str, datetime] = {}
        for path, _, modified in self._bucket.listed(""):
            parts = path.split("/")
            if len(parts) > depth:
                folder = "/".join(parts[:depth])
                touched[folder] = max(modified, touched.get(folder, modified))
        for folder, touched_at in sorted(touched.items()):
            yield Folder(path=folder, touched_at=touched_at)

    def discard(self, folder: str) -> None:
        """Removing begins with the manifest: what is left when that dies halfway is not a batch any more."""
        paths = [path for path, _, _ in self._bucket.listed(folder)]
        manifest = f"{folder}/{MANIFEST}"
        if manifest in paths:
            paths.remove(manifest)
            self._bucket.remove([manifest])
        self._bucket.remove(paths)


@dataclass(slots=True, kw_only=True)
class ObjectDraft:
    """Parts on their way. Each is written on this machine, uploaded, and removed here before the next begins."""

    bucket: "_Bucket"
    path: str
    step: Callable[[str], None]
    _scratch: Scratch = field(init=False, default_factory=Scratch)
    _attempt: str = field(init=False, default_factory=lambda: secrets.token_hex(4))
    _uploaded: list[str] = field(init=False, default_factory=list)

    def begin_file(self, name: str) -> Path:
        return self._scratch.folder / name

    def end_file(self, name: str) -> StoredFile:
        file = self._scratch.folder / name
        stem, _, kind = name.rpartition(".")
        stored = StoredFile(name=f"{stem}.{self._attempt}.{kind}", bytes=file.stat().st_size)
        path = f"{self.path}/{stored.name}"
        self._uploaded.append(path)
        self.bucket.upload(path, file)
        file.unlink()
        self.step("staging: part uploaded")
        return stored

    def publish(self, manifest: str) -> None:
        if not self.bucket.create(f"{self.path}/{MANIFEST}", manifest.encode()):
            raise ConnectorError(
                f"{self.bucket.place.address}/{self.path} is already there: a batch is staged once"
            )
        self._uploaded.clear()
        self.step("staging: manifest created")
        self._scratch.close()

    def discard(self) -> None:
        self._scratch.close()
        uploaded, self._uploaded = self._uploaded, []
        # What stays is an orphan; what went wrong first is what is told.
        with suppress(ConnectorError):
            self.bucket.remove(uploaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bucket:
    """The client's calls that are needed, with its errors in our words."""

    place: StagingPlace
    client: "Client"

    def upload(self, path: str, file: Path) -> None:
        """Over what is there: the name is the caller's alone. A failed upload in chunks is aborted by the client."""
        try:
            with explained(self.place, "write", path):
                self.client.put(path, file, chunk_size=_CHUNK, max_concurrency=_AT_ONCE)
        except FileNotFoundError:
            # S3 does not know an upload any more: the answer to its completion was lost, and the next try came late.
            if self.size(path) != file.stat().st_size:
                raise TransientError(
                    f"staging could not write {self.place.address}/{path}: the upload went away. Run again"
                ) from None

    def create(self, path: str, content: bytes) -> bool:
        """Whether the object is there now and was not before; a lost answer is looked up."""
        from obstore.exceptions import AlreadyExistsError

        try:
            with explained(self.place, "write", path):
                self.client.put(path, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            pass
        else:
            return True
        try:
            return (
                self.content(path) == content
            )  # by a try of this very call, whose answer was lost
        except FileNotFoundError:
            raise TransientError(
                f"staging could not write {self.place.address}/{path}: somebody else was writing there (409). Run again"
            ) from None

    def size(self, path: str) -> int | None:
        """None when there is no such object."""
        try:
            with explained(self.place, "read", path):
                return self.client.head(path)["size"]
        except FileNotFoundError:
            return None

    def content(self, path: str) -> bytes:
        with explained(self.place, "read", path):
            return bytes(self.client.get(path).bytes())

    def range(self, path: str, start: int, length: int) -> bytes:
        """So many bytes, never fewer: Arrow does not look, and would read on in memory that is not its own."""
        with self._missing_said(path), explained(self.place, "read", path):
            data = bytes(self.client.get_range(path, start=start, length=length))
        if len(data) != length:
            raise TransientError(
                f"staging could not read {self.place.address}/{path}: {len(data):,} of {length:,} bytes came. Run again"
            )
        return data

    def fetch(self, path: str, file: Path) -> None:
        with (
            self._missing_said(path),
            explained(self.place, "read", path),
            file.open("wb") as out,
        ):
            for chunk in self.client.get(path).stream(min_chunk_size=_FETCHED_CHUNK):
                out.write(chunk)

    def listed(self, folder: str) -> Iterator[tuple[str, int, datetime]]:
        """Path, size and time of every object below ``folder``."""
        with explained(self.place, "list", folder):
            for page in self.client.list(folder or None, chunk_size=1000):
                for one in page:
                    yield one["path"], one["size"], one["last_modified"]

    def remove(self, paths: Sequence[str]) -> None:
        """Remove objects; one that is not there is no error."""
        if not paths:
            return
        try:
            with explained(self.place, "remove", paths[0]):
                self.client.delete(list(paths))
        except FileNotFoundError:
            # Azure and Google tell of the first one that is missing, S3 of none.
            for path in paths:
                with suppress(FileNotFoundError), explained(self.place, "remove", path):
                    self.client.delete(path)

    @contextmanager
    def _missing_said(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise ContractError(
                f"{self.place.address}/{path} went away while it was read; restore it from a version or a copy"
            ) from None
