"""The running stand-in: real HTTP on loopback, uvicorn on a thread of its own."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from starlette.applications import Starlette

from ml_connector_dagster.sandbox.serving import Loopback
from ml_connector_dagster.sandbox.snowflake.accounts import Account, Role, User
from ml_connector_dagster.sandbox.snowflake.connector_protocol import ConnectorProtocol
from ml_connector_dagster.sandbox.snowflake.engine import Engine
from ml_connector_dagster.sandbox.snowflake.faults import Faults
from ml_connector_dagster.sandbox.snowflake.sql_api import SqlApi
from ml_connector_dagster.sandbox.snowflake.statements import Statement, Statements


class SnowflakeSandbox:
    """A stand-in of one Snowflake account. Use ``start`` as a context manager."""

    def __init__(
        self,
        *,
        account: str = "ACME",
        users: Mapping[str, User],
        roles: Mapping[str, Role],
        warehouses: Sequence[str] = ("LOADING",),
        databases: Sequence[str] = ("ERP",),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.account = Account(
            name=account, users=dict(users), roles=dict(roles), warehouses=set(warehouses), now=now
        )
        self.faults = Faults()
        self._folder = Path(tempfile.mkdtemp(prefix="snowflake-sandbox-"))
        (self._folder / "stages").mkdir()
        self._engine = Engine(self._folder, self.account, databases)
        self._statements = Statements(self._engine, self.faults)
        parts = (self.account, self._engine, self._statements, self.faults)
        self.sql_api = SqlApi(*parts)
        self.connector = ConnectorProtocol(*parts)
        #: For a server that serves other things, too; ``close`` is then the caller's to call.
        self.application = Starlette(routes=[*self.sql_api.routes, *self.connector.routes])
        self._loopback = Loopback(self.application, "snowflake-sandbox")
        self.host = "127.0.0.1"
        self.port = 0

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All that were run, oldest first."""
        return tuple(self._statements.by_handle.values())

    def listen(self, port: int = 0) -> None:
        """Serve on a thread until ``stop``; port 0 picks a free one."""
        self.port = urlsplit(self._loopback.listen(port)).port or 0

    def stop(self) -> None:
        """Stop serving and free everything; a second call does nothing."""
        self._loopback.stop()
        self.close()

    def close(self) -> None:
        """Free what is not of the server: databases and stages."""
        self._engine.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
