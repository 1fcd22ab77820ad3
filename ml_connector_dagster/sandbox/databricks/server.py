"""The running workspace: real HTTP on loopback, uvicorn on a thread of its own."""

import asyncio
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, unquote

from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send, abort, read_body
from ml_connector_dagster.sandbox.databricks.catalog import Catalog
from ml_connector_dagster.sandbox.databricks.engine import Engine
from ml_connector_dagster.sandbox.databricks.executions import Executions
from ml_connector_dagster.sandbox.databricks.faults import Fault, Faults
from ml_connector_dagster.sandbox.databricks.identity import Identity
from ml_connector_dagster.sandbox.databricks.options import WorkspaceOptions
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import ApiError
from ml_connector_dagster.sandbox.databricks.sql import Warehouse
from ml_connector_dagster.sandbox.databricks.volumes import Volumes
from ml_connector_dagster.sandbox.serving import StandIn


_OPEN: Final = re.compile(r"/oidc/.*|/\.well-known/.*|/_external/.*")
_STATEMENTS: Final = re.compile(
    r"/api/2\.0/sql/statements/?(?P<id>[0-9a-f-]+)?(?P<rest>/cancel|/result/chunks/(?P<chunk>\d+))?"
)
_CATALOG: Final = re.compile(
    r"/api/2\.1/unity-catalog/(?P<kind>schemas|tables|volumes)/(?P<name>[^/]+)"
)
_FILES: Final = re.compile(r"/api/2\.0/fs/(?P<kind>files|directories)(?P<path>/.+)")
_ME: Final = "/api/2.0/preview/scim/v2/Me"
_WAREHOUSE: Final = re.compile(r"/api/2\.0/sql/warehouses/(?P<id>[^/]+)")


class DatabricksSandbox(StandIn):
    """A workspace. Use ``DatabricksSandbox.start`` as a context manager.

    Attributes:
        calls: ``METHOD path`` of every call that came in.
    """

    def __init__(self, options: WorkspaceOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or WorkspaceOptions()
        self.faults = Faults()
        self.identity = Identity(options)
        self.privileges = Privileges(options.grants)
        self.calls: list[str] = []
        self._root = Path(tempfile.mkdtemp(prefix="databricks-sandbox-"))
        self.engine = Engine(self._root / "tables", options.catalogs, options.threads)
        self.volumes = Volumes(self._root / "volumes", self.privileges)
        self.catalog = Catalog(options.catalogs, self.engine, self.volumes, self.privileges)
        self.executions = Executions(
            Warehouse(self.engine, self.catalog, self.volumes, self.privileges),
            self.faults,
            warehouse_id=options.warehouse_id,
            chunk_rows=options.chunk_rows,
        )
        self.executions.can_use = options.can_use_warehouse
        self._is_open = True

    @classmethod
    def start(cls, options: WorkspaceOptions | None = None, *, port: int = 0) -> Self:
        """Start the engine and listen on 127.0.0.1; port 0 picks a free one."""
        return cls(options).listen(port)

    def reset(self) -> None:
        """Faults, tokens and grants as at start. What was made stays, with its owner."""
        self.faults.clear()
        self.identity.expire_tokens()
        self.identity.pat_is_valid = True
        self.executions.can_use = self.options.can_use_warehouse
        self.privileges.reset(self.options.grants)

    def close(self) -> None:
        """Free what is not of the server: the engine, tables and volumes; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self.executions.close()
        self.engine.close()
        shutil.rmtree(self._root, ignore_errors=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The workspace as an ASGI application."""
        if scope["type"] != "http":
            return
        body = await read_body(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        method, path = scope["method"], unquote(scope["path"])
        self.calls.append(f"{method} {path}")
        fault = self.faults.of_call(method, path, _statement(path, body))
        if fault is not None and fault.kind == "refused":
            abort(send)
            return
        try:
            if fault is not None and fault.kind == "status":
                raise ApiError(
                    fault.status, fault.code, fault.message, retry_after=fault.retry_after
                )
            query = {
                name: values[-1]
                for name, values in parse_qs(scope["query_string"].decode()).items()
            }
            answer = await asyncio.to_thread(self._answer, method, path, query, headers, body)
        except ApiError as error:
            content: dict[str, object] = {"error_code": error.code, "message": error.message}
            if path.startswith("/oidc"):
                content = {"error": error.code, "error_description": error.message}
            await _send(send, error.status, content, retry_after=error.retry_after)
            return
        if fault is not None and fault.kind == "lost":
            await asyncio.to_thread(self.executions.wait_until_idle)
            abort(send)
            return
        await _send(send, 200, answer)

    def _answer(
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> object:
        if _OPEN.fullmatch(path):
            return self._open(method, path, headers, body)
        self.identity.check(headers)
        if found := _STATEMENTS.fullmatch(path):
            return self._statements(method, found, body)
        if found := _FILES.fullmatch(path):
            return self._files(method, found["kind"], found["path"], query, body)
        if method == "GET":
            if found := _CATALOG.fullmatch(path):
                infos = {
                    "schemas": self.catalog.schema_info,
                    "tables": self.catalog.table_info,
                    "volumes": self.catalog.volume_info,
                }
                return infos[found["kind"]](found["name"])
            if found := _WAREHOUSE.fullmatch(path):
                return self.executions.warehouse(found["id"])
            if path == _ME:
                return {"id": "1", "userName": self.options.principal, "active": True}
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")

    def _open(self, method: str, path: str, headers: dict[str, str], body: bytes) -> object:
        if path == "/oidc/.well-known/oauth-authorization-server":
            return {
                "issuer": f"{self.url}/oidc",
                "authorization_endpoint": f"{self.url}/oidc/v1/authorize",
                "token_endpoint": f"{self.url}/oidc/v1/token",
            }
        if path == "/oidc/v1/token" and method == "POST":
            return self.identity.token(headers, body)
        if path == "/.well-known/databricks-config":
            return {"oidc_endpoint": f"{self.url}/oidc"}
        if path.startswith("/_external/") and method == "GET":
            if "authorization" in headers:
                message = "Only one auth mechanism allowed; the link is signed, and the token is not for it"
                raise ApiError(400, "InvalidArgument", message)
            return self.executions.download(path.removeprefix("/_external/"))
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")

    def _statements(self, method: str, found: re.Match[str], body: bytes) -> object:
        if method == "POST" and found["id"] is None:
            return self.executions.submit(body, self.url)
        if found["id"] is not None:
            if method == "POST" and found["rest"] == "/cancel":
                self.executions.cancel(found["id"])
                return {}
            if method == "GET" and found["chunk"] is not None:
                return self.executions.chunk(found["id"], int(found["chunk"]), self.url)
            if method == "GET" and found["rest"] is None:
                return self.executions.get(found["id"], self.url)
        raise ApiError(404, "ENDPOINT_NOT_FOUND", "No such API")

    def _files(
        self, method: str, kind: str, path: str, query: dict[str, str], body: bytes
    ) -> object:
        if (method, kind) == ("PUT", "files"):
            self.volumes.upload(path, body, overwrite=query.get("overwrite") == "true")
            return None
        if (method, kind) == ("PUT", "directories"):
            self.volumes.make_directory(path)
            return None
        if (method, kind) == ("DELETE", "files"):
            self.volumes.delete(path)
            return None
        if (method, kind) == ("DELETE", "directories"):
            self.volumes.delete_directory(path)
            return None
        if (method, kind) == ("GET", "directories"):
            return {"contents": self.volumes.listing(path)}
        raise ApiError(404, "ENDPOINT_NOT_FOUND", f"{method} of {kind} is not simulated")


def _statement(path: str, body: bytes) -> str | None:
    """The text of a submitted statement, for faults."""
    if not re.fullmatch(r"/api/2\.0/sql/statements/?", path):
        return None
    try:
        text = json.loads(body).get("statement")
    except ValueError:
        return None
    return text if isinstance(text, str) else None


async def _send(
    send: Send, status: int, content: object, *, retry_after: int | None = None
) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    if content is None:
        status, body = 204, b""
    elif isinstance(content, bytes):
        headers[0] = (b"content-type", b"application/octet-stream")
        body = content
    else:
        body = json.dumps(content).encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


__all__ = ["DatabricksSandbox", "Fault"]
