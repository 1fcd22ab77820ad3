"""Places where batches can be staged, for tests: what they do to all alike, behind the back of ``Staging``."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.s3 import S3Sandbox
from ml_connector_dagster.staging import Staging


def nothing(name: str) -> None:
    """A write point that is passed."""


class Place(Protocol):
    """Somewhere to stage. Paths are relative to it."""

    @property
    def url(self) -> str: ...

    @property
    def rivals(self) -> int:
        """How many may try to stage one batch at once: a folder is for one process that knows its ids."""
        ...

    def staging(self, step: Callable[[str], None] = nothing) -> Staging: ...

    def paths(self) -> set[str]:
        """Every file that is there."""
        ...

    def remove(self, path: str) -> None: ...

    def cut(self, path: str) -> None:
        """Make the file shorter."""
        ...

    def age(self, folder: str, moment: datetime) -> None:
        """Make a batch look as if nothing had changed since ``moment``."""
        ...


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder of this machine."""

    root: Path
    rivals: int = 1

    @property
    def url(self) -> str:
        return str(self.root)

    def staging(self, step: Callable[[str], None] = nothing) -> Staging:
        return Staging(self.url, step=step)

    def paths(self) -> set[str]:
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix() for path in files}

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def cut(self, path: str) -> None:
        file = self.root / path
        file.write_bytes(file.read_bytes()[:-10])

    def age(self, folder: str, moment: datetime) -> None:
        os.utime(self.root / folder, times=(0, moment.timestamp()))


@dataclass(frozen=True, slots=True)
class S3Place:
    """A prefix of a bucket of the stand-in."""

    s3: S3Sandbox
    prefix: str = "erp/staged"
    bucket: str = "staging"
    rivals: int = 8

    @property
    def url(self) -> str:
        region = self.s3.options.region
        return f"s3://{self.bucket}/{self.prefix}?region={region}&endpoint={self.s3.url}"

    @property
    def credential(self) -> Credential:
        options = self.s3.options
        return Credential(
            name="bucket",
            kind="s3",
            values={
                "access_key_id": Secret(options.access_key_id),
                "secret_access_key": Secret(options.secret_access_key),
            },
        )

    def staging(self, step: Callable[[str], None] = nothing) -> Staging:
        return Staging(self.url, credential=self.credential, step=step)

    def paths(self) -> set[str]:
        keys = self.s3.buckets[self.bucket].objects
        assert all(key.startswith(f"{self.prefix}/") for key in keys), (
            "something is beside the prefix"
        )
        return {key.removeprefix(f"{self.prefix}/") for key in keys}

    def remove(self, path: str) -> None:
        del self.s3.buckets[self.bucket].objects[f"{self.prefix}/{path}"]

    def cut(self, path: str) -> None:
        self.s3.change(self.bucket, f"{self.prefix}/{path}", content=lambda old: old[:-10])

    def age(self, folder: str, moment: datetime) -> None:
        for path in self.paths():
            if path.startswith(f"{folder}/"):
                self.s3.change(self.bucket, f"{self.prefix}/{path}", modified=moment)
