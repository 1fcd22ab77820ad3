"""The running endpoint: real HTTP on loopback, uvicorn on a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Self
from urllib.parse import parse_qsl

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send, abort, read_body
from ml_connector_dagster.sandbox.s3.buckets import Bucket, StoredObject, etag_of
from ml_connector_dagster.sandbox.s3.calls import Call, Reply, Request
from ml_connector_dagster.sandbox.s3.faults import Fault, Faults
from ml_connector_dagster.sandbox.s3.listings import XML
from ml_connector_dagster.sandbox.s3.operations import answer, operation_of
from ml_connector_dagster.sandbox.s3.options import S3Options
from ml_connector_dagster.sandbox.s3.refusals import S3Error, no_such_bucket
from ml_connector_dagster.sandbox.s3.signatures import check_signature
from ml_connector_dagster.sandbox.serving import StandIn


_FAULTY = {
    "slow_down": (503, "SlowDown", "Please reduce your request rate."),
    "internal": (500, "InternalError", "We encountered an internal error. Please try again."),
    "conflict": (
        409,
        "ConditionalRequestConflict",
        "The conditional request cannot succeed due to a conflicting operation against this resource.",
    ),
    "timeout": (
        400,
        "RequestTimeout",
        "Your socket connection to the server was not read from or written to within the timeout period.",
    ),
}


class S3Sandbox(StandIn):
    """A stand-in of one S3 endpoint. Use ``start`` as a context manager.

    Attributes:
        buckets: what is there, for tests to look at and to damage.
        denied: actions that the user's policy does not allow, e.g. "s3:PutObject".
        requests: every call, oldest first.
    """

    def __init__(self, options: S3Options | None = None) -> None:
        super().__init__()
        self.options = options or S3Options()
        self.buckets: dict[str, Bucket] = {}
        self.denied: set[str] = set()
        self.faults = Faults()
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self.reset()

    @classmethod
    def start(cls, options: S3Options | None = None, *, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 picks a free one."""
        return cls(options).listen(port)

    def reset(self) -> None:
        """As right after the start, on the same port: objects, uploads, rights, faults, the list of calls."""
        self.buckets.clear()
        self.buckets.update({name: Bucket() for name in self.options.buckets})
        self.denied.clear()
        self.faults.clear()
        self.requests.clear()

    def calls(self, operation: str) -> tuple[Request, ...]:
        """The calls of one operation, oldest first."""
        with self._lock:
            return tuple(one for one in self.requests if one.operation == operation)

    def store(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object there as somebody else would."""
        self.buckets[bucket].objects[key] = StoredObject(
            content=content,
            etag=etag_of(content),
            modified=self.options.now(),
            content_type="binary/octet-stream",
        )

    def change(
        self,
        bucket: str,
        key: str,
        *,
        content: Callable[[bytes], bytes] = lambda old: old,
        modified: datetime | None = None,
    ) -> None:
        """Damage an object behind everybody's back, or make it look old."""
        objects = self.buckets[bucket].objects
        old = objects[key]
        objects[key] = replace(old, content=content(old.content), modified=modified or old.modified)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint as an ASGI application."""
        if scope["type"] != "http":
            return
        call = await _received(scope, receive)
        fault: Fault | None = None
        reply: Reply | None
        operation = "none"
        try:
            operation = operation_of(call)
            fault = self.faults.of_call(operation, call.key)
            reply = await asyncio.to_thread(self._answer, operation, call, fault)
        except S3Error as error:
            headers = {**XML, **error.headers}
            reply = Reply(
                status=error.status, body=error.body(call.path, "SANDBOX"), headers=headers
            )
        if fault is not None and fault.kind in ("cut", "lost"):
            reply = None
        self._remember(operation, call, reply)
        if reply is None:
            abort(send)
        else:
            await _sent(send, reply, call.method, torn=fault is not None and fault.kind == "torn")

    def _answer(self, operation: str, call: Call, fault: Fault | None) -> Reply | None:
        if fault is not None and fault.kind == "cut":
            return None
        if fault is not None and fault.kind == "html":
            page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
            return Reply(status=502, body=page, headers={"Content-Type": "text/html"})
        if fault is not None and fault.kind in _FAULTY:
            status, code, message = _FAULTY[fault.kind]
            raise S3Error(status=status, code=code, message=message)
        check_signature(call, self.options)
        bucket = self.buckets.get(call.bucket)
        if bucket is None:
            raise no_such_bucket(call.bucket)
        region = self.options.buckets[call.bucket]
        if region != self.options.region:
            raise S3Error(
                status=301,
                code="PermanentRedirect",
                message="The bucket you are attempting to access must be addressed using the specified endpoint. "
                "Please send all future requests to this endpoint.",
                details={"Bucket": call.bucket, "Endpoint": f"s3.{region}.amazonaws.com"},
                headers={"x-amz-bucket-region": region},
            )
        return answer(operation, call, bucket, self.options, lambda one: one not in self.denied)

    def _remember(self, operation: str, call: Call, reply: Reply | None) -> None:
        with self._lock:
            self.requests.append(
                Request(
                    operation=operation,
                    key=call.key,
                    status=0 if reply is None else reply.status,
                    received=len(call.body),
                    sent=0 if reply is None or call.method == "HEAD" else len(reply.body),
                    conditional="if-none-match" in call.headers,
                )
            )


async def _received(scope: Scope, receive: Receive) -> Call:
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
    return Call(
        method=scope["method"],
        path=path,
        query=tuple(query),
        headers=headers,
        body=await read_body(receive),
    )


async def _sent(send: Send, reply: Reply, method: str, *, torn: bool) -> None:
    headers = {
        **reply.headers,
        "Content-Length": str(len(reply.body)),
        "x-amz-request-id": "SANDBOX",
    }
    if reply.status == 204:
        del headers["Content-Length"]
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    body = b"" if method == "HEAD" else reply.body
    if torn:
        half = body[: len(body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        abort(send)
        return
    await send({"type": "http.response.body", "body": body})
