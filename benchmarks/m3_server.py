"""A gateway with one M3 list behind it, fast enough to be forgotten: about one CPU second per million rows.

    python benchmarks/m3_server.py --rows 1000000 [--latency-ms 200]

It prints its port and serves until its standard input ends. Besides the list it answers what the M3 product line asks
before it reads (MRS001MI), tokens, and, for the benchmark itself, ``GET /_times`` (when each API request arrived) and
``POST /_next`` (every hundredth row changes; the times begin anew).
"""

import argparse
import asyncio
import json
import sys
import time
from datetime import datetime
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from wide_rows import (
    CHANGED_SINCE,
    FIELDS,
    FIRST_KEY,
    KEY,
    PROGRAM,
    TRANSACTION,
    ZONE,
    is_changed,
    rows,
    templates,
)


_ALL = 1_000_000_000


class Erp:
    """The rows, in one of two states."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.changed = False
        self.before, self.after = templates(f"{datetime.now(ZoneInfo(ZONE)):%Y%m%d}")
        self.changed_numbers = [number for number in range(count) if is_changed(number)]

    def list(self, start: str, since: str, limit: int) -> bytes:
        """Rows from a key on, in key order."""
        place = self._place(start)
        after = self.after if self.changed else None
        if not since or since == "0":
            numbers = iter(range(place, min(self.count, place + limit)))
        elif self.changed:
            # Every hundredth row: the first one that is not before the place.
            first = max(0, -(-(place - 37) // 100))
            numbers = iter(self.changed_numbers[first : first + limit])
        else:
            numbers = iter(())
        return rows(numbers, self.before, after)

    def _place(self, start: str) -> int:
        """The first row whose key is not before ``start``, as texts compare."""
        digits = ""
        for letter in start[:10]:
            if letter > "9":
                return self.count if not digits else self._place(str(int(digits) + 1))
            if letter < "0":
                break
            digits += letter
        return min(self.count, max(0, int(digits.ljust(10, "0") or "0") - FIRST_KEY))


class Server(asyncio.Protocol):
    """One connection. Requests of a connection come one after the other, as HTTP clients send them."""

    def __init__(self, erp: Erp, latency: float, times: list[float]) -> None:
        self._erp = erp
        self._latency = latency
        self._times = times
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while True:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            lines = head.decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:])
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._answer(lines[0].split(" ")[1], rest[:length])

    def _answer(self, target: str, body: bytes) -> None:
        if target.endswith("token.oauth2"):
            token = {"access_token": "benchmark", "token_type": "Bearer", "expires_in": 7200}
            self._send([json.dumps(token).encode()])
        elif target == "/_times":
            self._send([json.dumps(self._times).encode()])
        elif target == "/_next":
            self._erp.changed = True
            self._times.clear()
            self._send([b"{}"])
        else:
            self._times.append(time.time())
            later = asyncio.get_running_loop().call_later
            later(self._latency, self._execute, target)

    def _execute(self, target: str) -> None:
        path, _, query = target.partition("?")
        call, *options = path.split(";")
        program, transaction = call.split("/")[-2:]
        limit = next(int(one[8:]) for one in options if one.startswith("maxrecs=")) or _ALL
        inputs = {name: unquote(value) for name, value in parse_qsl(query)}
        if (program, transaction) == (PROGRAM, TRANSACTION):
            found = self._erp.list(inputs.get(KEY, ""), inputs.get(CHANGED_SINCE, ""), limit)
        else:
            found = _repository(transaction, inputs)
        self._send(
            [
                b'{"results":[{"transaction":"%b","records":[' % transaction.encode(),
                found,
                b']}],"wasTerminated":false,"nrOfSuccessfullTransactions":1,"nrOfFailedTransactions":0}',
            ]
        )

    def _send(self, parts: list[bytes]) -> None:
        length = sum(map(len, parts))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.writelines([head % length, *parts])


def _repository(transaction: str, inputs: dict[str, str]) -> bytes:
    """MRS001MI about the one program."""
    if transaction == "LstTransactions":
        records = [{"MINM": PROGRAM, "TRNM": TRANSACTION}]
    else:
        names = [KEY, CHANGED_SINCE] if inputs["TRTP"] == "I" else list(FIELDS)
        records = [{"FLNM": name} for name in names]
    return json.dumps(records, separators=(",", ":"))[1:-1].encode()


async def _serve(options: argparse.Namespace) -> None:
    erp, times = Erp(options.rows), list[float]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(erp, options.latency_ms / 1000, times), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
