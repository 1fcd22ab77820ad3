"""How a stand-in is served: an ASGI application on a port of its own, on loopback, from ``listen`` to ``stop``."""

import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import uvicorn

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send


class StandIn(ABC):
    """A stand-in of one system. As a context manager it stops at the end.

    Attributes:
        url: where it can be reached; "" before somebody serves it.
    """

    def __init__(self) -> None:
        self.url = ""
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @abstractmethod
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The system as an ASGI application."""

    def listen(self, port: int = 0, host: str = "127.0.0.1") -> Self:
        """Serve on a thread until ``stop``. Port 0 picks a free one."""
        self._serve(self._bind(port, host))
        return self

    def wait(self) -> None:
        """Block until the server ends; an interrupt of the main thread passes through."""
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Stop serving and free everything; a second call does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=10)
        if self._socket is not None:
            self._socket.close()
        self._server = self._thread = self._socket = None
        self.close()

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Free what is not of the server, for who serves it himself; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _bind(self, port: int, host: str) -> socket.socket:
        """From here on ``url`` is known, and a request that comes early waits in its queue."""
        # The protocol is named so that asyncio sets TCP_NODELAY: without it a call costs 40 ms (reference §4).
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
        bound.listen(128)
        self.url = f"http://{host}:{bound.getsockname()[1]}"
        return bound

    def _serve(self, bound: socket.socket) -> None:
        self._socket = bound
        self._server = uvicorn.Server(
            uvicorn.Config(
                self,
                log_level="critical",
                lifespan="off",
                access_log=False,
                ws="none",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run,
            args=([bound],),
            name=type(self).__name__,
            daemon=True,
        )
        self._thread.start()
