"""Folders of files that appear whole or not at all. The seam at which object storage comes in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ml_connector_dagster.model.errors import ConfigError


#: How a folder is called while it is being written, beside its final place.
ASIDE = ".tmp-"


class LocalStore:
    """A folder of this machine."""

    def __init__(self, root: str) -> None:
        if "://" in root and not root.startswith("file://"):
            raise ConfigError(
                f"ML_CONNECTOR_STAGING_URL {root!r}: only local folders are supported so far"
            )
        self.root = Path(root.removeprefix("file://")).absolute()

    def begin(self, path: tuple[str, ...]) -> Path:
        """An empty folder beside the final place of ``path``; what a crash left there is removed."""
        aside = self.root.joinpath(*path[:-1], ASIDE + path[-1])
        if aside.exists():
            shutil.rmtree(aside)
        aside.mkdir(parents=True)
        return aside

    def publish(self, aside: Path) -> Path:
        """Make a folder that ``begin`` gave visible under its name, durably."""
        for file in aside.iterdir():
            _sync(file)
        _sync(aside)
        final = aside.with_name(aside.name.removeprefix(ASIDE))
        aside.rename(final)
        _sync(final.parent)
        return final

    def add_file(self, folder: Path, name: str, aside: Path) -> Path:
        """Move a finished file into an existing folder, durably and in one step."""
        folder.mkdir(parents=True, exist_ok=True)
        _sync(aside)
        final = folder / name
        aside.rename(final)
        _sync(folder)
        return final

    def discard(self, aside: Path) -> None:
        """Remove a folder that was never published."""
        shutil.rmtree(aside, ignore_errors=True)

    def folders(self, depth: int) -> Iterator[Path]:
        """Every folder ``depth`` levels below the root, those being written included."""
        yield from (path for path in self.root.glob("/".join("*" * depth)) if path.is_dir())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
