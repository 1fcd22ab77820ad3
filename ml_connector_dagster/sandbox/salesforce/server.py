"""The running org: real HTTP on loopback, uvicorn on a thread of its own; and the same as an ASGI application."""

import asyncio
import re
import time
from dataclasses import replace
from typing import Final, Self
from urllib.parse import parse_qs, unquote

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send, abort, read_body
from ml_connector_dagster.sandbox.salesforce import wire
from ml_connector_dagster.sandbox.salesforce.admin import FAULTS_PATH, administer
from ml_connector_dagster.sandbox.salesforce.api import LONGEST_URL, Api, Several
from ml_connector_dagster.sandbox.salesforce.bulk import BulkJobs
from ml_connector_dagster.sandbox.salesforce.calls import Call, Reply
from ml_connector_dagster.sandbox.salesforce.deployments import Deployments
from ml_connector_dagster.sandbox.salesforce.faults import Fault, Faults
from ml_connector_dagster.sandbox.salesforce.identity import Identity
from ml_connector_dagster.sandbox.salesforce.journal import Journal, Request
from ml_connector_dagster.sandbox.salesforce.options import OrgOptions
from ml_connector_dagster.sandbox.salesforce.page import render
from ml_connector_dagster.sandbox.salesforce.records import Records, Row, new_id
from ml_connector_dagster.sandbox.salesforce.refusals import (
    ApiError,
    OAuthError,
    not_found,
    session_expired,
)
from ml_connector_dagster.sandbox.salesforce.schema import Schema
from ml_connector_dagster.sandbox.salesforce.writes import DuplicateRule, Writes
from ml_connector_dagster.sandbox.serving import StandIn


TOKEN_PATH: Final = "/services/oauth2/token"
PAGE_PATH: Final = "/_salesforce"
#: Where people look at objects and records; every address below it shows the page.
LIGHTNING_PATH: Final = "/lightning/"
_DATA: Final = re.compile(r"/services/data/v(?P<version>\d+\.\d)(?P<rest>/.*)?")
_OLDEST: Final = 31
#: Faults of an answer, not of the call.
_AFTERWARDS: Final = ("lost", "half", "page")
_PROXY_PAGE: Final = b"<html><body><h1>Sign in</h1></body></html>"


class SalesforceSandbox(StandIn):
    """A stand-in of one org. Use ``start`` as a context manager."""

    def __init__(self, options: OrgOptions | None = None) -> None:
        super().__init__()
        self.options = options or OrgOptions()
        self.schema = Schema()
        self.records = Records()
        self.faults = Faults()
        self.journal = Journal()
        self.used = self.options.requests_used
        self.user_id = new_id("005", 1)
        self.identity = Identity(self.options, new_id("00D", 1), self.user_id)
        self.writes = Writes(
            self.schema,
            self.records,
            self.faults,
            now=self.options.now,
            hold_seconds=self.options.write_seconds,
        )
        self.bulk = BulkJobs(self.options, self.schema, self.records, self.writes, self.faults)
        self.deployments = Deployments(self.schema, self.records)
        self._api = Api(
            self.options,
            self.schema,
            self.records,
            self.writes,
            self.bulk,
            self.deployments,
            self.identity.url,
        )
        self.writes.saved = self._api.granted
        self._furnish()

    @classmethod
    def start(cls, options: OrgOptions | None = None, *, port: int = 0) -> Self:
        """Listen on 127.0.0.1; port 0 picks a free one."""
        return cls(options).listen(port)

    def reset(self) -> None:
        """As right after the start, on the same port: records, metadata, rights, faults, tokens, jobs, counts."""
        self.faults.clear()
        self.records.clear()
        self.schema.reset()
        self.deployments.clear()
        self.bulk.jobs.clear()
        self.writes.duplicate_rules.clear()
        self.identity.clear()
        self.journal.clear()
        self.used = self.options.requests_used
        self._furnish()

    def _furnish(self) -> None:
        """What every org has: itself, and the user that the app runs as."""
        may = "crud" if self.options.may_customize else "r"
        self.schema.rights.objects["PermissionSetAssignment"] = may
        user: Row = {"Id": self.user_id, "Username": self.options.username}
        user["LastName"] = "Integration"
        self.records.table(self.schema.objects["User"]).put(self.user_id, user)
        org: Row = {"Id": new_id("00D", 1), "Name": self.options.my_domain, "IsSandbox": False}
        org["OrganizationType"] = "Enterprise Edition"
        self.records.table(self.schema.objects["Organization"]).put(str(org["Id"]), org)

    def rows(self, sobject: str) -> list[Row]:
        """The records of an object, oldest first."""
        with self.writes.lock:
            return [
                dict(row) for row in self.records.table(self.schema.objects[sobject]).rows.values()
            ]

    def by_key(self, sobject: str, key: str = "ERP_Id__c") -> dict[str, Row]:
        """The records of an object by the value of a field."""
        return {str(row[key]): row for row in self.rows(sobject) if row.get(key) is not None}

    def add_duplicate_rule(self, sobject: str, rule: DuplicateRule) -> None:
        self.writes.duplicate_rules[sobject] = rule

    def requests(self, method: str | None = None, path: str = "") -> tuple[Request, ...]:
        """API requests (not logins), oldest first; ``path`` is searched for."""
        return tuple(
            one
            for one in self.journal.requests()
            if one.path != TOKEN_PATH
            and one.path.startswith("/services/")
            and (method is None or one.method == method)
            and re.search(path, one.path)
        )

    # --- Serving ----------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The org as an ASGI application: ``/services/…``; ``/_salesforce`` and ``/lightning/…`` for people."""
        if scope["type"] != "http":
            return
        started = time.monotonic()
        body = await read_body(receive)
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        method, raw = scope["method"], scope.get("raw_path", scope["path"].encode()).decode()
        raw = raw.partition("?")[0]
        reply: Reply | None
        try:
            reply = await self._replied(method, raw, scope["query_string"].decode(), headers, body)
        except ApiError as error:
            given = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
            reply = Reply(status=error.status, content=error.body(), headers=given)
        except Several as several:
            reply = Reply(status=300, content=several.urls)
        status = 0 if reply is None else reply.status
        self.journal.add(
            Request(
                method=method,
                path=unquote(raw),
                status=status,
                headers=headers,
                body=body,
                started=started,
                ended=time.monotonic(),
            )
        )
        if reply is None:
            abort(send)
        else:
            await self._send(send, reply)

    async def _replied(
        self, method: str, raw: str, query: str, headers: dict[str, str], body: bytes
    ) -> Reply | None:
        """The answer; None when the connection is to be cut."""
        # What people and tests ask of the stand-in itself never fails.
        is_ours = not unquote(raw).startswith("/services")
        fault = None if is_ours else self.faults.of_call(method, unquote(raw))
        if fault is not None:
            if fault.kind == "cut":
                return None
            if fault.kind == "slow":
                waited = time.monotonic()
                while not fault.released.is_set() and time.monotonic() - waited < fault.seconds:
                    await asyncio.sleep(0.01)
            elif fault.kind not in _AFTERWARDS:
                return self._faulty(fault, headers)
        reply = await asyncio.to_thread(self._answer, method, raw, query, headers, body)
        return reply if fault is None else _spoilt(reply, fault.kind)

    def _faulty(self, fault: Fault, headers: dict[str, str]) -> Reply:
        if fault.kind in ("expired", "refused"):
            if fault.kind == "expired":
                self.identity.revoke(headers.get("authorization", "").partition(" ")[2])
            if fault.body is None:
                raise session_expired()
            return Reply(status=401, content=fault.body.encode(), content_type="text/html")
        if fault.kind == "limit":
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        given = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        content: object = ApiError(fault.status, fault.code, fault.message).body()
        if fault.body is not None:
            content = fault.body.encode()
        return Reply(status=fault.status, content=content, headers=given)

    def _answer(
        self, method: str, raw: str, query: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        path, host = unquote(raw), headers.get("host", "").lower()
        if method == "GET" and (path == PAGE_PATH or path.startswith(LIGHTNING_PATH)):
            page = render(self).encode()
            return Reply(content=page, content_type="text/html; charset=utf-8")
        if path == FAULTS_PATH:
            return administer(self.faults, method, body)
        if path == TOKEN_PATH and method == "POST":
            return self._logged_in(host, headers, body)
        if host != self.options.host:
            gone = b"<html><body>URL No Longer Exists</body></html>"
            return Reply(status=404, content=gone, content_type="text/html; charset=utf-8")
        if len(raw) + len(query) > LONGEST_URL:
            return Reply(status=414, content=b"<h1>URI Too Long</h1>", content_type="text/html")
        if path.rstrip("/") == "/services/data":
            return Reply(content=self._versions())
        return self._resource(method, raw, query, headers, body)

    def _logged_in(self, host: str, headers: dict[str, str], body: bytes) -> Reply:
        try:
            return Reply(content=self.identity.token(host, headers, body))
        except OAuthError as error:
            told = {"error": error.error, "error_description": error.description}
            return Reply(status=400, content=told)

    def _versions(self) -> list[dict[str, str]]:
        numbers = range(_OLDEST, self.options.newest_version + 1)
        return [
            {"label": f"v{number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in numbers
        ]

    def _resource(
        self, method: str, raw: str, query: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        """What is behind a login, and counts as an API request."""
        found = _DATA.fullmatch(raw)
        self.identity.check(headers.get("authorization", ""))
        if found is None or not _OLDEST <= float(found["version"]) <= self.options.newest_version:
            raise not_found()
        if self.used >= self.options.daily_requests:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1
        # Each part is decoded by itself: a key may hold a slash that was sent as %2F.
        parts = tuple(unquote(part) for part in (found["rest"] or "").split("/") if part)
        values = parse_qs(query, keep_blank_values=True)
        call = Call(
            method=method,
            version=found["version"],
            parts=parts,
            query={name: value[-1] for name, value in values.items()},
            headers=headers,
            body=body,
        )
        return self._api.answer(call, self.used)

    async def _send(self, send: Send, reply: Reply) -> None:
        body = _body(reply)
        headers = {
            "Content-Type": reply.content_type,
            "Content-Length": str(len(body)),
            "Sforce-Limit-Info": f"api-usage={self.used}/{self.options.daily_requests}",
            **reply.headers,
        }
        if reply.status == 204:
            del headers["Content-Type"], headers["Content-Length"]
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": body})


def _body(reply: Reply) -> bytes:
    if reply.content is None:
        return b""
    return reply.content if isinstance(reply.content, bytes) else wire.write(reply.content)


def _spoilt(reply: Reply, kind: str) -> Reply | None:
    """What comes of an answer on its way; None when the connection is to be cut."""
    if kind == "lost":
        return None
    if kind == "page":
        return Reply(status=200, content=_PROXY_PAGE, content_type="text/html; charset=utf-8")
    body = _body(reply)
    return replace(reply, content=body[: len(body) // 2] if kind == "half" else body)
