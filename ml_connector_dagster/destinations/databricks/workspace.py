"""A Databricks workspace as a loader needs it: statements on its SQL warehouse, files of a volume, what is there."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from typing import Any, BinaryIO, Self

import httpx
import pyarrow as pa
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.catalog import ColumnInfo

from ml_connector_dagster.destinations.databricks.calls import Calls, NotThereError, Usage
from ml_connector_dagster.destinations.databricks.logins import Login
from ml_connector_dagster.destinations.databricks.relations import Relation, TableColumn
from ml_connector_dagster.destinations.databricks.statements import Statements


class Workspace:
    """One principal in one workspace, with one SQL warehouse.

    Args:
        request_timeout: seconds that one HTTP call may take.
        patience: seconds in which a call that fails for a passing reason is tried again.
        statement_timeout: seconds after which a statement is cancelled.
        pause: waits so many seconds (replaceable in tests).
    """

    def __init__(
        self,
        host: str,
        login: Login,
        warehouse_id: str,
        *,
        request_timeout: float = 60.0,
        patience: float = 120.0,
        statement_timeout: float = 3600.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calls = Calls(host, login, request_timeout=request_timeout, patience=patience)
        self._http = httpx.Client(timeout=request_timeout)
        self._statements_for: Callable[[Mapping[str, str]], Statements] = lambda labels: Statements(
            self._calls,
            self._http,
            warehouse_id,
            timeout=statement_timeout,
            pause=pause,
            labels=labels,
        )
        self._statements = self._statements_for({})

    @property
    def usage(self) -> Usage:
        """What was asked of the workspace so far, under whatever labels."""
        return self._calls.usage

    def labelled(self, **labels: str) -> Self:
        """The same workspace, and its query history tells what our statements are for."""
        same = copy(self)
        same._statements = self._statements_for({k: v for k, v in labels.items() if v})
        return same

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        self._calls.close()

    def run(
        self, sql: str, parameters: Mapping[str, str | None] | None = None
    ) -> list[list[str | None]]:
        """Run one statement, which may be run twice; its rows as text (a few; 25 MiB at most)."""
        return self._statements.run(sql, parameters or {})

    def fetch(self, sql: str, parameters: Mapping[str, str | None] | None = None) -> pa.Table:
        """Run one query; its rows as Arrow. A result without rows may have no columns either."""
        chunks = [*self.stream(sql, parameters)]
        return pa.concat_tables(chunks) if chunks else pa.table({})

    def stream(
        self, sql: str, parameters: Mapping[str, str | None] | None = None
    ) -> Iterator[pa.Table]:
        """Run one query; its rows as Arrow, one chunk at a time."""
        return self._statements.stream(sql, parameters or {})

    def make_folder(self, folder: str) -> None:
        """Make a folder of a volume, and those above it; nothing happens when it is there."""
        self._calls.call(lambda client: client.files.create_directory(folder))

    def upload(self, path: str, content: BinaryIO) -> None:
        """Put a file into a volume, in place of one that is there."""
        start = content.tell()

        def send(client: WorkspaceClient) -> None:
            content.seek(start)
            client.files.upload(path, content, overwrite=True)

        self._calls.call(send)

    def delete_folder(self, folder: str, files: tuple[str, ...]) -> None:
        """Delete these files of a volume's folder, and the folder; what is not there is fine."""
        for file in files:
            self._delete_file(f"{folder}/{file}")
        with suppress(NotThereError):
            self._calls.call(lambda client: client.files.delete_directory(folder))

    def _delete_file(self, path: str) -> None:
        with suppress(NotThereError):
            self._calls.call(lambda client: client.files.delete(path))

    def relation(self, catalog: str, schema: str, name: str) -> Relation | None:
        """A table or view, as Unity Catalog has it; None when it is not there."""
        try:
            info = self._calls.call(lambda client: client.tables.get(f"{catalog}.{schema}.{name}"))
        except NotThereError:
            return None
        return Relation(
            kind=info.table_type.value if info.table_type else "",
            columns={(one.name or "").lower(): _column(one) for one in info.columns or []},
            definition=info.view_definition or "",
        )

    def has_schema(self, catalog: str, schema: str) -> bool:
        return self._is_there(lambda client: client.schemas.get(f"{catalog}.{schema}"))

    def has_volume(self, catalog: str, schema: str, volume: str) -> bool:
        return self._is_there(lambda client: client.volumes.read(f"{catalog}.{schema}.{volume}"))

    def _is_there(self, question: Callable[[WorkspaceClient], Any]) -> bool:
        try:
            self._calls.call(question)
        except NotThereError:
            return False
        return True


def _column(info: ColumnInfo) -> TableColumn:
    """A default is only told by the column's JSON, in Spark's words for it."""
    return TableColumn(
        name=info.name or "",
        type=(info.type_text or "").lower(),
        nullable=info.nullable is not False,
        has_default='"CURRENT_DEFAULT"' in (info.type_json or ""),
    )
