"""Files that are on this machine for a moment only: on their way to object storage, or fetched from it.

Each use has a folder of its own in the machine's folder for temporary files (``TMPDIR``), readable by its user alone. A
process that is killed leaves its folder behind; the next one that needs one removes it, as nobody holds its lock any more.
"""

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from filelock import FileLock, Timeout


_PREFIX: Final = "ml-connector-scratch-"
_LOCK: Final = ".lock"


class Scratch:
    """An empty folder until ``close``."""

    def __init__(self) -> None:
        _remove_abandoned()
        # It gets the name that others look for when it is locked, not before.
        made = Path(tempfile.mkdtemp(prefix="ml-connector-new-"))
        self._lock = FileLock(made / _LOCK, thread_local=False)
        self._lock.acquire()
        self.folder = made.rename(made.with_name(made.name.replace("ml-connector-new-", _PREFIX)))

    def close(self) -> None:
        """Remove the folder and all in it; a second call does nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with FileLock(folder / _LOCK, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (Timeout, OSError):
            continue  # in use, or another user's, or gone meanwhile
