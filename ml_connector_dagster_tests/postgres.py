"""A PostgreSQL server of the tests' own, on a socket in a folder that nobody else may read."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest


def programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server; ``folder`` holds its socket."""

    folder: Path
    bin: Path

    def database(self, password: str = "") -> str:
        """The URL of a new, empty database; with a ``password``, which the server does not ask for."""
        name = f"d{uuid4().hex}"
        connection = psycopg2.connect(host=str(self.folder), user="connector", dbname="postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        return self.url(name, password)

    def url(self, name: str, password: str = "") -> str:
        login = f"connector:{password}" if password else "connector"
        return f"postgresql://{login}@/{name}?host={self.folder}"

    def stop(self) -> None:
        """End it as a crash would: connections are cut."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        log = self.folder / "log"
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' -c fsync=off"
        self._control("start", "-l", str(log), "-o", options)

    def _control(self, *arguments: str) -> None:
        as_server_user(self.bin / "pg_ctl", "-D", self.folder / "data", "-w", *arguments)


def as_server_user(*command: str | Path) -> None:
    """Run a server program: as root, PostgreSQL refuses to."""
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    subprocess.run(
        [str(part) for part in command],
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A fresh server; skips where PostgreSQL is not installed (``scripts/install-systems`` does it)."""
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed (scripts/install-systems)")
    # A socket's path must be short: not below pytest's folders.
    with tempfile.TemporaryDirectory(prefix="pg.") as name:
        folder = Path(name)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        # A linguistic order, as many installations have it: nothing may rest on the order of bytes.
        as_server_user(
            bin_folder / "initdb", "-D", folder / "data", "-U", "connector", "--auth=trust",
            "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US", "--locale=C", "--no-sync",
        )  # fmt: skip
        server = Postgres(folder, bin_folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
