"""The SQL API, ``/api/v2/statements``. Shapes: contracts/snowflake-sqlapi.yaml."""

import asyncio
import gzip
import json
import re
import uuid
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ml_connector_dagster.sandbox.snowflake.accounts import Account
from ml_connector_dagster.sandbox.snowflake.encoding import row_set, row_type
from ml_connector_dagster.sandbox.snowflake.engine import Engine
from ml_connector_dagster.sandbox.snowflake.faults import Fault, Faults
from ml_connector_dagster.sandbox.snowflake.refusals import Refusal
from ml_connector_dagster.sandbox.snowflake.statements import Statement, Statements


PARTITION_ROWS: Final = 10_000
LONGEST_STATEMENT: Final = 1_000_000
MOST_BINDS: Final = 16_384
SECONDS_IN_LINE: Final = 45.0
#: A question for a running statement is answered at once; a little patience saves tests many of them.
SECONDS_OF_A_POLL: Final = 0.02
_PATH: Final = "/api/v2/statements"
_NOT_ALONE = re.compile(
    r"(?i)\s*(put|get|use|begin|commit|rollback|set|alter\s+session"
    r"|create\s+(or\s+replace\s+)?(local\s+|global\s+)?temp(orary)?)\b"
)
_BUSY: Final = "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."


class SqlApi:
    """Handlers of the SQL API."""

    def __init__(
        self, account: Account, engine: Engine, statements: Statements, faults: Faults
    ) -> None:
        self._account = account
        self._engine = engine
        self._statements = statements
        self._faults = faults
        self._by_request: dict[str, asyncio.Future[Statement]] = {}
        self.requests = 0

    @property
    def routes(self) -> list[Route]:
        return [
            Route(_PATH, self._submit, methods=["POST"]),
            Route(_PATH + "/{handle}", self._status, methods=["GET"]),
            Route(_PATH + "/{handle}/cancel", self._cancel, methods=["POST"]),
        ]

    def _enter(self, request: Request) -> tuple[str, Response | None]:
        """Who is calling, or the answer that keeps them out."""
        self.requests += 1
        for fault, status in ((Fault.TOO_MANY, 429), (Fault.UNAVAILABLE, 503)):
            if self._faults.take(fault):
                return "", JSONResponse({"code": "390000", "message": fault.value}, status)
        try:
            if self._faults.take(Fault.EXPIRED):
                raise Refusal("390318", "08001", "OAuth access token expired.")
            if not request.headers.get("user-agent"):
                raise Refusal("390300", "08001", "User-Agent is missing.")
            return self._user(request), None
        except Refusal as refusal:
            return "", JSONResponse({"code": refusal.code, "message": refusal.message}, 401)

    def _user(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        kind = request.headers.get("x-snowflake-authorization-token-type")
        if scheme == "Bearer" and kind == "KEYPAIR_JWT":
            return self._account.user_of_jwt(token)
        if scheme == "Bearer" and kind == "PROGRAMMATIC_ACCESS_TOKEN":
            return self._account.user_of_token(token)
        raise Refusal("390303", "08001", "Invalid OAuth access token.")

    async def _submit(self, request: Request) -> Response:
        user, out = self._enter(request)
        if out is not None:
            return out
        if not request.headers.get("content-type", "application/json").startswith(
            "application/json"
        ):
            return JSONResponse({"message": "Unsupported media type"}, 415)
        try:
            body = json.loads(await request.body())
            sql, binds, count = _content(body)
            request_id = request.query_params.get("requestId") or str(uuid.uuid4())
            uuid.UUID(request_id)
        except (KeyError, ValueError, TypeError) as error:
            return JSONResponse({"code": "391901", "message": f"Bad request: {error}"}, 400)
        started = self._by_request.get(request_id)
        if started is None or request.query_params.get("retry") != "true":
            # Known from here on: the same request may come again while this one is still being started.
            started = asyncio.ensure_future(
                run_in_threadpool(self._start, user, body, sql, binds, count)
            )
            self._by_request[request_id] = started
        try:
            known = await started
        except Refusal as refusal:
            return _failed(refusal, str(uuid.uuid4()))
        if self._faults.take(Fault.LOST):
            await run_in_threadpool(known.done.wait, SECONDS_IN_LINE)
            return JSONResponse({"code": "390000", "message": "answer lost"}, 503)
        if self._faults.take(Fault.PAGE):
            await run_in_threadpool(known.done.wait, SECONDS_IN_LINE)
            return HTMLResponse("<html><body><h1>Sign in</h1></body></html>")
        if request.query_params.get("async") != "true" and known.runs.is_set():
            await run_in_threadpool(known.done.wait, SECONDS_IN_LINE)
            return _answer(known, 0)
        return _running(known)

    def _start(
        self, user: str, body: dict[str, Any], sql: str, binds: list[Any], count: int
    ) -> Statement:
        if count == 1 and _NOT_ALONE.match(sql):
            raise Refusal("391911", "0A000", f"Unsupported statement: {sql.split(None, 1)[0]}")
        role = body.get("role", self._account.users[user].roles[0])
        self._account.check_role(user, role)
        session = self._engine.open_session(
            user, role, body.get("warehouse", ""), body.get("database", ""), body.get("schema", "")
        )
        session.parameters.update(
            {key.upper(): str(value) for key, value in body.get("parameters", {}).items()}
        )
        return self._statements.start(
            session, sql, binds, count=count, then=lambda: self._engine.close_session(session)
        )

    async def _status(self, request: Request) -> Response:
        _, out = self._enter(request)
        if out is not None:
            return out
        statement = self._statements.by_handle.get(request.path_params["handle"])
        if statement is None:
            return JSONResponse({"code": "000709", "message": "Statement not found"}, 404)
        statement.poll()
        if request.query_params.get("partition") is None:
            await run_in_threadpool(statement.done.wait, SECONDS_OF_A_POLL)
        return _answer(statement, int(request.query_params.get("partition", 0)))

    async def _cancel(self, request: Request) -> Response:
        _, out = self._enter(request)
        if out is not None:
            return out
        statement = self._statements.by_handle.get(request.path_params["handle"])
        if statement is None:
            return JSONResponse({"code": "000709", "message": "Statement not found"}, 404)
        try:
            self._statements.cancel(statement)
        except Refusal as refusal:
            return _failed(refusal, statement.handle)
        message = "successfully canceled"
        return JSONResponse({"message": message, "statementHandle": statement.handle})


def _content(body: dict[str, Any]) -> tuple[str, list[Any], int]:
    sql = body["statement"]
    if len(sql) > LONGEST_STATEMENT:
        raise ValueError(
            f"the statement has {len(sql)} characters, {LONGEST_STATEMENT} are allowed"
        )
    bindings = body.get("bindings", {})
    if len(bindings) > MOST_BINDS:
        raise ValueError(f"{len(bindings)} bindings, {MOST_BINDS} are allowed")
    binds = [_bound(bindings[str(n)]) for n in range(1, len(bindings) + 1)]
    parameters = {key.upper(): value for key, value in body.get("parameters", {}).items()}
    return sql, binds, int(parameters.get("MULTI_STATEMENT_COUNT", 1))


def _bound(binding: dict[str, Any]) -> Any:
    value = binding["value"]
    if value is not None and not isinstance(value, str):
        raise TypeError(f"the value of a binding is a string, not {value!r}")
    if binding["type"] == "FIXED":
        return None if value is None else int(value)
    if binding["type"] != "TEXT":
        raise ValueError(f"bindings of type {binding['type']} are not simulated")
    return value


def _contracted(column: dict[str, Any]) -> dict[str, Any]:
    """The contract knows no nulls here."""
    return {
        name: 0 if value is None else value
        for name, value in column.items()
        if name in ("name", "type", "length", "precision", "scale", "nullable")
    }


def _running(statement: Statement) -> Response:
    body = {
        "code": "333334",
        "sqlState": "00000",
        "message": _BUSY,
        "statementHandle": statement.handle,
        "createdOn": statement.created_on,
        "statementStatusUrl": f"{_PATH}/{statement.handle}",
    }
    return JSONResponse(body, 202)


def _failed(refusal: Refusal, handle: str) -> Response:
    body = {
        "code": refusal.code,
        "sqlState": refusal.state,
        "message": refusal.message,
        "statementHandle": handle,
        "statementStatusUrl": f"{_PATH}/{handle}",
    }
    return JSONResponse(body, 422)


def _answer(statement: Statement, partition: int) -> Response:
    if not statement.done.is_set():
        return _running(statement)
    if statement.refusal is not None:
        return _failed(statement.refusal, statement.handle)
    if statement.result is None or statement.result.put is not None:
        return _failed(Refusal("391911", "0A000", "PUT is not supported."), statement.handle)
    table = statement.result.table
    starts = range(0, max(1, table.num_rows), PARTITION_ROWS)
    if partition not in range(len(starts)):
        return JSONResponse({"code": "391914", "message": "No such partition"}, 400)
    data = row_set(table.slice(starts[partition], PARTITION_ROWS))
    if partition:
        packed = gzip.compress(json.dumps({"data": data}).encode(), 1)
        headers = {"content-encoding": "gzip"}
        return Response(packed, headers=headers, media_type="application/json")
    sizes = [min(PARTITION_ROWS, table.num_rows - start) for start in starts]
    body = {
        "resultSetMetaData": {
            "numRows": table.num_rows,
            "format": "jsonv2",
            "partitionInfo": [{"rowCount": size, "uncompressedSize": 0} for size in sizes],
            "rowType": [_contracted(column) for column in row_type(table.schema)],
        },
        "data": data,
        "code": "090001",
        "sqlState": "00000",
        "statementHandle": statement.handle,
        "statementStatusUrl": f"{_PATH}/{statement.handle}",
        "message": "Statement executed successfully.",
        "createdOn": statement.created_on,
    }
    if statement.children:
        body["statementHandles"] = statement.children
    return JSONResponse(body)
