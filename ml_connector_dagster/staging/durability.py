"""What survives a power cut."""

import os
from pathlib import Path


def flush_to_disk(path: Path) -> None:
    """Return when a file's content is on the disk; of a folder: its entries."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
