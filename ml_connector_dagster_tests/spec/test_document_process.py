"""``ml-connector bods serve`` as the process that it is, over loopback: who is heard, how much, and what becomes of it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ml_connector_dagster.cli.dagster_process import free_port
from ml_connector_dagster.cloudsuite.bods.xml import MAX_BYTES
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.bods import BodSender


TOKEN = "s3cret-of-ion"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COMMAND = (sys.executable, "-c", "from ml_connector_dagster.cli import main; main()")
FLOWS = """
connections:
  acme:
    type: cloudsuite
    product_line: m3
    credential: acme
    timezone: Europe/Stockholm
    bods: {folder: inbox, credential: acme_bods, tenant_id: ACME_TST}
  warehouse: {type: duckdb, path: warehouse.duckdb}
flows:
  flow:
    source: acme
    companies: ["100"]
    entities: [suppliers]
    start_date: 2026-01-01
    destinations: [{connection: warehouse, schema: erp}]
"""
BILLION = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a0 "ha">',
        *(b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * 10) for n in range(9)),
        b"]><SyncSupplierPartyMaster>&a9;</SyncSupplierPartyMaster>",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running process and the home that it serves."""

    url: str
    home: Path
    environment: dict[str, str]

    @property
    def documents(self) -> str:
        return f"{self.url}/documents"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def kept(self) -> set[bytes]:
        return {path.read_bytes() for path in (self.home / "inbox").glob("*.xml")}


@pytest.fixture(scope="module")
def erp() -> Iterator[Sandbox]:
    with Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as running:
        yield running


@pytest.fixture(scope="module")
def served(erp: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    flows = home / "flows.yaml"
    flows.write_text(FLOWS, encoding="utf-8")
    environment = {**os.environ, "ML_CONNECTOR_HOME": str(home), "ML_CONNECTOR_FLOWS": str(flows)}
    store = open_store(read_settings({"ML_CONNECTOR_HOME": str(home)}))
    store.add("acme", "ionapi", {"ionapi": Secret(erp.ionapi_text("ACME_TST"))})
    store.add("acme_bods", "token", {"token": Secret(TOKEN)})
    port = free_port()
    with subprocess.Popen(
        [*COMMAND, "bods", "serve", "acme", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process)
        yield Served(url=url, home=home, environment=environment)
        process.terminate()
        said = process.communicate(timeout=60)[0]
    assert f"{url}/documents" in said
    assert TOKEN not in said
    assert "Traceback" not in said


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the process ended"
        try:
            httpx.get(url, timeout=1)
        except httpx.TransportError:
            continue
        return
    pytest.fail("the process does not listen")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
    ],
)
def test_nobody_without_the_token_is_heard(served: Served, headers: dict[str, str]) -> None:
    reply = httpx.post(served.documents, content=b"<unheard/>", headers=headers)
    assert reply.status_code == 401
    assert "server" not in reply.headers
    assert b"<unheard/>" not in served.kept()


def test_only_documents_are_taken_and_only_by_post(served: Served) -> None:
    assert httpx.get(served.documents, headers=BEARER).status_code == 405
    assert httpx.post(f"{served.url}/other", content=b"x", headers=BEARER).status_code == 404
    traversal = f"{served.url}/documents/../../etc/passwd"
    assert httpx.post(traversal, content=b"x", headers=BEARER).status_code == 404


def test_a_body_beyond_the_limit_is_refused_and_leaves_no_file(served: Served) -> None:
    def endless() -> Iterator[bytes]:
        chunk = b"x" * 1_048_576
        for _ in range(MAX_BYTES * 2 // len(chunk)):
            yield chunk

    before = served.kept()
    try:
        status = httpx.post(
            served.documents, content=endless(), headers=BEARER, timeout=60
        ).status_code
    except httpx.WriteError:  # it was hung up on while still sending
        status = 413
    assert status == 413
    assert served.kept() == before
    assert list((served.home / "inbox").glob(".*")) == []


def test_what_is_posted_is_taken_and_a_bomb_is_refused_with_its_reason(
    served: Served, erp: Sandbox
) -> None:
    (row, *_) = erp.erp.truth("suppliers", "100")
    sender = BodSender(erp=erp.erp)
    good = sender.document("SupplierPartyMaster", "100", str(row["supplier_id"]))
    for content in (good, BILLION, b"<torn"):
        reply = httpx.post(served.documents, content=content, headers=BEARER)
        assert reply.status_code == 202
        assert (served.home / "inbox" / reply.json()["file"]).read_bytes() == content

    done = served.command("bods", "take", "acme", "--json")
    assert done.returncode == 1, "two were refused"
    assert '"taken": 1' in done.stdout
    assert '"written": 1' in done.stdout
    assert "amplification" in done.stdout, "entities are not expanded, not even to be thrown away"
    assert "not well-formed XML" in done.stdout
    assert len(list((served.home / "inbox" / "rejected").glob("*.reason.txt"))) == 2
    assert served.kept() == set()


def test_without_a_token_nothing_is_served(served: Served, tmp_path: Path) -> None:
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS.replace(", credential: acme_bods", ""), encoding="utf-8")
    environment = {**served.environment, "ML_CONNECTOR_FLOWS": str(flows)}
    other = Served(url="", home=served.home, environment=environment)
    done = other.command("bods", "serve", "acme", "--port", "0")
    assert done.returncode == 1
    assert "give it bods: with folder: and credential:" in done.stderr.replace("\n", " ")
