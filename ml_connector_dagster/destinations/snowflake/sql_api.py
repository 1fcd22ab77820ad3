"""The SQL API over httpx: submit, wait, fetch. docs.snowflake.com, developer-guide/sql-api.

Every statement carries a ``requestId``. When an answer is lost, the same request is sent again with ``retry=true``,
and Snowflake answers for the statement that it already has instead of running another one.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx

from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.refusals import Refused
from ml_connector_dagster.model.errors import ContractError, CredentialError, TransientError
from ml_connector_dagster.telemetry import boundary, verb_of


PATH: Final = "/api/v2/statements"
TRIES: Final = 6
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
_HEADERS: Final = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "User-Agent": "ml-connector-dagster/0.1",
}
_TRY_AGAIN: Final = (408, 429, 500, 502, 503, 504)


#: Texts and nulls, as Snowflake writes every value.
Rows = list[list[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All rows of a statement. ``columns`` as in ``rowType``."""

    columns: tuple[Mapping[str, Any], ...]
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What came for one request; 202: the statement is still under way."""

    status: int
    body: dict[str, Any]


class SqlApi:
    """Statements over HTTP. Raises ``Refused``, CredentialError, TransientError.

    ``requests`` counts what was sent, repetitions and polls included.
    """

    def __init__(
        self,
        connection: SnowflakeConnection,
        access: Access,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._access = access
        self._pause = pause
        self.requests = 0
        self._http = httpx.Client(
            base_url=connection.base_url,
            headers=_HEADERS,
            timeout=httpx.Timeout(connection.network_timeout_seconds, connect=10.0),
        )

    def close(self) -> None:
        self._http.close()

    def run(self, sql: str, *binds: str | int | None, tag: str = "") -> Answer:
        """One statement with bound values; answers all its rows."""
        body = self._run(sql, binds, tag)
        rows = [row for page in self._pages(body) for row in page]
        return Answer(columns=tuple(body["resultSetMetaData"]["rowType"]), rows=rows)

    def pages(self, sql: str, *binds: str | int | None, tag: str = "") -> Iterator[Rows]:
        """One statement; its rows piece by piece, as Snowflake cuts them."""
        return self._pages(self._run(sql, binds, tag))

    def _run(self, sql: str, binds: Sequence[str | int | None], tag: str) -> dict[str, Any]:
        bindings = {
            str(number): {
                "type": "FIXED" if isinstance(value, int) else "TEXT",
                "value": None if value is None else str(value),
            }
            for number, value in enumerate(binds, 1)
        }
        with boundary("statement", {"system": "snowflake", "verb": verb_of(sql)}):
            return self._finish(self._submit({"statement": sql, "bindings": bindings}, tag))

    def run_all(self, statements: Sequence[str], *, tag: str = "") -> None:
        """Several statements in one session, in order, up to the first that fails. They take no bound values."""
        body = {"statement": ";\n".join(statements)}
        with boundary("statement", {"system": "snowflake", "statements": len(statements)}):
            self._finish(self._submit(body, tag, len(statements)))

    def _submit(self, body: dict[str, Any], tag: str, count: int = 1) -> _Reply:
        connection = self._connection
        whole = body | {
            "database": connection.database,
            "warehouse": connection.warehouse,
            "role": connection.role,
            "parameters": {"timezone": "UTC", "query_tag": tag, "multi_statement_count": count},
        }
        # A single statement is answered at once when it is quick, a script by a handle.
        query = {"requestId": str(uuid.uuid4())} | ({"async": "true"} if count > 1 else {})
        sent = json.dumps(whole, ensure_ascii=False).encode()
        return self._call("POST", PATH, query, sent)

    def _finish(self, reply: _Reply) -> dict[str, Any]:
        """Wait for the statement behind ``reply``; it is cancelled when the wait is interrupted."""
        wait = FIRST_PAUSE
        try:
            while reply.status == 202:
                self._pause(wait * random.uniform(0.75, 1.25))
                wait = min(wait * 1.6, LONGEST_PAUSE)
                reply = self._call("GET", f"{PATH}/{reply.body['statementHandle']}", {})
        except BaseException as stopped:
            if not isinstance(stopped, Exception):  # Ctrl-C, or Dagster ends the run
                self._cancel(reply.body["statementHandle"])
            raise
        if reply.body.get("resultSetMetaData") is None:
            raise ContractError("Snowflake answered a statement without resultSetMetaData")
        return reply.body

    def _cancel(self, handle: str) -> None:
        with suppress(httpx.TransportError):  # nobody waits for the answer
            self._http.post(f"{PATH}/{handle}/cancel", headers=self._access.headers())

    def _pages(self, body: dict[str, Any]) -> Iterator[Rows]:
        meta, path = body["resultSetMetaData"], f"{PATH}/{body['statementHandle']}"
        sent = len(body["data"])
        yield body["data"]
        for number in range(1, len(meta.get("partitionInfo", ()))):
            rows: Rows = self._call("GET", path, {"partition": str(number)}).body["data"]
            sent += len(rows)
            yield rows
        if sent != meta["numRows"]:
            raise ContractError(
                f"Snowflake announced {meta['numRows']} rows and sent {sent}; run this again"
            )

    def _call(
        self, method: str, path: str, query: Mapping[str, str], content: bytes | None = None
    ) -> _Reply:
        """One request, tried again while that makes sense."""
        problem = ""
        renewed = False
        params = dict(query)
        for attempt in range(TRIES):
            if attempt:
                self._pause(min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) * random.uniform(0.5, 1.5))
                if method == "POST":
                    params["retry"] = "true"
            self.requests += 1
            try:
                response = self._http.request(
                    method, path, params=params, content=content, headers=self._access.headers()
                )
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if response.status_code in (200, 202):
                body = _object(response)
                if body is not None:
                    return _Reply(status=response.status_code, body=body)
                # A proxy's page, or an answer that was cut: the statement may have run, and is asked for again.
                problem = f"HTTP {response.status_code} with something else than whole JSON"
                continue
            if response.status_code == 401 and not renewed:
                renewed, problem = True, "HTTP 401"
                self._access.forget()
                continue
            if response.status_code in _TRY_AGAIN:
                problem = f"HTTP {response.status_code}"
                continue
            raise self._refused(response)
        raise TransientError(
            f"Snowflake at {self._connection.base_url} (connection {self._connection.name}) did not answer in "
            f"{TRIES} tries, last: {problem}. What was not delivered is delivered again later"
        )

    def _refused(self, response: httpx.Response) -> Exception:
        body = _object(response) or {}
        if response.status_code in (401, 422) and body.get("code"):
            return Refused(str(body["code"]), str(body.get("message", "")))
        if response.status_code in (401, 403):
            return CredentialError(
                f"Snowflake refuses user {self._connection.user} at {self._connection.base_url} (HTTP "
                f"{response.status_code}): check account and user, and whether a network policy keeps this machine out"
            )
        return ContractError(
            f"Snowflake answered HTTP {response.status_code} to {response.request.method} "
            f"{response.request.url.path}: {str(body.get('message', ''))[:300]}. Check account and host"
        )


def _object(response: httpx.Response) -> dict[str, Any] | None:
    """The JSON object in a response; None when it is anything else."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
