"""Python and the packages, against what was tested: the lock file, and the ranges that the package declares."""

import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, fine, problem, warning


AREA: Final = "packages"
OWN: Final = "ml-connector-dagster"

#: The versions of Python that the package declares (``requires-python``).
OLDEST: Final = (3, 11)
TOO_NEW: Final = (3, 14)

_PIN: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)")


def look_at_python(found: tuple[int, int]) -> Diagnosis:
    """Whether this interpreter, ``found`` (major, minor), is one that the package declares."""
    words = ".".join(map(str, found))
    if OLDEST <= found < TOO_NEW:
        return fine("python", "version", f"{words} at {sys.executable}")
    return problem(
        "python",
        "version",
        f"{words}, and 3.11 to 3.13 are supported",
        "Make the environment again with a supported Python: make clean, then make PYTHON=python3.12 test.",
    )


def look_at_ranges() -> Diagnosis:
    """Whether what is installed is what the package asks for, its extras left aside."""
    wrong = []
    for text in requires(OWN) or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = _installed(wanted.name)
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name}{wanted.specifier} (found {found or 'nothing'})")
    if wrong:
        return problem(
            AREA,
            "needed",
            f"{', '.join(wrong)}",
            "Install what the lock names: uv pip install -r requirements.lock.",
        )
    return fine(AREA, "needed", f"{OWN} {version(OWN)} and everything that it needs")


def look_at_lock(lock: Path) -> Diagnosis:
    """Whether the installed packages are the very versions that were tested together."""
    if not lock.is_file():
        return warning(
            AREA,
            "lock",
            f"no {lock}: versions were not compared with those that were tested together",
            "Run this beside requirements.lock, or give --lock.",
        )
    pins = dict(pinned(lock.read_text(encoding="utf-8")))
    installed = {name: found for name in pins if (found := _installed(name)) is not None}
    other = [
        f"{name} {found} (tested {pins[name]})"
        for name, found in installed.items()
        if found != pins[name]
    ]
    if other:
        shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
        return warning(
            AREA,
            "lock",
            f"other versions than were tested: {shown}",
            "Install what the lock names: uv pip install -r requirements.lock.",
        )
    return fine(AREA, "lock", f"all {len(installed)} installed packages are those of {lock.name}")


def pinned(text: str) -> list[tuple[str, str]]:
    """(name, version) of each line that pins one; of two for different Pythons, the one for this one."""
    found = []
    for line in text.splitlines():
        match = _PIN.match(line)
        if match is None:
            continue
        wanted = Requirement(line.split(" \\")[0])
        if wanted.marker is None or wanted.marker.evaluate():
            found.append((match["name"], match["version"]))
    return found


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
