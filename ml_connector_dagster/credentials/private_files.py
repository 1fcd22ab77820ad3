"""Files that only their owner reads, replaced whole or not at all."""

import os
import stat
from pathlib import Path

from ml_connector_dagster.model.errors import CredentialError


def write_private(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, mode 0600: written aside, synced, renamed. The caller holds the lock on ``path``.

    A crash at any point leaves the old file or the new one. What a crash leaves aside is replaced next time.
    """
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    # O_EXCL: never through a link that somebody else put there; 0600 from the first moment on.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private_folder(folder: Path) -> None:
    """``folder`` with its parents; a folder that is new is for its owner only."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def refuse_shared(path: Path, status: os.stat_result) -> None:
    """Raises CredentialError when others than the owner may read or write ``path``."""
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise CredentialError(
            f"{path} can be read or changed by other users (mode {stat.S_IMODE(status.st_mode):04o}). "
            f"Close it with: chmod 600 {path}"
        )
