"""A front end before a service, as a process of its own: what a load balancer is to a real one. It can be killed.

``python -m ml_connector_dagster_tests.chaos.front PORT UPSTREAM_PORT``. It hands on bytes and knows as much of HTTP as it
takes to spoil it. Faults come as JSON lines on stdin, ``{"kind": "lost", "times": 3}``; each that hits is a line on stdout.
Only the standard library: it must be back within a fraction of a second.
"""

import asyncio
import json
import socket
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Final


#: What a request can run into here, whatever the service.
KINDS: Final = (
    "401", "429", "500", "503",  # answered by the front end, the service never hears of it
    "html",  # a page of some proxy, with status 200
    "refused",  # the connection closes before anything is done
    "lost",  # carried out, then the connection closes without an answer
    "cut",  # carried out, then the connection closes in the middle of the answer
    "truncated",  # a complete HTTP answer with half of its body
    "slow",  # carried out, and answered after some seconds
    "echo 400", "echo 500",  # an error page that shows the whole request, credentials included
    "quote 400",  # an error in JSON that repeats what the caller logs in with, and nothing beside it
)  # fmt: skip

_SLOW_SECONDS: Final = 4.0
_INSTEAD: Final = ("401", "429", "500", "503", "html", "echo 400", "echo 500", "quote 400")


@dataclass(slots=True)
class Faults:
    """Those that wait for a request, oldest first."""

    waiting: deque[str] = field(default_factory=deque)

    def take(self) -> str | None:
        if not self.waiting:
            return None
        kind = self.waiting.popleft()
        sys.stdout.write(f"{kind}\n")
        sys.stdout.flush()
        return kind


class Connection:
    """One client's connection and its own one to the service. A request begins when a client speaks after an answer."""

    def __init__(
        self,
        faults: Faults,
        upstream: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._faults = faults
        self._upstream = upstream
        self._reader = reader
        self._writer = writer
        self._fault: str | None = None
        self._answered = True

    async def serve(self) -> None:
        try:
            there = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            self._writer.transport.abort()
            return
        pumps = [
            asyncio.create_task(self._requests(there[1])),
            asyncio.create_task(self._answers(there[0])),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        there[1].transport.abort()
        self._writer.close()

    async def _requests(self, service: asyncio.StreamWriter) -> None:
        while data := await self._reader.read(65_536):
            if self._answered:
                self._answered = False
                self._fault = self._faults.take()
            if self._fault == "refused":
                self._writer.transport.abort()
                return
            if self._fault in _INSTEAD or (self._fault or "").startswith("redirect"):
                await self._answer_instead(str(self._fault), data)
                return
            service.write(data)
            await service.drain()

    async def _answer_instead(self, kind: str, request: bytes) -> None:
        """Answer, and hear the rest of the request: closing before would lose the answer on its way."""
        page, media = b"<html><body><h1>The front end is not well</h1></body></html>", "text/html"
        if kind.startswith("echo"):
            page = b"<html><body><pre>" + request + b"</pre></body></html>"
        if kind.startswith("quote"):
            page, media = quoting(request), "application/json"
        status = "200 OK" if kind == "html" else f"{kind[-3:]} Not well"
        more = "Retry-After: 1\r\n" if kind == "429" else ""
        if kind.startswith(
            "redirect"
        ):  # "redirect 307 http://…": not for chaos, but for whoever asks for it
            _, code, address = kind.split()
            status, more = f"{code} Elsewhere", f"Location: {address}\r\n"
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: {media}\r\n{more}"
            f"Content-Length: {len(page)}\r\nConnection: close\r\n\r\n"
        )
        self._writer.write(head.encode() + page)
        await self._writer.drain()
        try:
            while await asyncio.wait_for(self._reader.read(65_536), timeout=0.3):
                pass
        except TimeoutError:
            pass

    async def _answers(self, service: asyncio.StreamReader) -> None:
        while data := await service.read(65_536):
            fault = None if self._answered else self._fault
            self._answered = True
            if fault == "lost":
                self._writer.transport.abort()
                return
            if fault == "slow":
                await asyncio.sleep(_SLOW_SECONDS)
            if fault in ("cut", "truncated"):
                self._writer.write(
                    truncated(data) if fault == "truncated" else data[: len(data) // 2]
                )
                await self._writer.drain()
                return
            self._writer.write(data)
            await self._writer.drain()


def quoting(request: bytes) -> bytes:
    """An error that repeats the token of a request, or the body of a login; in a shape that most clients can read."""
    head, _, body = request.partition(b"\r\n\r\n")
    tokens = [
        line.split()[-1]
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"authorization:")
    ]
    said = f"{(tokens or [body])[0].decode('latin-1')} is not known here"
    told = {"message": said, "error_description": said, "errors": [{"message": said}]}
    return json.dumps({"error": "invalid_request", **told}).encode()


def truncated(answer: bytes) -> bytes:
    """The first bytes of an answer as a whole one with half of its body; as it is when there is no body."""
    head, gap, body = answer.partition(b"\r\n\r\n")
    lines = [
        line
        for line in head.split(b"\r\n")
        if not line.lower().startswith((b"content-length:", b"transfer-encoding:", b"connection:"))
    ]
    half = body[: len(body) // 2]
    lines += [b"Content-Length: %d" % len(half), b"Connection: close"]
    return b"\r\n".join(lines) + gap + half


async def _listen_to_orders(faults: Faults) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        if order["kind"] == "none":
            faults.waiting.clear()
        else:
            faults.waiting.extend([order["kind"]] * order["times"])


async def main(port: int, upstream: int) -> None:
    faults = Faults()
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(faults, upstream, reader, writer).serve()

    server = await asyncio.start_server(accept, sock=listening)
    async with server:
        # Ends with whoever gives the orders, so that none is left behind.
        await _listen_to_orders(faults)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
