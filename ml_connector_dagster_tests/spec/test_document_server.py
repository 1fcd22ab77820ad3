"""The address that documents are posted to."""

import asyncio
import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from ml_connector_dagster.cli.document_server import document_server
from ml_connector_dagster.model.secrets import Secret


NOW = datetime(2026, 1, 18, 9, 41, tzinfo=UTC)
DOCUMENT = "<SyncItemMaster>å</SyncItemMaster>"
BEARER = {"Authorization": "Bearer s3cret"}


def post(folder: Path, **request: Any) -> int:
    """The status that a posted document is answered with."""

    async def send() -> int:
        server = document_server(folder / "inbox", Secret("s3cret"), lambda: NOW)
        transport = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.post("/documents", **request)).status_code

    return asyncio.run(send())


def kept(folder: Path) -> list[str]:
    return [path.read_text() for path in (folder / "inbox").glob("*.xml")]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}]
)
def test_nobody_without_the_token_is_heard(tmp_path: Path, headers: dict[str, str]) -> None:
    assert post(tmp_path, content=DOCUMENT.encode(), headers=headers) == 401
    assert kept(tmp_path) == []


def test_a_document_is_a_file_when_it_is_accepted(tmp_path: Path) -> None:
    assert post(tmp_path, content=DOCUMENT.encode(), headers=BEARER) == 202
    assert kept(tmp_path) == [DOCUMENT]


def test_what_is_accepted_survives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Content first, then its name: in between nobody has been told that it is here."""
    synced: list[str] = []

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr("os.fsync", note)
    assert post(tmp_path, content=DOCUMENT.encode(), headers=BEARER) == 202
    (file,) = (tmp_path / "inbox").glob("*.xml")
    assert synced == [f".{file.name}.part", "inbox"]


@pytest.mark.parametrize(
    "document",
    [
        {"value": DOCUMENT, "encoding": "NONE"},
        {"value": base64.b64encode(DOCUMENT.encode()).decode(), "encoding": "BASE64"},
    ],
)
def test_a_message_of_ion_is_unpacked(tmp_path: Path, document: dict[str, str]) -> None:
    assert post(tmp_path, json={"document": document}, headers=BEARER) == 202
    assert kept(tmp_path) == [DOCUMENT]


@pytest.mark.parametrize(
    "body", [[], {"document": 1}, {"document": {"value": "!", "encoding": "BASE64"}}]
)
def test_a_message_without_a_document_is_refused(tmp_path: Path, body: object) -> None:
    assert post(tmp_path, json=body, headers=BEARER) == 400
    assert kept(tmp_path) == []
