"""The credentials of an installation: one JSON file, names in plain sight, values encrypted.

Changes are made under a file lock and replace the file whole; readers need no lock.
"""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import Timeout

from ml_connector_dagster.config.values import CREDENTIAL_NAME
from ml_connector_dagster.credentials.keys import KeyRing, credentials_lock, lock_timeout
from ml_connector_dagster.credentials.private_files import write_private
from ml_connector_dagster.credentials.redaction import register
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster.model.secrets import Secret


FORMAT = 1
IONAPI = "ionapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a system wants to see. ``kind`` says which system understands ``values``."""

    name: str
    kind: str
    values: Mapping[str, Secret]

    def value(self, field: str) -> Secret:
        """One value; raises CredentialError when the credential has no such field."""
        if field not in self.values:
            raise CredentialError(
                f"credential {self.name!r} ({self.kind}) has no field {field!r}, only "
                f"{', '.join(sorted(self.values))}; add it again with: ml-connector credentials add {self.name}"
            )
        return self.values[field]


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialInfo:
    """What may be shown of a credential."""

    name: str
    kind: str
    fields: tuple[str, ...]
    added_at: datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


class CredentialStore:
    """Add, get, list, remove, rotate. Values that are read are masked in this process's logs from then on."""

    def __init__(
        self, path: Path, keys: KeyRing, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._path = path
        self._keys = keys
        self._now = now

    def add(self, name: str, kind: str, values: Mapping[str, Secret]) -> None:
        """Store a credential, in place of the one of that name.

        Kind "ionapi" has one field, "ionapi": the file's text as downloaded, which must be a JSON object.
        """
        _check(name, kind, values)
        for value in values.values():
            register(value)
        with self._changing() as entries:
            self._refuse_other_key({other: entries[other] for other in entries if other != name})
            entries[name] = {
                "kind": kind,
                "added_at": self._now().isoformat(timespec="seconds"),
                "fields": {field: self._encrypt(name, value) for field, value in values.items()},
            }

    def get(self, name: str, stored_by: str = "") -> Credential:
        """The credential called ``name``, decrypted. ``stored_by`` is with which options a missing one is added."""
        entries = self._read()
        if name not in entries:
            near = difflib.get_close_matches(name, entries, n=1)
            hint = f"did you mean {near[0]!r}? Or add" if near else "add"
            command = f"ml-connector credentials add {name} {stored_by}".rstrip()
            raise CredentialError(f"{self._no_such(name)}; {hint} it with: {command}")
        entry = entries[name]
        values = {field: self._decrypt(name, text) for field, text in entry["fields"].items()}
        for value in values.values():
            register(value)
        return Credential(name=name, kind=entry["kind"], values=values)

    def list(self) -> tuple[CredentialInfo, ...]:
        """Every credential by name, without its values. Needs no key."""
        return tuple(
            CredentialInfo(
                name=name,
                kind=entry["kind"],
                fields=tuple(sorted(entry["fields"])),
                added_at=datetime.fromisoformat(entry["added_at"]),
            )
            for name, entry in sorted(self._read().items())
        )

    def remove(self, name: str) -> None:
        """Forget the credential; raises CredentialError when there is none of that name."""
        with self._changing() as entries:
            if name not in entries:
                raise CredentialError(
                    f"{self._no_such(name)}; there are {', '.join(entries) or 'none'}"
                )
            del entries[name]

    def rotate(self, new_keys: KeyRing) -> int:
        """Re-encrypt every value under the newest of ``new_keys``; answers how many credentials there are.

        Values are decrypted with the present keys or the new ones, so that a rotation that was cut off is
        simply done again. Either all values are under the new key afterwards, or none has changed.
        """
        with self._changing() as entries:
            self._reencrypt(entries, new_keys)
        self._keys = new_keys
        return len(entries)

    def _reencrypt(self, entries: dict[str, Any], new_keys: KeyRing) -> None:
        for name, entry in entries.items():
            for field, text in entry["fields"].items():
                plain = self._decrypt_with_either(name, text, new_keys)
                entry["fields"][field] = new_keys.encrypt(plain).decode()

    def _decrypt_with_either(self, name: str, text: str, new_keys: KeyRing) -> bytes:
        try:
            return self._keys.decrypt(text.encode())
        except CredentialError as first:
            try:
                return new_keys.decrypt(text.encode())
            except CredentialError:
                raise self._unreadable(name, first) from first

    def _refuse_other_key(self, entries: dict[str, Any]) -> None:
        """One store, one family of keys: else half of it would be lost on whoever has the other key."""
        refusal: CredentialError | None = None
        for name, entry in entries.items():
            for text in entry["fields"].values():
                try:
                    self._decrypt(name, text)
                except CredentialError as error:
                    refusal = error
                else:
                    return
        if refusal is not None:
            raise refusal

    def _encrypt(self, name: str, value: Secret) -> str:
        try:
            plain = value.reveal().encode()
        except UnicodeEncodeError:
            # "from None": the cause carries the value.
            raise CredentialError(f"credential {name!r}: a value is not valid text") from None
        return self._keys.encrypt(plain).decode()

    def _decrypt(self, name: str, text: str) -> Secret:
        try:
            return Secret(self._keys.decrypt(text.encode()).decode())
        except CredentialError as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: CredentialError) -> CredentialError:
        return CredentialError(
            f"credential {name!r} in {self._path} cannot be read: {error}. Put back the key under which it was "
            f"stored, or remove it (ml-connector credentials remove {name}) and add it again"
        )

    def _no_such(self, name: str) -> str:
        return f"there is no credential {name!r} in {self._path}"

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The entries, to change; written back when the block ends well."""
        try:
            with credentials_lock(self._path.parent):
                entries = self._read()
                yield entries
                document = {"format": FORMAT, "credentials": dict(sorted(entries.items()))}
                write_private(self._path, (json.dumps(document, indent=2) + "\n").encode())
        except Timeout as error:
            raise lock_timeout(error) from error
        except OSError as error:
            raise CredentialError(f"cannot write {self._path}: {error.strerror}") from error

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_bytes())
            if document["format"] != FORMAT:
                raise CredentialError(
                    f"{self._path} has format {document['format']!r}, this version reads {FORMAT}; "
                    "use the version of ml-connector that wrote it"
                )
            entries: dict[str, Any] = document["credentials"]
            for entry in entries.values():
                _ = (
                    entry["kind"],
                    datetime.fromisoformat(entry["added_at"]),
                    entry["fields"].items(),
                )
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CredentialError(f"cannot read {self._path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError):
            # "from None": a JSON error carries the whole document.
            raise CredentialError(
                f"{self._path} is damaged: restore it from a backup, or remove it and add the credentials again"
            ) from None
        return entries


def _check(name: str, kind: str, values: Mapping[str, Secret]) -> None:
    if not CREDENTIAL_NAME.fullmatch(name):
        raise CredentialError(
            f"{name!r} cannot be a credential's name: letters, digits, _ . - and at most 100 of them"
        )
    if not kind or not values:
        raise CredentialError(f"credential {name!r} needs a kind and at least one value")
    if blank := sorted(field for field, value in values.items() if not value.reveal().strip()):
        raise CredentialError(f"credential {name!r}: the value of {', '.join(blank)} is blank")
    if kind == IONAPI:
        _check_ionapi(name, values)


def _check_ionapi(name: str, values: Mapping[str, Secret]) -> None:
    if set(values) != {IONAPI}:
        raise CredentialError(
            f"credential {name!r} of kind {IONAPI!r} has one field, {IONAPI!r}: the text of the .ionapi file"
        )
    try:
        content = json.loads(values[IONAPI].reveal())
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CredentialError(
            f"credential {name!r}: this is not an .ionapi file (not a JSON object); "
            "give the file as it was downloaded from ION API, Authorized Apps"
        )
