"""The running stand-in: real HTTP on loopback, uvicorn on a thread of its own."""

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn

from ml_connector_dagster.sandbox.looker.application import LookerApplication
from ml_connector_dagster.sandbox.looker.options import LookerOptions


class LookerSandbox(LookerApplication):
    """An instance on a port of its own. Use ``LookerSandbox.start`` as a context manager."""

    def __init__(self, options: LookerOptions) -> None:
        super().__init__(options)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None
        self.url = ""

    @classmethod
    def start(cls, options: LookerOptions | None = None, *, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 picks a free one."""
        sandbox = cls(options or LookerOptions())
        sandbox.listen(port)
        return sandbox

    def listen(self, port: int = 0) -> None:
        """Serve on a thread until ``stop``."""
        # The protocol is named so that asyncio sets TCP_NODELAY: without it a call costs 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self._socket.listen(128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self,
            log_level="critical",
            lifespan="off",
            access_log=False,
            ws="none",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="looker-sandbox", daemon=True
        )
        self._thread.start()
        # The socket listens already: a request that comes early waits in its queue.

    def stop(self) -> None:
        """Stop serving; a second call does nothing."""
        self.faults.clear()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10)
        if self._socket is not None:
            self._socket.close()
        self._server = self._thread = self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
