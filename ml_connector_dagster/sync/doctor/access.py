"""Credentials: the key and its file, whether it opens the store, and whether every connection has one."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, fine, problem, warning


AREA: Final = "credentials"


def look_at_key(settings: Settings) -> Iterator[Diagnosis]:
    """Where the key comes from, and whether others may read what only its owner should."""
    if settings.encryption_keys:
        count = len(settings.encryption_keys)
        yield fine(AREA, "key", f"{count} in the environment variable ML_CONNECTOR_KEY")
    elif not settings.key_file.exists():
        if settings.credentials_file.exists():
            yield problem(
                AREA,
                "key",
                f"{settings.key_file} is gone, and {settings.credentials_file} was encrypted with it",
                "Put the key file back from a backup, or set ML_CONNECTOR_KEY.",
            )
            return
        yield fine(AREA, "key", "none yet; it is made with the first credential")
    else:
        yield fine(AREA, "key", f"in {settings.key_file}")
    # Whoever reads the key reads everything. The store is encrypted: a group may read it, as Kubernetes mounts secrets.
    for file, closed in ((settings.key_file, 0o077), (settings.credentials_file, 0o027)):
        if file.exists():
            yield _private(file, closed)


def _private(file: Path, closed: int) -> Diagnosis:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & closed:
        return problem(
            AREA,
            file.name,
            f"{file} can be read or changed by other users (mode {mode:04o})",
            f"Close it: chmod 600 {file}",
        )
    return fine(AREA, file.name, f"mode {mode:04o}")


def look_at_store(settings: Settings, project: Project) -> Iterator[Diagnosis]:
    """Whether each credential that a connection names is there and can be decrypted."""
    if not settings.credentials_file.exists() and not settings.key_file.exists():
        # Opening the store would make a key.
        stored: frozenset[str] = frozenset()
    else:
        store = open_store(settings)
        stored = frozenset(info.name for info in store.list())
        unreadable = []
        for name in sorted(stored):
            try:
                store.get(name)
            except CredentialError as error:
                unreadable.append(str(error))
        if unreadable:
            yield problem(
                AREA,
                "store",
                unreadable[0] + (f" (and {len(unreadable) - 1} more)" if unreadable[1:] else ""),
                "Put the right key back, or add the credentials again.",
            )
        else:
            yield fine(AREA, "store", f"{len(stored)} credentials, all of them can be decrypted")
    wanted = named_credentials(project)
    if settings.staging_credential:
        wanted["staging"] = settings.staging_credential
    for connection, name in wanted.items():
        if name not in stored:
            yield problem(
                AREA,
                connection,
                f"needs the credential {name!r}, which is not stored",
                f"Add it: ml-connector credentials add {name} {project.stored_by(name)}".rstrip(),
            )
    unused = sorted(stored - set(wanted.values()))
    if unused:
        yield warning(
            AREA,
            "unused",
            f"nothing names {', '.join(unused)}",
            "Remove what is not needed: ml-connector credentials remove NAME",
        )


def named_credentials(project: Project) -> dict[str, str]:
    """Connection, or channel of alerts, → the credential that it names; those that need none are left out."""
    found = {
        f"alerts to {channel.credential}": channel.credential for channel in project.alerts.channels
    }
    for name, connection in project.connections.items():
        credential = getattr(connection, "credential", "")
        if credential:
            found[name] = credential
    return found
