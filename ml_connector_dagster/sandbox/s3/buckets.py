"""What a bucket holds: objects, and uploads that are not complete."""

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ml_connector_dagster.sandbox.s3.refusals import (
    invalid,
    no_such_key,
    no_such_upload,
    precondition_failed,
)


LAST_PART: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object. ``etag`` is without its quotes."""

    content: bytes
    etag: str
    modified: datetime
    content_type: str


@dataclass(slots=True, kw_only=True)
class Upload:
    """A multipart upload that has begun: part number → content."""

    key: str
    upload_id: str
    initiated: datetime
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Bucket:
    """The objects of one bucket. Strongly consistent, as S3 is; each write is whole or not at all."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    begun: int = 0

    def get(self, key: str) -> StoredObject:
        with self.lock:
            if key not in self.objects:
                raise no_such_key(key)
            return self.objects[key]

    def put(self, key: str, one: StoredObject, *, only_new: bool, replaces: str = "") -> None:
        """Store ``one``. ``only_new``: If-None-Match: *. ``replaces``: If-Match, the ETag that must be there."""
        with self.lock:
            there = self.objects.get(key)
            if only_new and there is not None:
                raise precondition_failed("If-None-Match")
            if replaces and there is None:
                raise no_such_key(key)
            if replaces and there is not None and there.etag != replaces:
                raise precondition_failed("If-Match")
            self.objects[key] = one

    def remove(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self.lock:
            self.objects.pop(key, None)

    def begin(self, key: str, now: datetime, content_type: str) -> Upload:
        with self.lock:
            self.begun += 1
            name = hashlib.sha256(f"{key} {self.begun}".encode()).hexdigest()[:32]
            upload = Upload(key=key, upload_id=name, initiated=now, content_type=content_type)
            self.uploads[name] = upload
            return upload

    def upload(self, key: str, upload_id: str) -> Upload:
        with self.lock:
            found = self.uploads.get(upload_id)
            if found is None or found.key != key:
                raise no_such_upload()
            return found

    def complete(
        self,
        upload: Upload,
        chosen: list[tuple[int, str]],
        now: datetime,
        *,
        smallest: int,
        only_new: bool,
    ) -> StoredObject:
        """Make an object of the ``chosen`` parts (number, ETag)."""
        with self.lock:
            self.upload(upload.key, upload.upload_id)
            parts = _chosen(upload, chosen, smallest)
            digest = hashlib.md5(
                b"".join(hashlib.md5(one, usedforsecurity=False).digest() for one in parts),
                usedforsecurity=False,
            ).hexdigest()
            one = StoredObject(
                content=b"".join(parts),
                etag=f"{digest}-{len(parts)}",
                modified=now,
                content_type=upload.content_type,
            )
            self.put(upload.key, one, only_new=only_new)
            del self.uploads[upload.upload_id]
            return one


def etag_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _chosen(upload: Upload, chosen: list[tuple[int, str]], smallest: int) -> list[bytes]:
    numbers = [number for number, _ in chosen]
    if numbers != sorted(set(numbers)):
        raise invalid("InvalidPartOrder", "The list of parts was not in ascending order.")
    parts: list[bytes] = []
    for number, etag in chosen:
        content = upload.parts.get(number)
        if content is None or etag_of(content) != etag:
            raise invalid("InvalidPart", "One or more of the specified parts could not be found.")
        parts.append(content)
    if any(len(one) < smallest for one in parts[:-1]):
        raise invalid(
            "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"
        )
    return parts
