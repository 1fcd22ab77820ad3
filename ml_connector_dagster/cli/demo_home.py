"""A home that holds nothing but made-up data, and may therefore be emptied: told by a marker file."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ml_connector_dagster.config.settings import Settings, make_home
from ml_connector_dagster.model.errors import ConfigError


MARKER = "made-by-demo"
_LOCK = "demo.lock"


def claim(settings: Settings) -> None:
    """Mark an empty home as one for made-up data; nothing happens to any other."""
    home = settings.home
    make_home(settings)
    if not any(home.iterdir()):
        (home / MARKER).touch()


@contextmanager
def fresh_home(settings: Settings) -> Iterator[None]:
    """An empty home, for this process alone. What a demo left is removed.

    Raises ConfigError when the home holds anything else, or another demo runs in it.
    """
    claim(settings)
    home = settings.home
    if not (home / MARKER).exists():
        raise ConfigError(
            f"{home} is in use by something else than the demo. "
            "Run the demo elsewhere: ML_CONNECTOR_HOME=/tmp/demo make demo"
        )
    try:
        with FileLock(home / _LOCK, timeout=0):
            for path in home.iterdir():
                if path.name not in (MARKER, _LOCK):
                    _remove(path)
            yield
    except Timeout as error:
        raise ConfigError(f"another demo is running in {home}; end it first (Ctrl-C)") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
