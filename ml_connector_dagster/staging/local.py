"""Batches in a folder of this machine, or of one that several machines mount.

A folder is written beside its final place, synced file by file, and renamed; then the folders above it are synced:
after ``publish`` it survives a power loss, and before it nobody sees it.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.staging.durability import flush_to_disk
from ml_connector_dagster.staging.stores import MANIFEST, Folder, StoredFile


#: How a folder or file is called while it is being written or removed, beside its final place.
ASIDE: Final = ".tmp-"


class LocalStore:
    """A folder of this machine. ``step`` is called at every write point, by name: tests crash there."""

    def __init__(self, root: Path, step: Callable[[str], None]) -> None:
        self._root = root
        self._step = step

    @property
    def address(self) -> str:
        return str(self._root)

    def draft(self, path: str) -> "LocalDraft":
        return LocalDraft(final=self._root / path, step=self._step)

    def text(self, path: str) -> str:
        return (self._root / path).read_text(encoding="utf-8")

    def files(self, folder: str) -> Mapping[str, int]:
        top = self._root / folder
        return {
            file.relative_to(top).as_posix(): file.stat().st_size
            for file in top.rglob("*")
            if not file.name.startswith(ASIDE) and file.is_file()
        }

    def parquet(self, path: str, size: int) -> pq.ParquetFile:
        del size  # the file system knows it
        # pre_buffer would hold whole row groups of raw bytes beside the decoded ones
        return pq.ParquetFile(self._root / path, pre_buffer=False)

    @contextmanager
    def local_copies(self, paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The files themselves."""
        yield tuple(str(self._root / path) for path in paths)

    def add_numbered(self, folder: str, write: Callable[[Path], None]) -> str:
        place = self._root / folder
        _make_durably(place)
        aside = place / f"{ASIDE}{uuid.uuid4().hex}"
        try:
            write(aside)
            flush_to_disk(aside)
            self._step("staging: receipts written")
            final = _linked(aside)
            self._step("staging: receipts linked")
        finally:
            aside.unlink(missing_ok=True)
        flush_to_disk(place)
        return final.name

    def folders(self, depth: int) -> Iterator[Folder]:
        for folder in sorted(self._root.glob("/".join("*" * depth))):
            if folder.is_dir():
                touched_at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
                path = folder.relative_to(self._root).as_posix()
                yield Folder(path=path, touched_at=touched_at)

    def discard(self, folder: str) -> None:
        """Removing begins with the name: what is left of it when that dies halfway is not a batch any more."""
        _remove(self._root / folder)


@dataclass(slots=True, kw_only=True)
class LocalDraft:
    """A folder beside the ``final`` one; what a crash left there is removed first."""

    final: Path
    step: Callable[[str], None]
    _aside: Path = field(init=False)

    def __post_init__(self) -> None:
        self._aside = self.final.with_name(ASIDE + self.final.name)
        if self._aside.exists():
            shutil.rmtree(self._aside)
        _make_durably(self._aside)

    def begin_file(self, name: str) -> Path:
        return self._aside / name

    def end_file(self, name: str) -> StoredFile:
        return StoredFile(name=name, bytes=(self._aside / name).stat().st_size)

    def publish(self, manifest: str) -> None:
        (self._aside / MANIFEST).write_text(manifest, encoding="utf-8")
        self.step("staging: manifest written")
        if self.final.exists():
            raise ConnectorError(f"{self.final} is already there: a batch is staged once")
        for file in sorted(self._aside.iterdir()):
            flush_to_disk(file)
            self.step(f"staging: {file.name} synced")
        flush_to_disk(self._aside)
        self._aside.rename(self.final)
        self.step("staging: batch renamed")
        flush_to_disk(self.final.parent)

    def discard(self) -> None:
        if self._aside.exists():
            _remove(self._aside)


def _linked(aside: Path) -> Path:
    """Give a finished file the next free number beside it; never one that is taken."""
    for number in count(sum(1 for _ in aside.parent.glob("[0-9]*.parquet"))):
        final = aside.with_name(f"{number}.parquet")
        try:
            os.link(aside, final)  # unlike a rename, this refuses a name that another process took
        except FileExistsError:
            continue
        return final
    raise AssertionError("unreachable: count() does not end")


def _remove(folder: Path) -> None:
    if not folder.name.startswith(ASIDE):
        folder = folder.rename(folder.with_name(ASIDE + folder.name))
    shutil.rmtree(folder)


def _make_durably(folder: Path) -> None:
    """Like ``mkdir -p``, and every new entry survives a power loss."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        flush_to_disk(one.parent)
