"""The running stand-in: real HTTP on loopback, uvicorn on a thread of its own."""

from types import TracebackType
from typing import Self

from ml_connector_dagster.sandbox.monday.application import MondayApplication
from ml_connector_dagster.sandbox.monday.options import MondayOptions
from ml_connector_dagster.sandbox.serving import Loopback


class MondaySandbox(MondayApplication):
    """An account on a port of its own. Use ``MondaySandbox.start`` as a context manager."""

    def __init__(self, options: MondayOptions) -> None:
        super().__init__(options)
        self._loopback = Loopback(self, "monday-sandbox")
        self.url = ""

    @classmethod
    def start(cls, options: MondayOptions | None = None, *, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 picks a free one."""
        sandbox = cls(options or MondayOptions())
        sandbox.listen(port)
        return sandbox

    def listen(self, port: int = 0) -> None:
        """Serve on a thread until ``stop``."""
        self.url = self._loopback.listen(port)

    def stop(self) -> None:
        """Stop serving; a second call does nothing."""
        self.faults.clear()
        self._loopback.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
