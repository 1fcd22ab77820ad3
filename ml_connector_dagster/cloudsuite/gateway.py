"""The one way to the ION API Gateway of a tenant: guard → retries → breaker → token → budget → wire.

Written from reference/cloudsuite-api.md §5. What a body means is the product line's business; this module knows HTTP
only. Environment proxies are not used: a bearer token goes where the .ionapi file says and nowhere else. The
machine's trusted certificates (SSL_CERT_FILE, SSL_CERT_DIR) are honoured, for on-premise gateways.
"""

import copy
import json as json_text
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import httpx

from ml_connector_dagster.cloudsuite.auth import (
    BearerAuth,
    TokenPolicy,
    TokenStore,
)
from ml_connector_dagster.cloudsuite.breaker import Breaker, BreakerStore
from ml_connector_dagster.cloudsuite.budget import BudgetStore, RequestBudget
from ml_connector_dagster.cloudsuite.exchanges import Exchange, MeteredTransport
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.logins import LoginDelayedError
from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.cloudsuite.read_guard import ReadGuard
from ml_connector_dagster.cloudsuite.refusals import CONNECT_TIMEOUT, Refusals
from ml_connector_dagster.cloudsuite.retries import RetryPolicy, retrying
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.model.errors import BreakerOpenError, TransientError
from ml_connector_dagster.telemetry import Meter, boundary, meter


log = logging.getLogger("ml_connector_dagster.cloudsuite")

#: Status and body of an answer that is not 2xx → whether it is the ERP's own, which its product line reads.
Readable = Callable[[int, bytes], bool]


def statuses(*known: int) -> Readable:
    """Every answer with one of these statuses is the ERP's own."""
    return lambda status, body: status in known


#: What holds for every suite.
BAD_REQUEST: Final = statuses(400)

_LONGEST_BLOCK: Final = 3600.0  # a mistaken Retry-After must not shut a tenant out for good


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the ERP: HTTP 2xx, or a refusal that the product line reads.

    Attributes:
        status: 2xx, or that of a refusal (400 in every suite).
        body: the body, decoded from its transfer and content encodings, whole.
        requested_at: when the first request for it left (UTC).
        attempts: API requests that were sent for it, repeats included (logins are not).
        elapsed: seconds from asking to having it, waits included.
    """

    status: int
    body: bytes
    requested_at: datetime
    attempts: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a gateway has used so far, for metadata.

    Attributes:
        requests: API requests sent, repeats included.
        retries: tries after a first one.
        throttled: answers 429.
        logins: logins made by this process.
        response_bytes: bytes of bodies handed out.
        waited_seconds: time queued for the request budget, all threads together.
    """

    requests: int
    retries: int
    throttled: int
    logins: int
    response_bytes: int
    waited_seconds: float


@dataclass(slots=True)
class _Counts:
    """What was used so far, by every suite of a tenant together."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    bytes: int = 0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Gateway:
    """Reads from one suite (``M3``, …) of one tenant. Thread-safe. Close it, or use it as a context manager.

    ``path`` starts with "/" and is what follows ``{iu}/{ti}/{suite}``, percent-encoded, matrix options and query
    included: ``/m3api-rest/v2/execute/CRS620MI/LstSuppliers;maxrecs=0;cono=790?LMTS=0``.

    Raises, all naming tenant, program and status, never token or payload:
        ConfigError: the call is not a read (before any network traffic); the server's certificate is not trusted.
        CredentialError: 401 after one renewal; 403.
        TransientError: still failing after the retries; BreakerOpenError when the tenant is left alone for a while.
        ContractError: 404 and every other status. What is ``readable`` (HTTP 400 at least) is not raised: see ``Reply``.
    """

    def __init__(
        self,
        ionapi: IonApi,
        *,
        tenant: str,
        suite: str,
        auth: BearerAuth,
        budget: RequestBudget,
        breaker: Breaker,
        pause: Pause,
        retry: RetryPolicy | None = None,
        timeout: float = 60.0,
        concurrency: int = 4,
        readable: Readable = BAD_REQUEST,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = _utc_now,
        elapsed: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._tenant = tenant
        self._tenant_id = ionapi.tenant_id
        self._root = ionapi.base_url
        self._timeout = timeout
        self._face(suite, readable)
        self._auth = auth
        self._budget = budget
        self._breaker = breaker
        self._pause = pause
        self._retry = retry or RetryPolicy()
        self._clock = clock
        self._elapsed = elapsed
        self._draw = draw
        self._timeouts = httpx.Timeout(timeout, connect=CONNECT_TIMEOUT, pool=None).as_dict()
        inner = transport or httpx.HTTPTransport(
            limits=httpx.Limits(
                max_connections=concurrency + 1,  # one more, for a login meanwhile
                max_keepalive_connections=concurrency + 1,
                keepalive_expiry=30.0,
            )
        )
        self._client = httpx.Client(
            transport=MeteredTransport(inner, budget, clock),
            trust_env=False,
            follow_redirects=False,
        )
        self._counts = _Counts()

    def _face(self, suite: str, readable: Readable) -> None:
        self._suite = suite
        self._readable = readable
        self._base = f"{self._root}/{suite}"
        self._refusals = Refusals(
            tenant=self._tenant,
            suite=suite,
            host=httpx.URL(self._root).host,
            timeout=self._timeout,
        )
        self._guard = ReadGuard(suite)

    def beside(self, suite: str, readable: Readable) -> Self:
        """Another suite of the same tenant: with the same token, budget, breaker, connections and counts.

        It is closed with this one.
        """
        other = copy.copy(self)
        other._face(suite, readable)
        return other

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """GET a read."""
        return self._call("GET", path, self._guard.judge_get(path), None, headers)

    def post(
        self, path: str, *, json: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> Reply:
        """POST a bulk of reads."""
        program = self._guard.judge_post(path, json)
        body = json_text.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        return self._call("POST", path, program, body, headers)

    def ask(self, path: str, statement: str) -> Reply:
        """POST a statement that only reads, as plain text."""
        program = self._guard.judge_statement(path, statement)
        headers = {"Content-Type": "text/plain"}
        return self._call("POST", path, program, statement.encode(), headers)

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises TransientError when the waits are called off."""
        self._pause(seconds)

    @property
    def tenant_id(self) -> str:
        """The tenant's id at the gateway (``ti`` of its file)."""
        return self._tenant_id

    @property
    def requests_made(self) -> int:
        """API requests sent so far, repeats included."""
        return self._counts.requests

    def usage(self) -> Usage:
        """A snapshot of what was used so far."""
        with self._counts.lock:
            return Usage(
                requests=self._counts.requests,
                retries=self._counts.retries,
                throttled=self._counts.throttled,
                logins=self._auth.logins,
                response_bytes=self._counts.bytes,
                waited_seconds=self._budget.waited_seconds,
            )

    def close(self) -> None:
        """Call off all waits and drop the connections."""
        self._pause.call_off()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _call(
        self,
        method: str,
        path: str,
        program: str,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        what = {"tenant": self._tenant, "suite": self._suite}
        exchange = Exchange(program)
        with boundary("request", {**what, "program": program}) as passing:
            try:
                return self._exchange(method, path, exchange, body, headers)
            finally:
                passing.note({"status": exchange.status, "requests": exchange.requests})
                meter(Meter.REQUESTS, exchange.requests, what)

    def _exchange(
        self,
        method: str,
        path: str,
        exchange: Exchange,
        body: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        program = exchange.program
        started = self._elapsed()
        url = httpx.URL(self._base + path)
        fields = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": "ml-connector-dagster",
            **({} if body is None else {"Content-Type": "application/json"}),
            **(headers or {}),
        }
        extensions = exchange.extensions(self._timeouts)

        def attempt() -> httpx.Response:
            # A new request each time: the last one still carries the token of its time.
            return self._attempt(
                httpx.Request(method, url, headers=fields, content=body, extensions=extensions),
                exchange,
            )

        def before_wait(error: BaseException, seconds: float) -> None:
            with self._counts.lock:
                self._counts.retries += 1
            meter(Meter.RETRIES, 1, {"tenant": self._tenant, "suite": self._suite})
            if exchange.status == httpx.codes.TOO_MANY_REQUESTS:
                self._budget.block(min(seconds, _LONGEST_BLOCK))
            log.warning(
                "retry tenant=%s program=%r status=%d requests=%d wait_seconds=%.1f error=%r",
                self._tenant,
                program,
                exchange.status,
                exchange.requests,
                seconds,
                str(error),
            )

        tries = retrying(
            self._retry,
            pause=self._pause,
            before_wait=before_wait,
            elapsed=self._elapsed,
            draw=self._draw,
        )
        try:
            response = tries(attempt)
        except BreakerOpenError:
            raise
        except TransientError as error:
            raise TransientError(
                f"{error} Given up after {exchange.requests} requests in "
                f"{self._elapsed() - started:.0f} seconds; what was read is kept, the next run goes on from it.",
                retry_after=error.retry_after,
            ) from error
        finally:
            with self._counts.lock:
                self._counts.requests += exchange.requests
        content = response.content
        # httpx's stream points back at its response: the pair, body and all, would stay until a collection.
        response.stream = httpx.ByteStream(b"")
        with self._counts.lock:
            self._counts.bytes += len(content)
        reply = Reply(
            status=response.status_code,
            body=content,
            requested_at=exchange.requested_at or self._clock(),
            attempts=exchange.requests,
            elapsed=self._elapsed() - started,
        )
        log.debug(
            "reply tenant=%s program=%r status=%d bytes=%d requests=%d seconds=%.3f",
            self._tenant,
            program,
            reply.status,
            len(content),
            reply.attempts,
            reply.elapsed,
        )
        return reply

    def _attempt(self, request: httpx.Request, exchange: Exchange) -> httpx.Response:
        exchange.status = 0
        self._breaker.check()
        try:
            response = self._client.send(request, auth=self._auth)
        except httpx.RequestError as error:
            refusal = self._refusals.of_silence(error, exchange.program)
            if isinstance(refusal, TransientError):
                self._breaker.failed(str(refusal))
                raise refusal from error
            raise refusal from None  # the cause of the rest may quote a header
        except LoginDelayedError as error:
            self._breaker.failed(str(error))
            raise
        exchange.status = response.status_code
        own = response.is_success or self._readable(response.status_code, response.content)
        if response.is_server_error and not own:
            self._breaker.failed(f"HTTP {response.status_code} from {exchange.program}")
        else:
            self._breaker.succeeded()
        if own:
            return response
        refusal = self._refusals.of_answer(response, exchange.program, self._clock())
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            with self._counts.lock:
                self._counts.throttled += 1
            if isinstance(refusal, TransientError) and refusal.retry_after is not None:
                self._budget.block(min(refusal.retry_after, _LONGEST_BLOCK))
        raise refusal


def open_gateway(
    connection: CloudSuiteConnection,
    ionapi: IonApi,
    *,
    suite: str,
    readable: Readable = BAD_REQUEST,
    tokens: TokenStore,
    calls: BudgetStore,
    breaker: BreakerStore,
    pause: Pause,
    transport: httpx.BaseTransport | None = None,
) -> Gateway:
    """The gateway of a configured connection, on the stores that its processes share. Sends nothing yet."""
    tenant = connection.name
    return Gateway(
        ionapi,
        tenant=tenant,
        suite=suite,
        auth=BearerAuth(
            ionapi,
            tokens,
            tenant=tenant,
            pause=pause,
            policy=TokenPolicy(max_age=timedelta(minutes=connection.token_max_age_minutes)),
        ),
        budget=RequestBudget(
            calls, tenant=tenant, limit=connection.requests_per_minute, pause=pause
        ),
        breaker=Breaker(breaker, tenant=tenant),
        pause=pause,
        timeout=connection.request_timeout_seconds,
        concurrency=connection.concurrency,
        readable=readable,
        transport=transport,
    )
