"""A stand-in of Looker, and our client of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.looker import open_looker
from ml_connector_dagster.destinations.looker.api import Looker
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.looker import LookerOptions, LookerSandbox
from ml_connector_dagster.sandbox.looker.warehouse import Database


DATABASE = "warehouse"


class Counts:
    """Call counts that live as long as a test."""

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], int] = {}

    def counted(self, month: str, kind: str) -> int:
        return self.made.get((month, kind), 0)

    def count(self, month: str, kind: str) -> int:
        self.made[month, kind] = self.counted(month, kind) + 1
        return self.made[month, kind]


@contextmanager
def looker_sandbox(
    folder: Path, behind: Database | None = None, **options: Any
) -> Iterator[LookerSandbox]:
    """An instance over ``behind``, or over a DuckDB file in ``folder``, which is made."""
    file = folder / "warehouse.duckdb"
    duckdb.connect(str(file)).close()
    databases = {DATABASE: behind or file}
    settings = LookerOptions(lookml=folder / "lookml", databases=databases, **options)
    with LookerSandbox.start(settings) as sandbox:
        yield sandbox


def connection_to(sandbox: LookerSandbox, **settings: Any) -> LookerConnection:
    """The connection that a project would have."""
    return LookerConnection(
        name="looker",
        base_url=sandbox.url,
        credential="looker",
        database=DATABASE,
        **{"edition": "embed", "dialect": "duckdb", **settings},
    )


def client_of(
    sandbox: LookerSandbox,
    *,
    counts: Counts | None = None,
    pauses: list[float] | None = None,
    **settings: Any,
) -> Looker:
    """Our client, not logged in yet. ``pauses`` collects the waits, none of which is waited."""
    waits: list[float] = [] if pauses is None else pauses
    return open_looker(
        connection_to(sandbox, **settings),
        credential_of(sandbox),
        counts or Counts(),
        now=lambda: datetime.now(UTC),
        pause=waits.append,
        elapsed=lambda: sum(waits),
    )


def credential_of(sandbox: LookerSandbox, **values: str) -> Credential:
    """The API key of the instance's user."""
    fields = sandbox.login | values
    return Credential(
        name="looker", kind="looker", values={name: Secret(value) for name, value in fields.items()}
    )
