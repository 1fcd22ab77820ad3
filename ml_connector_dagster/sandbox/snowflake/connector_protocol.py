"""The protocol of Snowflake's drivers: login, sessions, queries, monitoring, uploads. Facts: reference/warehouses.md §A2."""

import gzip
import json
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ml_connector_dagster.sandbox.snowflake.accounts import Account
from ml_connector_dagster.sandbox.snowflake.encoding import row_set, row_type
from ml_connector_dagster.sandbox.snowflake.engine import Engine
from ml_connector_dagster.sandbox.snowflake.faults import Fault, Faults
from ml_connector_dagster.sandbox.snowflake.refusals import Refusal
from ml_connector_dagster.sandbox.snowflake.sessions import Session
from ml_connector_dagster.sandbox.snowflake.stages import Put
from ml_connector_dagster.sandbox.snowflake.statements import Statement, Statements


SECONDS_IN_LINE: Final = 45.0


class ConnectorProtocol:
    """Handlers of the driver's requests."""

    def __init__(
        self, account: Account, engine: Engine, statements: Statements, faults: Faults
    ) -> None:
        self._account = account
        self._engine = engine
        self._statements = statements
        self._faults = faults
        self.sessions: dict[str, Session] = {}
        self._masters: dict[str, str] = {}  # master token → session token
        self._by_request: dict[str, Statement] = {}
        self.logins = 0

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/session/v1/login-request", self._login, methods=["POST"]),
            Route("/session", self._delete, methods=["POST"]),
            Route("/session/heartbeat", self._heartbeat, methods=["POST"]),
            Route("/session/token-request", self._renew, methods=["POST"]),
            Route("/telemetry/send", self._ignore, methods=["POST"]),
            Route("/queries/v1/query-request", self._query, methods=["POST"]),
            Route("/queries/v1/abort-request", self._abort, methods=["POST"]),
            Route("/queries/{handle}/abort-request", self._abort, methods=["POST"]),
            Route("/queries/{handle}/result", self._result, methods=["GET"]),
            Route("/monitoring/queries/{handle}", self._monitor, methods=["GET"]),
            Route("/_stage/{path:path}", self._upload, methods=["PUT"]),
        ]

    async def _login(self, request: Request) -> Response:
        if self._faults.take(Fault.UNAVAILABLE):
            return Response(status_code=503)
        data = (await _body(request))["data"]
        query = request.query_params
        try:
            user = self._identify(data)
            role = query.get("roleName") or self._account.users[user].roles[0]
            self._account.check_role(user, role)
        except Refusal as refusal:
            return _refused(refusal)
        session = self._engine.open_session(
            user,
            role,
            query.get("warehouse", ""),
            query.get("databaseName", ""),
            query.get("schemaName", ""),
        )
        given = data.get("SESSION_PARAMETERS", {})
        session.parameters.update({key: str(value) for key, value in given.items()})
        self.logins += 1
        token, master = self._tokens(session)
        info = {
            "databaseName": session.database or None,
            "schemaName": session.schema or None,
            "warehouseName": session.warehouse or None,
            "roleName": role,
        }
        return _ok(
            {
                "token": token,
                "masterToken": master,
                "validityInSeconds": 3600,
                "masterValidityInSeconds": 14400,
                "serverVersion": "9.30.0",
                "sessionId": int(session.id, 16),
                "parameters": [{"name": "AUTOCOMMIT", "value": True}],
                "sessionInfo": info,
            }
        )

    def _identify(self, data: dict[str, Any]) -> str:
        kind = data.get("AUTHENTICATOR", "")
        if kind == "SNOWFLAKE_JWT":
            user = self._account.user_of_jwt(data.get("TOKEN", ""))
        elif kind == "PROGRAMMATIC_ACCESS_TOKEN":
            user = self._account.user_of_token(data.get("TOKEN", ""))
        else:
            raise Refusal("390100", "08001", "Incorrect username or password was specified.")
        if data.get("LOGIN_NAME", user).upper() != user:
            raise Refusal("390144", "08001", "JWT token is invalid.")
        return user

    def _tokens(self, session: Session) -> tuple[str, str]:
        token, master = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.sessions[token] = session
        self._masters[master] = token
        return token, master

    def _session(self, request: Request) -> Session:
        session = self.sessions.get(_token(request))
        if session is None:
            raise Refusal("390104", "08001", "User must login again to access the service.")
        return session

    async def _delete(self, request: Request) -> Response:
        session = self.sessions.pop(_token(request), None)
        if session is not None and request.query_params.get("delete") == "true":
            self._statements.cancel_all_of(session)
            await run_in_threadpool(self._engine.close_session, session)
        return _ok(None)

    async def _heartbeat(self, request: Request) -> Response:
        try:
            self._session(request)
        except Refusal as refusal:
            return _refused(refusal)
        return _ok(None)

    async def _renew(self, request: Request) -> Response:
        old = self._masters.pop(_token(request), "")
        session = self.sessions.pop(old, None)
        if session is None:
            return _refused(Refusal("390114", "08001", "Authentication token has expired."))
        token, master = self._tokens(session)
        validity = {"validityInSecondsST": 3600, "validityInSecondsMT": 14400}
        return _ok({"sessionToken": token, "masterToken": master, **validity})

    async def _ignore(self, request: Request) -> Response:
        return _ok({})

    async def _query(self, request: Request) -> Response:
        if self._faults.take(Fault.TOO_MANY):
            return Response(status_code=429)
        if self._faults.take(Fault.UNAVAILABLE):
            return Response(status_code=503)
        try:
            if self._faults.take(Fault.EXPIRED):
                raise Refusal("390112", "08001", "The session has expired")
            session = self._session(request)
            body = await _body(request)
            if body.get("bindings") or body.get("bindStage"):
                raise Refusal("000002", "0A000", "Bindings come through the SQL API here.")
            statement = self._start(request.query_params.get("requestId"), session, body)
        except Refusal as refusal:
            return _refused(refusal)
        if self._faults.take(Fault.LOST):
            await run_in_threadpool(statement.done.wait, SECONDS_IN_LINE)
            return Response(status_code=503)
        if body.get("asyncExec"):
            return _running(statement, "333334")
        if not await self._is_done(statement):
            return _running(statement, "333333")
        return _answer(request, statement)

    def _start(self, request_id: str | None, session: Session, body: dict[str, Any]) -> Statement:
        """A driver that got no answer sends the same requestId again, and means the same statement."""
        known = self._by_request.get(request_id or "")
        if known is not None:
            return known
        count = int((body.get("parameters") or {}).get("MULTI_STATEMENT_COUNT", 1))
        statement = self._statements.start(session, body["sqlText"], (), count=count)
        if request_id:
            self._by_request[request_id] = statement
        return statement

    async def _is_done(self, statement: Statement) -> bool:
        if not statement.runs.is_set():
            return False
        return await run_in_threadpool(statement.done.wait, SECONDS_IN_LINE)

    async def _result(self, request: Request) -> Response:
        statement = self._statements.by_handle[request.path_params["handle"]]
        statement.poll()
        if not await self._is_done(statement):
            return _running(statement, "333334")
        return _answer(request, statement)

    async def _abort(self, request: Request) -> Response:
        statement = self._statements.by_handle.get(request.path_params.get("handle", ""))
        if statement is not None and not self._faults.take(Fault.DEAF):
            with suppress(Refusal):  # it is done already
                self._statements.cancel(statement)
        return _ok(None)

    async def _monitor(self, request: Request) -> Response:
        if self._faults.take(Fault.UNAVAILABLE):
            return Response(status_code=503)
        try:
            self._session(request)
        except Refusal as refusal:
            return _refused(refusal)
        handle = request.path_params["handle"]
        statement = self._statements.by_handle.get(handle)
        if statement is None:
            return _ok({"queries": []})
        status = statement.status
        statement.poll()
        one = {"id": handle, "status": status, "state": status}
        if status == "FAILED_WITH_ERROR" and statement.refusal is not None:
            one |= {
                "errorCode": statement.refusal.code,
                "errorMessage": statement.refusal.message,
            }
        return _ok({"queries": [one]})

    async def _upload(self, request: Request) -> Response:
        target = (self._engine.stages.root / request.path_params["path"]).resolve()
        if not target.is_relative_to(self._engine.stages.root.resolve()):
            return Response(status_code=403)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            async for chunk in request.stream():
                file.write(chunk)
        return Response()


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    found: dict[str, Any] = json.loads(raw or b"{}")
    return found


def _token(request: Request) -> str:
    match = re.match(r'Snowflake Token="(.+)"', request.headers.get("authorization", ""))
    return match[1] if match else ""


def _ok(data: Any, code: str | None = None) -> Response:
    return JSONResponse({"data": data, "code": code, "message": None, "success": True})


def _refused(refusal: Refusal, handle: str = "") -> Response:
    data = {"errorCode": refusal.code, "sqlState": refusal.state, "queryId": handle}
    return JSONResponse(
        {"data": data, "code": refusal.code, "message": refusal.message, "success": False}
    )


def _running(statement: Statement, code: str) -> Response:
    return _ok(
        {
            "queryId": statement.handle,
            "getResultUrl": f"/queries/{statement.handle}/result",
            "queryAbortsAfterSecs": 300,
            "progressDesc": None,
        },
        code,
    )


def _answer(request: Request, statement: Statement) -> Response:
    result = statement.result
    if statement.refusal is not None or result is None:
        refusal = statement.refusal or Refusal("000603", "XX000", "no result")
        return _refused(refusal, statement.handle)
    if result.put is not None:
        return _ok(_upload_plan(request, statement, result.put))
    session = statement.session
    data: dict[str, Any] = {
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
        "rowtype": row_type(result.table.schema),
        "rowset": row_set(result.table),
        "total": result.table.num_rows,
        "returned": result.table.num_rows,
        "queryId": statement.handle,
        "statementTypeId": result.kind,
        "queryResultFormat": "json",
        "finalDatabaseName": session.database,
        "finalSchemaName": session.schema,
        "finalRoleName": session.role,
        "finalWarehouseName": session.warehouse,
        "sqlState": "00000",
        "version": 1,
    }
    if statement.children:
        data["resultIds"] = ",".join(statement.children)
        data["resultTypes"] = ",".join("4096" for _ in statement.children)
    return _ok(data)


def _upload_plan(request: Request, statement: Statement, put: Put) -> dict[str, Any]:
    url = f"{request.url.scheme}://{request.url.netloc}/_stage/{quote(put.target)}"
    return {
        "queryId": statement.handle,
        "command": "UPLOAD",
        "src_locations": [put.source],
        "parallel": 4,
        "autoCompress": put.compress,
        "overwrite": put.overwrite,
        "sourceCompression": "auto_detect",
        "stageInfo": {
            "locationType": "GCS",
            "location": f"{Path(put.target).parent}/",
            "region": "local",
            "creds": {},
            "presignedUrl": url,
        },
        "statementTypeId": 0x7100,
    }
