"""The gateway as an ASGI application: tokens, bearer check, suites, spike arrest, faults, journal (reference §1, §5)."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import parse_qsl

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send, abort, read_body
from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.faults import Fault, Faults, Target
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer
from ml_connector_dagster.sandbox.ion.tokens import AuthorizationServer
from ml_connector_dagster.sandbox.ion.wire import send_answer, send_half
from ml_connector_dagster.sandbox.journal import Journal, Request, SpikeArrest
from ml_connector_dagster.sandbox.options import Tenant


_ERROR_PAGE = b"<html><head><title>Service unavailable</title></head><body><h1>Please try later</h1></body></html>"

_U14 = "OAuth [U14]: unknown oauth_consumer_key"


class Suite(Protocol):
    """A product line behind the gateway."""

    def named(self, request: ApiRequest) -> Named:
        """What the call is about, for the journal and for faults."""
        ...

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a call; runs on a worker thread."""
        ...

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """The API's own error form with HTTP status 200."""
        ...


@dataclass(slots=True, kw_only=True)
class Limits:
    """The spike arrest policy; may be changed at any time."""

    requests_per_minute: int | None
    retry_after: bool


class Gateway:
    """Everything under /{tenant}/…"""

    def __init__(
        self,
        *,
        tenants: tuple[Tenant, ...],
        suites: Mapping[str, Suite],
        tokens: AuthorizationServer,
        faults: Faults,
        journal: Journal,
        spike_arrest: SpikeArrest,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._tenants = {tenant.id: tenant for tenant in tenants}
        self._suites = suites
        self._tokens = tokens
        self._faults = faults
        self._journal = journal
        self._spike_arrest = spike_arrest
        self._limits = limits
        self._clock = clock
        self._previous: dict[tuple[str, str, str], ApiAnswer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path = scope["raw_path"].decode("latin-1").partition("?")[0]
        query = tuple(
            parse_qsl(
                scope["query_string"].decode("latin-1"), keep_blank_values=True, encoding="utf-8"
            )
        )
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        request = ApiRequest(
            tenant="",
            method=scope["method"],
            path=path,
            query=query,
            headers=headers,
            body=await read_body(receive),
        )
        segments = path.split("/", 3)  # "", tenant, suite, rest
        tenant = segments[1] if len(segments) > 1 else ""
        if tenant not in self._tenants:
            await send_answer(send, json_answer({"error": "Bad Request"}, 400))
            return
        suite = segments[2].partition(";")[0] if len(segments) > 2 else ""
        rest = segments[3] if len(segments) > 3 else ""
        request = replace(request, tenant=tenant, path=rest)
        if suite == "as":
            await self._authorization(request, path, send)
        else:
            await self._api(request, path, suite, send)

    async def _authorization(self, request: ApiRequest, path: str, send: Send) -> None:
        started = time.monotonic()
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        target = Target(
            tenant=request.tenant, path=path, program="", transaction="", company="", is_login=True
        )
        fault = self._faults.hit(target, has_previous=False)
        is_token = request.path == "token.oauth2"
        if fault is not None and fault.kind == "invalid_grant":
            answer = json_answer(
                {"error": "invalid_grant", "error_description": "The account is locked"}, 400
            )
        elif is_token and request.method == "POST":
            answer = self._token(request, form)
        elif request.path == "revoke_token.oauth2" and request.method in {"GET", "POST"}:
            given = self._tokens.revoke(
                request.tenant, dict(request.query) | form, request.headers.get("authorization", "")
            )
            answer = json_answer(given.body, given.status)
        else:
            answer = json_answer({"error": "Not Found"}, 404)
        if fault is None and is_token and answer.status == 200:
            self._journal.logged_in(request.tenant)
        status = await self._deliver(send, answer, fault, Named(), request.tenant, "as")
        self._log(
            request, path, Named(), answer, started, status, fault, form.get("grant_type", "")
        )

    def _token(self, request: ApiRequest, form: Mapping[str, str]) -> ApiAnswer:
        content_type = request.headers.get("content-type", "")
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return json_answer(
                {"error": "invalid_request", "error_description": "form parameters expected"}, 400
            )
        answer = self._tokens.token(request.tenant, form, request.headers.get("authorization", ""))
        error = str(answer.body.get("error", ""))
        return json_answer(
            answer.body, answer.status, error=error, headers=(("Cache-Control", "no-store"),)
        )

    async def _api(self, request: ApiRequest, path: str, suite: str, send: Send) -> None:
        tenant = self._tenants[request.tenant]
        started = self._journal.arrived(tenant.id)
        handler = self._suites.get(suite)
        named = Named() if handler is None else handler.named(request)
        target = Target(
            tenant=tenant.id,
            path=path,
            program=named.program,
            transaction=named.transaction,
            company=named.company,
            is_login=False,
        )
        page = (tenant.id, named.program, named.transaction)
        fault = self._faults.hit(target, has_previous=page in self._previous)
        answer = self._refusal(request, tenant, suite, started, fault)
        if answer is None and handler is None:
            answer = json_answer({"error": "Not Found"}, 404)
        if answer is None and handler is not None:
            terminate_after = (
                fault.after if fault is not None and fault.kind == "bulk_terminated" else None
            )
            answer = await asyncio.to_thread(
                handler.answer, request, terminate_after=terminate_after
            )
        assert answer is not None  # noqa: S101 - one of the three branches above has set it
        status = await self._deliver(send, answer, fault, named, tenant.id, suite)
        if self._faults.wants_previous_answers():
            self._previous[page] = answer
        elif self._previous:
            self._previous.clear()
        self._log(request, path, named, answer, started, status, fault, "")

    def _refusal(
        self,
        request: ApiRequest,
        tenant: Tenant,
        suite: str,
        started: float,
        fault: Fault | None,
    ) -> ApiAnswer | None:
        """What the gateway itself refuses, in its order; None when the call may pass."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        unauthorized = fault is not None and fault.kind == "unauthorized"
        if unauthorized or scheme != "Bearer" or not self._tokens.accepts(tenant.id, token):
            return json_answer({"error": "Unauthorized"}, 401, error="Unauthorized")
        if fault is not None and fault.kind == "unknown_consumer":
            return json_answer({"error": {"message": _U14}}, 401, error=_U14)
        if suite in tenant.forbidden_suites:
            return json_answer({"error": "Forbidden"}, 403, error="Forbidden")
        if suite not in tenant.suites:
            return json_answer({"error": "Not Found"}, 404, error="Not Found")
        if fault is not None and fault.kind == "too_many_requests":
            return self._too_many(fault.retry_after, fault.seconds)
        wait = self._spike_arrest.admit(tenant.id, started, self._limits.requests_per_minute)
        if wait > 0:
            return self._too_many(int(wait) + 1 if self._limits.retry_after else None, wait)
        return None

    def _too_many(self, retry_after: int | str | None, seconds: float) -> ApiAnswer:
        headers: tuple[tuple[str, str], ...] = ()
        if retry_after == "date":
            moment = self._clock.now() + timedelta(seconds=seconds)
            headers = (("Retry-After", format_datetime(moment, usegmt=True)),)
        elif retry_after is not None:
            headers = (("Retry-After", str(retry_after)),)
        return json_answer(
            {"error": "Too Many Requests"}, 429, headers=headers, error="Too Many Requests"
        )

    async def _deliver(
        self,
        send: Send,
        answer: ApiAnswer,
        fault: Fault | None,
        named: Named,
        tenant: str,
        suite: str,
    ) -> int:
        """Send the answer, or what the fault makes of it; answers the status that went out (0: none)."""
        kind = "" if fault is None else fault.kind
        if fault is not None and kind == "slow":
            await asyncio.to_thread(fault.released.wait, fault.seconds)
        elif fault is not None and kind == "status":
            answer = ApiAnswer(status=fault.status, body=_ERROR_PAGE, content_type="text/html")
        elif kind == "html":
            answer = replace(answer, status=200, body=_ERROR_PAGE, content_type="text/html")
        elif kind == "empty":
            answer = replace(answer, status=200, body=b"")
        elif fault is not None and kind == "error_in_200" and suite in self._suites:
            answer = self._suites[suite].error_in_200(named, fault.message)
        elif kind == "duplicate_page":
            answer = self._previous[tenant, named.program, named.transaction]
        elif kind == "truncated":
            answer = replace(answer, body=answer.body[: len(answer.body) * 2 // 3])
        elif kind == "lost":
            abort(send)
            return 0
        elif kind == "cut":
            await send_half(send, answer)
            return answer.status
        await send_answer(send, answer)
        return answer.status

    def _log(
        self,
        request: ApiRequest,
        path: str,
        named: Named,
        answer: ApiAnswer,
        started: float,
        status: int,
        fault: Fault | None,
        grant: str,
    ) -> None:
        self._journal.add(
            Request(
                at=self._clock.now(),
                started=started,
                seconds=time.monotonic() - started,
                tenant=request.tenant,
                method=request.method,
                path=path,
                program=named.program,
                transaction=named.transaction,
                company=named.company,
                status=status,
                rows=answer.rows,
                error=answer.error,
                fault="" if fault is None else fault.kind,
                grant=grant,
            )
        )
