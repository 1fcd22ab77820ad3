"""Encryption keys, newest first: the newest encrypts, all of them decrypt. Fernet does the cryptography.

The keys come from the environment variable ``ML_CONNECTOR_KEY``, or else from a key file (mode 0600, one key a
line, newest first) that is made on first use. A ring of a key file follows the file: when another process rotates
the keys, the next encryption or decryption here uses the new ones.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from filelock import FileLock, Timeout

from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials.private_files import (
    make_private_folder,
    refuse_shared,
    write_private,
)
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret


KEY_VARIABLE = "ML_CONNECTOR_KEY"
LOCK_SECONDS = 30

_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)
#: Size, time and inode of a key file: what tells that it was replaced.
_Version = tuple[int, int, int]


def new_key() -> Secret:
    """A fresh random key."""
    return Secret(Fernet.generate_key().decode())


class KeyRing:
    """Encrypts and decrypts. Never shows a key; errors say where the keys came from."""

    def __init__(self, keys: Sequence[Secret], *, source: str, file: Path | None = None) -> None:
        self._source = source
        self._file = file
        self._version: _Version | None = None
        self._keys = tuple(keys)
        self._fernet = _fernet(self._keys, source)

    @classmethod
    def from_settings(cls, settings: Settings) -> "KeyRing":
        """The keys of the environment variable, or else of the key file, which is made when there is none."""
        if settings.encryption_keys:
            return cls(settings.encryption_keys, source=f"the environment variable {KEY_VARIABLE}")
        if not settings.key_file.exists():
            _make_key_file(settings)
        return cls.from_file(settings.key_file)

    @classmethod
    def from_file(cls, path: Path) -> "KeyRing":
        """The keys in ``path``. Raises CredentialError when others can read it."""
        keys, version = _read_key_file(path)
        ring = cls(keys, source=_name(path), file=path)
        ring._version = version
        return ring

    @property
    def source(self) -> str:
        """Where the keys came from, for messages."""
        return self._source

    @property
    def keys(self) -> tuple[Secret, ...]:
        """Newest first."""
        self._follow_file()
        return self._keys

    def encrypt(self, plain: bytes) -> bytes:
        """``plain`` under the newest key."""
        self._follow_file()
        return self._fernet.encrypt(plain)

    def decrypt(self, token: bytes) -> bytes:
        """What ``encrypt`` was given. Raises CredentialError when no key fits."""
        self._follow_file()
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            # Two rotations within a tick of the file system's clock can look like none.
            self._follow_file(surely=True)
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            count = len(self._keys)
            fits = "the key does not fit" if count == 1 else f"none of the {count} keys fits"
            # "from None": the cause knows nothing more.
            raise CredentialError(
                f"wrong key: {fits} what was encrypted (or that was damaged); looked in {self._source}"
            ) from None

    def __repr__(self) -> str:
        return f"KeyRing({len(self._keys)} key(s) of {self._source})"

    def _follow_file(self, *, surely: bool = False) -> None:
        if self._file is None or (not surely and _version(self._file) == self._version):
            return
        keys, version = _read_key_file(self._file)
        self._fernet = _fernet(keys, self._source)
        self._keys, self._version = keys, version


def write_key_file(path: Path, keys: Sequence[Secret]) -> None:
    """Replace the key file; the caller holds the installation's credential lock."""
    lines = ["# ml-connector encryption keys, newest first. Keep this file private and backed up."]
    write_private(path, "\n".join([*lines, *(key.reveal() for key in keys), ""]).encode())


def credentials_lock(folder: Path) -> FileLock:
    """The one lock of everything that changes keys or stored credentials in ``folder``; re-entrant in a thread."""
    make_private_folder(folder)
    return FileLock(
        folder / "credentials.lock", timeout=LOCK_SECONDS, mode=0o600, is_singleton=True
    )


def lock_timeout(error: Timeout) -> CredentialError:
    """What to tell a person who waited for the lock in vain."""
    return CredentialError(
        f"another process has held {error.lock_file} for {LOCK_SECONDS} seconds; "
        "wait for it to end and try again"
    )


def _make_key_file(settings: Settings) -> None:
    path = settings.key_file
    try:
        with credentials_lock(path.parent):
            if path.exists():  # another process was faster
                return
            if settings.credentials_file.exists():
                raise CredentialError(
                    f"{_name(path)} is gone, and {settings.credentials_file} was encrypted with it. "
                    "Put the key file back, or remove the credentials file and add the credentials again"
                )
            write_key_file(path, [new_key()])
    except Timeout as error:
        raise lock_timeout(error) from error
    except OSError as error:
        raise CredentialError(
            f"cannot make {_name(path)}: {error.strerror}; "
            f"set {KEY_VARIABLE}, or ML_CONNECTOR_HOME to a folder that can be written"
        ) from error


def _read_key_file(path: Path) -> tuple[tuple[Secret, ...], _Version]:
    try:
        with path.open(encoding="ascii") as file:
            status = os.fstat(file.fileno())
            refuse_shared(path, status)
            lines = [line.strip() for line in file]
    except OSError as error:
        raise CredentialError(
            f"cannot read {_name(path)}: {error.strerror}; put it back, or set {KEY_VARIABLE}"
        ) from error
    except UnicodeDecodeError:
        raise CredentialError(
            f"{_name(path)} is not a key file (it holds more than plain letters); put the right one back"
        ) from None
    keys = tuple(Secret(line) for line in lines if line and not line.startswith("#"))
    return keys, (status.st_size, status.st_mtime_ns, status.st_ino)


def _version(path: Path) -> _Version | None:
    try:
        status = path.stat()
    except OSError:
        return None  # reading it then says what is wrong
    return status.st_size, status.st_mtime_ns, status.st_ino


def _fernet(keys: Sequence[Secret], source: str) -> MultiFernet:
    if not keys:
        raise CredentialError(f"{source} holds no key. Make one with: {_MAKE_ONE}")
    fernets = []
    for position, key in enumerate(keys, start=1):
        try:
            fernets.append(Fernet(key.reveal().encode()))
        except ValueError:
            raise CredentialError(
                f"key {position} of {len(keys)} in {source} is malformed: expected 44 characters of URL-safe "
                f"base64 (32 bytes), got {len(key.reveal())} characters. Make one with: {_MAKE_ONE}"
            ) from None
    return MultiFernet(fernets)


def _name(path: Path) -> str:
    return f"the key file {path}"
