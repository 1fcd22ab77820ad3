"""What somebody with, or without, the token can do to the address that documents are posted to: little."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from ml_connector_dagster.cli.document_server import document_server
from ml_connector_dagster.cloudsuite.bods.xml import MAX_BYTES
from ml_connector_dagster.model.secrets import Secret


NOW = datetime(2026, 1, 18, 9, 41, tzinfo=UTC)
MEGABYTE = 1024 * 1024


class Body:
    """A body without end, and how much of it was read."""

    def __init__(self) -> None:
        self.read = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        while self.read < 10 * MAX_BYTES:
            self.read += MEGABYTE
            yield bytes(MEGABYTE)


def post(folder: Path, content: bytes | AsyncIterator[bytes], **headers: str) -> int:
    async def send() -> int:
        server = document_server(folder, Secret("s3cret"), lambda: NOW)
        transport = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            return (await client.post("/documents", content=content, headers=given)).status_code

    return asyncio.run(send())


def test_a_body_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    body = Body()
    assert post(tmp_path, body.chunks(), authorization="Bearer s3cret") == 413
    assert body.read <= 2 * MAX_BYTES
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "message",
    [
        b"[" * 200_000,
        b'{"document":' * 50_000,
        b'{"document": {"value": ' + b"1" * 100_000,
        b"\xff\xfe",
    ],
    ids=["deep list", "deep object", "torn", "no UTF-8"],
)
def test_a_message_that_means_harm_is_refused(tmp_path: Path, message: bytes) -> None:
    status = post(tmp_path, message, authorization="Bearer s3cret", content_type="application/json")
    assert status == 400
    assert list(tmp_path.iterdir()) == []


def test_the_name_of_the_file_is_ours(tmp_path: Path) -> None:
    status = post(
        tmp_path / "inbox",
        b"<x/>",
        authorization="Bearer s3cret",
        content_disposition='attachment; filename="../../evil.xml"',
    )
    assert status == 202
    (file,) = tmp_path.rglob("*.xml")
    assert file.parent == tmp_path / "inbox"
    assert "evil" not in file.name
