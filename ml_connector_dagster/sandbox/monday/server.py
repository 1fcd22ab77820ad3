"""The stand-in as an ASGI application: ``/v2``, the links for files, and pages for people."""

import asyncio
import re
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send, abort, read_body
from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.monday import page
from ml_connector_dagster.sandbox.monday.account import Account
from ml_connector_dagster.sandbox.monday.cursors import Cursors
from ml_connector_dagster.sandbox.monday.faults import Fault, Faults
from ml_connector_dagster.sandbox.monday.graphql_api import Call, GraphQLApi, Reply
from ml_connector_dagster.sandbox.monday.idempotency import Idempotency
from ml_connector_dagster.sandbox.monday.jobs import Jobs
from ml_connector_dagster.sandbox.monday.limits import Limits
from ml_connector_dagster.sandbox.monday.options import MondayOptions
from ml_connector_dagster.sandbox.monday.refusals import CallRefused
from ml_connector_dagster.sandbox.monday.schema import build
from ml_connector_dagster.sandbox.serving import StandIn


_API: Final = "/v2"
_FILE: Final = re.compile(r"/_monday/(?P<kind>uploads|reports)/(?P<job>[0-9a-f-]{36})")
_BOARD: Final = re.compile(r"/_monday/boards/(?P<id>\d+)(/pulses/\d+)?")
_PROXY_PAGE: Final = b"<html><body><h1>Bad gateway</h1></body></html>"


class MondaySandbox(StandIn):
    """An account behind the API. Use ``start`` as a context manager.

    ``calls`` of the API, ``uploads`` and ``reports`` of files are counted.
    """

    def __init__(self, options: MondayOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or MondayOptions()
        self.clock = Clock(ZoneInfo("UTC"), options.now)
        self.faults = Faults()
        self.account = Account(options, self._now)
        self.jobs = Jobs(options, self.account, self._now)
        self.limits = Limits(options, self._now)
        self._api = GraphQLApi(
            options,
            build(),
            self.account,
            self.jobs,
            Cursors(self.account, self._now),
            self.limits,
            Idempotency(self._now),
        )
        self.uploads = 0
        self.reports = 0

    @classmethod
    def start(cls, options: MondayOptions | None = None, *, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 picks a free one."""
        return cls(options).listen(port)

    def _now(self) -> float:
        return self.clock.now().timestamp()

    @property
    def calls(self) -> list[Call]:
        """Calls of the API that were answered, oldest first."""
        return self._api.calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The account as an ASGI application."""
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        method, path = scope["method"], scope["path"]
        if path == _API and method == "POST":
            await self._graphql(headers, body, send)
        elif found := _FILE.fullmatch(path):
            key = parse_qs(scope["query_string"].decode()).get("signature", [""])[0]
            await self._file(method, found, key, headers, body, send)
        elif method == "GET":
            await _send(send, self._look(path))
        else:
            await _send(send, _text(405, "Method Not Allowed"))

    async def _graphql(self, headers: Mapping[str, str], body: bytes, send: Send) -> None:
        try:
            if not headers.get("content-type", "").startswith("application/json"):
                raise CallRefused(400, "JsonParseException", "the body is not JSON")
            question = self._api.read(body)
        except CallRefused as refused:
            await _send(send, self._api.refuse(refused))
            return
        fault = self.faults.of_call(question.fields)
        if fault is not None and fault.kind == "refused":
            abort(send)
            return
        early = None if fault is None else self._early(fault)
        if early is not None:
            await _send(send, early)
            return
        base_url = f"http://{headers.get('host', '')}"
        reply = await asyncio.to_thread(self._api.answer, question, headers, base_url, fault)
        await _deliver(send, reply, fault)

    def _early(self, fault: Fault) -> Reply | None:
        """The answer of a fault that comes before anything is done."""
        if fault.kind == "html":
            return Reply(
                status=fault.status, body=_PROXY_PAGE, headers=(("content-type", "text/html"),)
            )
        if fault.kind != "status":
            return None
        extensions = {}
        if fault.retry_in_seconds is not None:
            extensions["retry_in_seconds"] = fault.retry_in_seconds
        return self._api.refuse(
            CallRefused(
                fault.status,
                fault.code,
                fault.message,
                retry_after=fault.retry_after,
                **extensions,
            )
        )

    async def _file(
        self,
        method: str,
        found: re.Match[str],
        key: str,
        headers: Mapping[str, str],
        body: bytes,
        send: Send,
    ) -> None:
        """A link to a file, as a storage service answers it: the signature is the permission."""
        kind = "upload" if found["kind"] == "uploads" else "report"
        fault = self.faults.of_call((kind,))
        early = None if fault is None else self._early(fault)
        if fault is not None and fault.kind == "refused":
            abort(send)
        elif early is not None:
            await _send(send, early)
        elif "authorization" in headers:
            await _send(send, _text(400, "Only one auth mechanism allowed"))
        elif kind == "upload" and method == "PUT":
            await _deliver(send, await self._upload(found["job"], key, body, fault), fault)
        elif kind == "report" and method == "GET":
            self.reports += 1
            report = self.jobs.report(found["job"], key)
            reply = _text(403, "Request has expired") if report is None else _csv(report)
            await _deliver(send, reply, fault)
        else:
            await _send(send, _text(405, "Method Not Allowed"))

    async def _upload(self, job_id: str, key: str, body: bytes, fault: Fault | None) -> Reply:
        self.uploads += 1
        stop_after = fault.rows if fault is not None and fault.kind == "broken_job" else None

        def upload() -> int:
            with self._api.lock:
                return self.jobs.upload(job_id, key, body, stop_after=stop_after)

        status = await asyncio.to_thread(upload)
        return _text(status, "" if status == 200 else "Request has expired")

    def _look(self, path: str) -> Reply:
        with self._api.lock:
            if path.rstrip("/") == "/_monday":
                return _html(page.boards(self.account, self.calls, self.limits.used_today))
            if found := _BOARD.fullmatch(path):
                board = self.account.boards.get(int(found["id"]))
                if board is not None:
                    return _html(page.board(self.account, board))
        return _text(404, "Not Found")


def _html(content: str) -> Reply:
    headers = (("content-type", "text/html; charset=utf-8"),)
    return Reply(status=200, body=content.encode(), headers=headers)


def _csv(content: bytes) -> Reply:
    return Reply(status=200, body=content, headers=(("content-type", "text/csv"),))


def _text(status: int, content: str) -> Reply:
    return Reply(status=status, body=content.encode(), headers=(("content-type", "text/plain"),))


async def _deliver(send: Send, reply: Reply, fault: Fault | None) -> None:
    """Send the answer of something that was done, or lose it."""
    kind = None if fault is None else fault.kind
    if kind == "lost":
        abort(send)
    elif kind == "lost_500":
        await _send(send, _text(500, "Internal server error"))
    elif kind == "cut":
        headers = _headers(reply)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        abort(send)
    else:
        await _send(send, reply)


def _headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    given = [(name.encode(), value.encode()) for name, value in reply.headers]
    if not any(name == b"content-type" for name, _ in given):
        given.append((b"content-type", b"application/json; charset=utf-8"))
    return [*given, (b"content-length", str(len(reply.body)).encode())]


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": _headers(reply)})
    await send({"type": "http.response.body", "body": reply.body})
