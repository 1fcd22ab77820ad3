"""Resources: one workspace per run, and one thin resource per CloudSuite tenant.

Nothing is opened before an asset needs it, so a tenant whose credential is missing never keeps the others from
loading. What the UI shows of them are names and limits; secrets stay in the credential store.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import dagster as dg

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.credentials.redaction import RedactingFilter
from ml_connector_dagster.sync.workspace import Source, Workspace
from ml_connector_dagster.telemetry import boundary


class _MaskingHandler(logging.Handler):
    """Writes nothing: it masks the record for the handlers that come after it."""

    def __init__(self) -> None:
        super().__init__()
        self._mask = RedactingFilter()

    def emit(self, record: logging.LogRecord) -> None:
        self._mask.filter(record)


_MASKING: Final = _MaskingHandler()


def mask_logs() -> None:
    """Mask secrets in what our loggers write, before anybody else sees it.

    Dagster puts a handler of its own on them for every step (``managed_python_loggers``) and stores what comes
    through. That handler knows no filters, and a logger's own filter does not see what its children log.
    """
    handlers = logging.getLogger("ml_connector_dagster").handlers
    if _MASKING not in handlers[:1]:
        if _MASKING in handlers:
            handlers.remove(_MASKING)
        handlers.insert(0, _MASKING)


class LazyWorkspace:
    """Opens the workspace when it is first asked for; closed by the resource when the run or tick ends."""

    def __init__(self, open_workspace: Callable[[], Workspace]) -> None:
        self._open = open_workspace
        self._opened: Workspace | None = None

    @property
    def current(self) -> Workspace:
        mask_logs()
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def workspace_resource(open_workspace: Callable[[], Workspace]) -> dg.ResourceDefinition:
    """The ledger, staging and configuration of this installation."""

    @dg.resource(
        description="Configuration, ledger and staging of this installation, opened on first use."
    )
    def workspace(context: dg.InitResourceContext) -> Iterator[LazyWorkspace]:
        lazy = LazyWorkspace(open_workspace)
        # Steps of a run share the process and this resource (in_process_executor); a tick of a sensor is no run.
        run = context.run
        with nullcontext() if run is None else boundary("run", {"run_id": run.run_id}):
            try:
                yield lazy
            finally:
                lazy.close()

    return workspace


class CloudSuiteResource(dg.ConfigurableResource[Any]):
    """A CloudSuite tenant, by name: the credential itself is read from the encrypted store when a run needs it."""

    connection: str
    product_line: str
    credential: str
    timezone: str
    requests_per_minute: int

    def source(self, workspace: Workspace) -> AbstractContextManager[Source]:
        """The tenant, open for reading."""
        return workspace.source(self.connection)


def cloudsuite_resource(connection: CloudSuiteConnection) -> CloudSuiteResource:
    """The resource of one tenant."""
    return CloudSuiteResource(
        connection=connection.name,
        product_line=connection.product_line,
        credential=connection.credential,
        timezone=connection.timezone,
        requests_per_minute=connection.requests_per_minute,
    )
