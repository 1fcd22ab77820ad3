"""The stand-in as an ASGI application: ``/api/4.0`` and pages for people."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs, parse_qsl, unquote
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send, abort, read_body
from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.looker import page
from ml_connector_dagster.sandbox.looker.endpoints import ENDPOINTS, Call, Reply, told
from ml_connector_dagster.sandbox.looker.faults import Fault, Faults
from ml_connector_dagster.sandbox.looker.instance import Instance
from ml_connector_dagster.sandbox.looker.options import LookerOptions
from ml_connector_dagster.sandbox.looker.refusals import Refused, invalid, not_found
from ml_connector_dagster.sandbox.serving import StandIn


_API: Final = "/api/4.0"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call that was answered: "METHOD /path", without /api/4.0."""

    call: str
    status: int
    activity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    call: str
    arguments: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class LookerSandbox(StandIn):
    """An instance behind its API. ``calls`` that were answered, oldest first. Use ``start`` as a context manager."""

    def __init__(self, options: LookerOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or LookerOptions()
        self.clock = Clock(ZoneInfo("UTC"), options.now)
        self.faults = Faults()
        self.instance = Instance(options, self.clock.now)
        self.calls: list[Asked] = []

    @classmethod
    def start(cls, options: LookerOptions | None = None, *, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 picks a free one."""
        return cls(options).listen(port)

    @property
    def login(self) -> dict[str, str]:
        """What its client logs in with."""
        return {"client_id": self.options.client_id, "client_secret": self.options.client_secret}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The instance as an ASGI application."""
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        path = unquote(scope["path"])
        arguments = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        if not path.startswith(f"{_API}/"):
            await _send(send, await asyncio.to_thread(self._page, scope["method"], path, arguments))
            return
        request = _Request(
            call=f"{scope['method']} {path.removeprefix(_API)}",
            arguments=arguments,
            headers={name.decode().lower(): value.decode() for name, value in scope["headers"]},
            body=body,
        )
        fault = self.faults.of_call(request.call)
        if fault is not None and fault.kind == "refused":
            abort(send)
            return
        reply, activity = await asyncio.to_thread(self._answer, request, fault)
        self.calls.append(Asked(call=request.call, status=reply.status, activity=activity))
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.kind == "lost":
            abort(send)
        elif fault is not None and fault.kind == "lost_500":
            await _send(
                send, told({"message": "An error has occurred.", "documentation_url": ""}, 500)
            )
        else:
            await _send(send, reply)

    def _answer(self, request: _Request, fault: Fault | None) -> tuple[Reply, str]:
        early = None if fault is None else self._early(fault)
        if early is not None:
            return early, "none"
        activity = "none"
        try:
            with self.instance.lock:
                if request.call == "POST /login":
                    return self._log_in(request), activity
                for endpoint in ENDPOINTS:
                    method, _, path = request.call.partition(" ")
                    found = endpoint.path.fullmatch(path) if endpoint.method == method else None
                    if found is None:
                        continue
                    session = self.instance.session(request.headers.get("authorization", ""))
                    body = _json_body(request)
                    activity = endpoint.activity
                    self.instance.count(activity)
                    call = Call(
                        instance=self.instance,
                        session=session,
                        path=found.groupdict(),
                        arguments=request.arguments,
                        body=body,
                        fault=fault,
                    )
                    return endpoint.answer(call), activity
            raise not_found()
        except Refused as refused:
            headers = {}
            if refused.retry_after is not None:
                headers["Retry-After"] = str(refused.retry_after)
            reply = told(refused.body, refused.status)
            return Reply(status=reply.status, body=reply.body, headers=headers), activity

    def _early(self, fault: Fault) -> Reply | None:
        """The answer of a fault that comes before anything is done."""
        headers = dict(fault.headers)
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        if fault.kind == "expired":
            self.instance.forget_tokens()
        if fault.kind == "body":
            return Reply(
                status=fault.status,
                body=fault.body.encode(),
                content_type=fault.content_type,
                headers=headers,
            )
        if fault.kind != "status":
            return None
        body = told({"message": fault.message, "documentation_url": ""}).body
        return Reply(status=fault.status, body=body, headers=headers)

    def _log_in(self, request: _Request) -> Reply:
        if request.content_type != _FORM:
            raise Refused(415, "Unsupported Media Type: log in with a form")
        if request.arguments:
            # Looker is withdrawing them (end of 2026): an address is written to logs.
            raise Refused(400, "Credentials in the query string are not taken")
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        for name in ("client_id", "client_secret"):
            if name not in form:
                raise invalid(name, "is missing", "missing_field")
        return told(self.instance.log_in(form["client_id"], form["client_secret"]))

    def _page(self, method: str, path: str, arguments: Mapping[str, str]) -> Reply:
        if method != "GET":
            return Reply(status=405, body=b"Method Not Allowed", content_type="text/plain")
        try:
            with self.instance.lock:
                html = page.render(self.instance, path.rstrip("/"), arguments)
        except Refused as refused:
            return Reply(
                status=refused.status, body=str(refused).encode(), content_type="text/plain"
            )
        return Reply(body=html.encode(), content_type="text/html; charset=utf-8")


def _json_body(request: _Request) -> Any:
    """The body of a call, which must be JSON, whatever the client says of it."""
    if not request.body:
        return None
    if request.content_type != "application/json":
        raise Refused(415, f"Unsupported Media Type: {request.content_type or 'none'}")
    try:
        return json.loads(request.body)
    except ValueError:
        raise Refused(400, "The body is not JSON") from None


async def _send(send: Send, reply: Reply) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.status != 204:
        headers.append((b"content-type", reply.content_type.encode()))
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
