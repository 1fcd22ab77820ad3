"""This machine: folders that can be written, room on the disk, file locks that hold, time zones."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, fine, problem, warning


AREA: Final = "machine"

#: A batch is written whole before it is delivered; a first load of a large table is a few GB.
LITTLE_ROOM: Final = 5 * 2**30
NO_ROOM: Final = 2**29

#: File systems on which other machines write too, as Linux names them.
NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs"}
)

_MOUNTS: Final = Path("/proc/self/mountinfo")


def look_at_home(settings: Settings) -> Iterator[Diagnosis]:
    """Whether ``ML_CONNECTOR_HOME`` can be written, has room, and is a place where locks and SQLite work."""
    home = settings.home
    if home.exists() and not home.is_dir():
        yield problem(
            AREA,
            "home",
            f"{home} is a file",
            "Set ML_CONNECTOR_HOME to a folder that this user may write.",
        )
        return
    if not home.is_dir():
        parent = next(folder for folder in home.parents if folder.exists())
        if os.access(parent, os.W_OK):
            yield fine(AREA, "home", f"{home} is not there yet; it is made on first use")
        else:
            yield problem(
                AREA,
                "home",
                f"{home} is not there, and {parent} cannot be written",
                "Set ML_CONNECTOR_HOME to a folder that this user may write.",
            )
        return
    try:
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"doctor")
    except OSError as error:
        yield problem(
            AREA,
            "home",
            f"{home} cannot be written: {error.strerror}",
            "Give this user the folder (chown), or set ML_CONNECTOR_HOME to another one.",
        )
        return
    yield fine(AREA, "home", f"{home} can be written")
    yield look_at_room(shutil.disk_usage(home).free, home)
    yield from look_at_file_system(file_system(home), settings)
    yield look_at_locks(home)


def look_at_room(free: int, where: Path) -> Diagnosis:
    """Whether ``free`` bytes are enough."""
    room = f"{free / 2**30:,.1f} GB free at {where}"
    if free < NO_ROOM:
        return problem(
            AREA, "disk", room, "Make room now: a run that cannot stage its batch fails."
        )
    if free < LITTLE_ROOM:
        return warning(
            AREA, "disk", room, "Make room, or put staging elsewhere (ML_CONNECTOR_STAGING_URL)."
        )
    return fine(AREA, "disk", room)


def look_at_file_system(kind: str, settings: Settings) -> Iterator[Diagnosis]:
    """Whether SQLite may live on a file system of this ``kind``; nothing to say of a local one."""
    if kind not in NETWORK:
        return
    if settings.ledger_url.startswith("sqlite"):
        yield problem(
            AREA,
            "network folder",
            f"the ledger is SQLite on {kind}: its shared memory does not work across machines",
            "Keep the ledger in PostgreSQL (ML_CONNECTOR_LEDGER_URL), or the home on a local disk.",
        )
    else:
        yield warning(
            AREA,
            "network folder",
            f"{settings.home} is on {kind}; a DuckDB file there may be opened by one machine only",
            "Keep DuckDB files on the local disk of the one machine that delivers to them.",
        )


def look_at_locks(folder: Path) -> Diagnosis:
    """Whether a file lock keeps a second one out: credentials and DuckDB files rest on it."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as first:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(first.name, "rb") as second:
                try:
                    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return fine(AREA, "file locks", "hold")
        except OSError as error:
            return problem(
                AREA,
                "file locks",
                f"{folder} has none: {error.strerror}",
                "Mount the folder with locks (NFS 4, or lockd), or use a local one.",
            )
    return problem(
        AREA,
        "file locks",
        f"two locks on one file of {folder} were granted at once",
        "Use a local folder, or mount this one without nolock.",
    )


def look_at_timezones(names: frozenset[str]) -> Diagnosis:
    """Whether the zones of all tenants and schedules can be loaded."""
    unknown = []
    for name in sorted(names):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            unknown.append(name)
    if unknown:
        return problem(
            AREA,
            "time zones",
            f"not known here: {', '.join(unknown)}",
            "Install the package tzdata (pip install tzdata).",
        )
    return fine(AREA, "time zones", ", ".join(sorted(names)) or "none named")


def file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of file system that holds ``path``, as in Linux's mountinfo; "" where that is not told.

    Fields after " - " are the kind and its source (kernel.org, Documentation/filesystems/proc.rst, 3.5).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    resolved = path.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        place = Path(before.split()[4].encode().decode("unicode_escape"))
        # Of two mounts on one place, the later one is on top.
        if (place == resolved or place in resolved.parents) and len(place.parts) >= best:
            best, kind = len(place.parts), after.split()[0]
    return kind
