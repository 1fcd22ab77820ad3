"""The address that documents are posted to: it checks the token, writes a file, and knows nothing of what is in it.

Taken are a document as it is (XML), and the envelope of ION's messaging service (JSON with ``document.value``, plain or
base64; reference cloudsuite-api §6.1). That ION posts the latter to an address of ours is inferred.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ml_connector_dagster.cli.output import stdout
from ml_connector_dagster.cloudsuite.bods.xml import MAX_BYTES
from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.staging.durability import flush_to_disk
from ml_connector_dagster.sync.workspace import Workspace


#: An envelope in base64 is a third larger than its document.
_MAX_POST = MAX_BYTES * 3 // 2


def document_server(folder: Path, token: Secret, now: Callable[[], datetime]) -> Starlette:
    """POST /documents with ``Authorization: Bearer <token>``: 202 when the document is on disk."""

    async def take(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token.reveal()}".encode()):
            return JSONResponse({"error": "Unauthorized"}, status_code=401)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_POST:
                return JSONResponse({"error": "the document is too large"}, status_code=413)
        try:
            content = _document(bytes(body), request.headers.get("content-type", ""))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        name = await run_in_threadpool(_keep, folder, content, now())
        return JSONResponse({"file": name}, status_code=202)

    return Starlette(routes=[Route("/documents", take, methods=["POST"])])


def serve_documents(workspace: Workspace, tenant: str, *, host: str, port: int) -> None:
    """Serve until interrupted. Raises ConfigError when the tenant takes no documents or has no token for them."""
    intake = workspace.cloudsuite(tenant).bods
    if intake is None or intake.credential is None:
        raise ConfigError(
            f"{tenant} serves no documents; give it bods: with folder: and credential:, and store the token with "
            f"ml-connector credentials add NAME {DocumentIntake.stored_by}"
        )
    token = workspace.credential(intake.credential).value("token")
    stdout.print(f"POST documents of {tenant} to http://{host}:{port}/documents; Ctrl-C ends it.")
    uvicorn.run(
        document_server(intake.folder, token, workspace.now),
        host=host,
        port=port,
        log_level="warning",
        server_header=False,
    )


def _document(body: bytes, content_type: str) -> bytes:
    if "json" not in content_type:
        return body
    try:
        document = json.loads(body)["document"]
        value, encoding = document["value"], document.get("encoding", "NONE")
        if encoding == "BASE64":
            return base64.b64decode(value, validate=True)
        return str(value).encode()
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        binascii.Error,
    ) as error:
        raise ValueError("no message with document.value") from error


def _keep(folder: Path, content: bytes, now: datetime) -> str:
    """The same document twice at the same moment is one file; whole or not at all, and there after a power cut: whoever
    has sent it is told so, and does not send it again."""
    name = f"{now:%Y%m%dT%H%M%S%f}-{hashlib.sha256(content).hexdigest()[:12]}.xml"
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{name}.part"
    aside.write_bytes(content)
    flush_to_disk(aside)
    aside.rename(folder / name)
    flush_to_disk(folder)
    return name
