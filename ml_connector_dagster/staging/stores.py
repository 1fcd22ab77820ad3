"""What staging asks of the place where batches lie. ``local.py`` and ``objects.py`` answer it.

Paths are relative to the place, with "/" between their parts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import pyarrow.parquet as pq


MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that is finished: its name in the batch's folder, which may tell it from those of other attempts."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The folder of a batch, or of what was to become one. ``touched_at``: when something last changed in it."""

    path: str
    touched_at: datetime


class Draft(Protocol):
    """A batch that is being written. Nobody sees it before it is published."""

    def begin_file(self, name: str) -> Path:
        """A place on this machine to write the file to."""
        ...

    def end_file(self, name: str) -> StoredFile:
        """The file is written and closed."""
        ...

    def publish(self, manifest: str) -> None:
        """Make the batch visible, durably and at once. Raises ConnectorError when there is one already."""
        ...

    def discard(self) -> None:
        """Forget what was written. Safe to call again, and after ``publish``."""
        ...


class Store(Protocol):
    """A place for batches."""

    @property
    def address(self) -> str:
        """What a person calls the place: an absolute path, or a URL."""
        ...

    def draft(self, path: str) -> Draft:
        """Begin the batch whose folder will be ``path``."""
        ...

    def text(self, path: str) -> str:
        """A small file. Raises FileNotFoundError when it is not there."""
        ...

    def files(self, folder: str) -> Mapping[str, int]:
        """The files below ``folder`` with their sizes, those that are being written left out."""
        ...

    def parquet(self, path: str, size: int) -> pq.ParquetFile:
        """A Parquet file, open for reading; of a remote one, only what is asked for is fetched."""
        ...

    def local_copies(self, paths: Sequence[str]) -> AbstractContextManager[tuple[str, ...]]:
        """The files whole, as absolute paths of this machine, for as long as the block lasts."""
        ...

    def add_numbered(self, folder: str, write: Callable[[Path], None]) -> str:
        """Add a file whose name begins with the next number, durably, and never over another; answers its name."""
        ...

    def folders(self, depth: int) -> Iterator[Folder]:
        """Every folder ``depth`` levels below the place, those being written included."""
        ...

    def discard(self, folder: str) -> None:
        """Remove a folder, so that at no moment a part of it looks like a whole."""
        ...
