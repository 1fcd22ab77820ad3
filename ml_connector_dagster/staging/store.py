"""Folders of files that appear whole or not at all. The seam at which object storage comes in.

A folder is written beside its final place, synced file by file, and renamed; then the folders above it are synced:
after ``publish`` it survives a power loss, and before it nobody sees it. An object store would upload the files and
put the manifest last.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

from ml_connector_dagster.model.errors import ConfigError, ConnectorError


#: How a folder or file is called while it is being written or removed, beside its final place.
ASIDE: Final = ".tmp-"


class LocalStore:
    """A folder of this machine. ``step`` is called at every write point, by name: tests crash there."""

    def __init__(self, root: str, step: Callable[[str], None]) -> None:
        if "://" in root and not root.startswith("file://"):
            raise ConfigError(
                f"ML_CONNECTOR_STAGING_URL {root!r}: only local folders are supported so far"
            )
        self.root = Path(root.removeprefix("file://")).absolute()
        self._step = step

    def begin(self, path: tuple[str, ...]) -> Path:
        """An empty folder beside the final place of ``path``; what a crash left there is removed."""
        aside = self.root.joinpath(*path[:-1], ASIDE + path[-1])
        if aside.exists():
            shutil.rmtree(aside)
        make_durably(aside)
        return aside

    def publish(self, aside: Path) -> Path:
        """Make a folder that ``begin`` gave visible under its name, durably. Raises ConnectorError when it is there."""
        final = aside.with_name(aside.name.removeprefix(ASIDE))
        if final.exists():
            raise ConnectorError(f"{final} is already there: a batch is staged once")
        for file in sorted(aside.iterdir()):
            _sync(file)
            self._step(f"staging: {file.name} synced")
        _sync(aside)
        aside.rename(final)
        self._step("staging: batch renamed")
        _sync(final.parent)
        return final

    def add_numbered(self, folder: Path, aside: Path) -> Path:
        """Give a finished file the next free number in ``folder``, durably; never one that is taken."""
        _sync(aside)
        self._step("staging: receipts written")
        for number in count(sum(1 for _ in folder.glob("[0-9]*.parquet"))):
            final = folder / f"{number}.parquet"
            try:
                os.link(
                    aside, final
                )  # unlike a rename, this refuses a name that another process took
            except FileExistsError:
                continue
            break
        self._step("staging: receipts linked")
        aside.unlink()
        _sync(folder)
        return final

    def discard(self, folder: Path) -> None:
        """Remove a folder below the root, so that at no moment a part of it looks like a whole."""
        folder = folder.resolve()
        if self.root.resolve() not in folder.parents:
            raise ValueError(f"{folder} is not below the staging root {self.root}")
        if not folder.name.startswith(ASIDE):
            folder = folder.rename(folder.with_name(ASIDE + folder.name))
        shutil.rmtree(folder)

    def folders(self, depth: int) -> Iterator[Path]:
        """Every folder ``depth`` levels below the root, those being written included."""
        yield from (path for path in self.root.glob("/".join("*" * depth)) if path.is_dir())


def make_durably(folder: Path) -> None:
    """Like ``mkdir -p``, and every new entry survives a power loss."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        _sync(one.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
