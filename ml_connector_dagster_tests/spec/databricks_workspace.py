"""A workspace for tests: the sandbox's, or the real one that the environment names."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.destinations.databricks import DatabricksDestination, Login, Workspace
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, WorkspaceOptions


#: Set these to run against a real workspace; the schemas that the tests make there are dropped at the end.
HOST = "ML_CONNECTOR_TEST_DATABRICKS_HOST"
WAREHOUSE = "ML_CONNECTOR_TEST_DATABRICKS_WAREHOUSE"
CATALOG = "ML_CONNECTOR_TEST_DATABRICKS_CATALOG"
TOKEN = "ML_CONNECTOR_TEST_DATABRICKS_TOKEN"
#: Or, in place of the token, a service principal.
CLIENT_ID = "ML_CONNECTOR_TEST_DATABRICKS_CLIENT_ID"
CLIENT_SECRET = "ML_CONNECTOR_TEST_DATABRICKS_CLIENT_SECRET"


@dataclass(kw_only=True)
class Access:
    """How to reach a workspace. ``sandbox`` is None for a real one."""

    host: str
    login: Login
    warehouse_id: str
    catalog: str
    sandbox: DatabricksSandbox | None = None
    schemas: set[str] = field(default_factory=set)
    opened: list[Workspace] = field(default_factory=list)

    def schema_of(self, home: Path) -> str:
        """A schema of its own for each home."""
        digest = hashlib.md5(str(home).encode(), usedforsecurity=False).hexdigest()[:12]
        self.schemas.add(f"test_{digest}")
        return f"test_{digest}"

    def workspace(self, **details: Any) -> Workspace:
        if self.sandbox is not None:  # one poll is enough when the statement has ended by then
            pause = self.sandbox.executions.wait_until_idle
            details = {"patience": 5.0, "pause": lambda seconds: pause(), **details}
        details = {"login": self.login, **details}
        workspace = Workspace(self.host, warehouse_id=self.warehouse_id, **details)
        self.opened.append(workspace)
        return workspace

    def destination(
        self,
        schema: str,
        *,
        per_company: bool = False,
        inline_rows: int = 1000,
        flow: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        checkpoint: Callable[[str], None] = lambda point: None,
        **details: Any,
    ) -> DatabricksDestination:
        return DatabricksDestination(
            "lake.erp",
            self.workspace(**details),
            self.catalog,
            schema,
            volume="landing",
            inline_rows=inline_rows,
            per_company=per_company,
            flow=flow,
            now=now,
            checkpoint=checkpoint,
        )

    def clear(self) -> None:
        """Close what was opened, and drop what was made in a real workspace; the sandbox's goes with it."""
        for opened in self.opened:
            opened.close()
        if self.sandbox is None:
            workspace = self.workspace(patience=60.0)
            for schema in self.schemas:
                workspace.run(f"DROP SCHEMA IF EXISTS `{self.catalog}`.`{schema}` CASCADE")
            workspace.close()


def of_sandbox(sandbox: DatabricksSandbox) -> Access:
    """The access of the sandbox's loader, by token."""
    options = sandbox.options
    return Access(
        host=sandbox.url,
        login=Login(credential="lake", token=Secret(options.token)),
        warehouse_id=options.warehouse_id,
        catalog=options.catalogs[0],
        sandbox=sandbox,
    )


@contextmanager
def sandbox_workspace() -> Iterator[DatabricksSandbox]:
    """A workspace of the sandbox, where its packages are installed."""
    for package in ("pysail", "deltalake", "adbc_driver_flightsql", "sqlglot"):
        pytest.importorskip(package, reason="the Databricks sandbox is not installed")
    with DatabricksSandbox.start(WorkspaceOptions(threads=1)) as sandbox:
        yield sandbox


@contextmanager
def access_to_workspace(local: Callable[[], DatabricksSandbox]) -> Iterator[Access]:
    """A real workspace when the environment names one, else ``local``."""
    if HOST not in os.environ:
        access = of_sandbox(local())
        yield access
        access.clear()
        return
    real = Access(
        host=os.environ[HOST],
        login=_login(os.environ),
        warehouse_id=os.environ[WAREHOUSE],
        catalog=os.environ[CATALOG],
    )
    yield real
    real.clear()


def _login(environ: Mapping[str, str]) -> Login:
    if TOKEN in environ:
        return Login(credential="environment", token=Secret(environ[TOKEN]))
    return Login(
        credential="environment",
        client_id=Secret(environ[CLIENT_ID]),
        client_secret=Secret(environ[CLIENT_SECRET]),
    )
