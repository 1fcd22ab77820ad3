"""Unity Catalog volumes: folders on disk, and the Files API over them.

https://docs.databricks.com/api/workspace/files : the parent of a file must be there (creating a directory creates
its parents, and is fine with one that exists); ``overwrite`` false and a file that is there give 409; a directory must
be empty to be deleted.
"""

import re
import shutil
from pathlib import Path

from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import ApiError, SqlError


class Volumes:
    """The volumes of a workspace, below ``root``."""

    def __init__(self, root: Path, privileges: Privileges) -> None:
        self._root = root
        self._privileges = privileges

    def exists(self, *name: str) -> bool:
        return self._root.joinpath(*(part.lower() for part in name)).is_dir()

    def make(self, *name: str) -> None:
        self._root.joinpath(*(part.lower() for part in name)).mkdir(parents=True)

    def drop_all(self, *schema: str) -> list[str]:
        """Delete the volumes of a schema; answers their names."""
        folder = self._root.joinpath(*(part.lower() for part in schema))
        names = [one.name for one in folder.iterdir()] if folder.is_dir() else []
        shutil.rmtree(folder, ignore_errors=True)
        return names

    def local(self, path: str) -> tuple[tuple[str, str, str], Path]:
        """The volume of a path like ``/Volumes/cat/schema/volume/…``, and where that is on disk."""
        found = re.fullmatch(r"/Volumes/([^/]+)/([^/]+)/([^/]+)((?:/[^/]+)*)/?", path)
        if not found or ".." in path.split("/"):
            raise ApiError(
                400, "INVALID_PARAMETER_VALUE", f"Invalid path: unsupported path: {path}"
            )
        volume = (found[1].lower(), found[2].lower(), found[3].lower())
        return volume, self._root.joinpath(*volume, *found[4].strip("/").split("/"))

    def files_api(self, path: str, privilege: str) -> Path:
        """Where ``path`` is, when the caller may; else ApiError."""
        volume, local = self.local(path)
        try:
            self._privileges.need(privilege, *volume, kind="Volume")
        except SqlError as error:
            raise ApiError(403, "PERMISSION_DENIED", str(error)) from error
        if not self.exists(*volume):
            raise ApiError(404, "NOT_FOUND", f"Volume '{'.'.join(volume)}' does not exist.")
        return local

    def upload(self, path: str, content: bytes, *, overwrite: bool) -> None:
        local = self.files_api(path, "WRITE VOLUME")
        if local.exists() and not overwrite:
            raise ApiError(409, "ALREADY_EXISTS", "The file being created already exists.")
        if not local.parent.is_dir():
            raise ApiError(404, "NOT_FOUND", "The parent directory of the file does not exist.")
        aside = local.with_name(f".{local.name}.uploading")
        aside.write_bytes(content)
        aside.rename(local)

    def make_directory(self, path: str) -> None:
        self.files_api(path, "WRITE VOLUME").mkdir(parents=True, exist_ok=True)

    def delete(self, path: str) -> None:
        local = self.files_api(path, "WRITE VOLUME")
        if not local.is_file():
            raise ApiError(404, "NOT_FOUND", "The file being accessed is not found.")
        local.unlink()

    def delete_directory(self, path: str) -> None:
        local = self.files_api(path, "WRITE VOLUME")
        if not local.is_dir():
            raise ApiError(404, "NOT_FOUND", "The directory being accessed is not found.")
        if any(local.iterdir()):
            raise ApiError(400, "DIRECTORY_NOT_EMPTY", f"The directory is not empty: {path}")
        local.rmdir()

    def listing(self, path: str) -> list[dict[str, object]]:
        local = self.files_api(path, "READ VOLUME")
        if not local.is_dir():
            raise ApiError(404, "NOT_FOUND", "The directory being accessed is not found.")
        return [
            {
                "path": f"{path.rstrip('/')}/{one.name}",
                "name": one.name,
                "is_directory": one.is_dir(),
                "file_size": one.stat().st_size,
            }
            for one in sorted(local.iterdir())
        ]
