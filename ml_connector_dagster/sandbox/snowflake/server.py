"""The running stand-in: real HTTP on loopback, uvicorn on a thread of its own."""

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send
from ml_connector_dagster.sandbox.serving import StandIn
from ml_connector_dagster.sandbox.snowflake.accounts import Account, Role, User
from ml_connector_dagster.sandbox.snowflake.connector_protocol import ConnectorProtocol
from ml_connector_dagster.sandbox.snowflake.engine import Engine
from ml_connector_dagster.sandbox.snowflake.faults import Faults
from ml_connector_dagster.sandbox.snowflake.sql_api import SqlApi
from ml_connector_dagster.sandbox.snowflake.statements import Statement, Statements


class SnowflakeSandbox(StandIn):
    """A stand-in of one Snowflake account. Use ``listen`` as a context manager."""

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
        super().__init__()
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
        self._application = Starlette(routes=[*self.sql_api.routes, *self.connector.routes])
        #: How many were answered.
        self.requests = 0

    @property
    def host(self) -> str:
        """Where it listens, as drivers want it: without scheme and port."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return urlsplit(self.url).port or 0

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All that were run, oldest first."""
        return tuple(self._statements.by_handle.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The account as an ASGI application: the drivers' protocol and the SQL API."""
        self.requests += scope["type"] == "http"
        await self._application(scope, receive, send)

    def close(self) -> None:
        """Free what is not of the server: databases and stages; a second call does nothing."""
        self._engine.close()
        shutil.rmtree(self._folder, ignore_errors=True)
