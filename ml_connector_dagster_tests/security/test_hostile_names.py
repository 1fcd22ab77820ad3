"""Names and files from outside that want to be somewhere else, or to make us wait, or to use up the machine."""

import os
import stat
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.bods.xml import parse
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.errors import ConfigError, RejectedError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.staging.paths import LONGEST_PART, safe_part
from ml_connector_dagster_tests.spec.test_documents import suppliers, world_of


HOSTILE = [
    "..",
    ".",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows",
    "a/../../b",
    "..%2f..%2fetc",
    "a\0b",
    "\n",
    "",
    "~root",
    "$(id)",
    "`id`",
    "-rf",
    "CON",
    "a" * 10_000,
    "ü" * 5_000,
    "\ud800",
    "‮txt.exe",
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:24])
def test_a_hostile_name_is_one_harmless_part_of_a_path(tmp_path: Path, name: str) -> None:
    part = safe_part(name)
    assert part not in ("", ".", "..")
    assert not {"/", "\\", "\0", "\n"} & set(part)
    assert len(part.encode()) <= LONGEST_PART
    inside = tmp_path / part
    inside.mkdir()
    assert inside.resolve().parent == tmp_path.resolve()


def test_hostile_names_stay_apart() -> None:
    assert len({safe_part(name) for name in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize(
    "name", ["..", "../acme", "a/b", "a\\b", "a\tb", "a;DROP TABLE x", '"', "x" * 500]
)
def test_names_in_the_configuration_are_plain_words(tmp_path: Path, name: str) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text(
        "connections:\n"
        f"  {name!r}: {{type: duckdb, path: warehouse.duckdb}}\n"
        "flows: {}\n".replace("'\\\\", "'\\"),
        encoding="utf-8",
    )
    with pytest.raises(ConfigError):
        load_project(file, read_settings({"ML_CONNECTOR_HOME": str(tmp_path)}))


def test_a_link_among_the_documents_reads_no_other_file(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path)
    world.inbox.mkdir(parents=True)
    private = tmp_path / "id_rsa"
    private.write_text("-----BEGIN PRIVATE KEY----- of somebody")
    (world.inbox / "0001.xml").symlink_to(private)
    intake = world.take()
    assert [one.file for one in intake.refused] == ["0001.xml"]
    assert "link" in intake.refused[0].reason
    with Ledger.open(world.settings.ledger_url) as ledger:
        (letter,) = ledger.dead_letters(tenant="acme")
    assert "PRIVATE KEY" not in letter.raw
    assert private.exists()


@pytest.mark.timeout(60)
def test_a_pipe_among_the_documents_holds_nobody_up(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path)
    world.inbox.mkdir(parents=True)
    os.mkfifo(world.inbox / "0001.xml")
    (world.inbox / "0002.xml").mkdir()
    key = suppliers(sandbox, 1)[0]
    world.runs = 2
    from ml_connector_dagster.sandbox.bods import BodSender

    document = BodSender(erp=sandbox.erp).document("SupplierPartyMaster", "100", key)
    intake = world.take(document)
    assert [one.file for one in intake.refused] == ["0001.xml", "0002.xml"]
    assert intake.taken == 1


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY b%d "%s">' % (i, b"&a;" * 10) for i in range(8))
        + b"]><x>&b7;</x>",
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
        b"<x>" * 100_000 + b"</x>" * 100_000,
        b"<x " + b" ".join(b'a%d="1"' % i for i in range(100)) + b' a0="2"/>',
        b"\x00" * 100,
        b"",
    ],
    ids=["entities", "file", "network", "deep", "attribute twice", "nothing but nulls", "empty"],
)
def test_xml_that_means_harm_is_refused(bomb: bytes) -> None:
    with pytest.raises(RejectedError) as refused:
        parse(bomb)
    assert "root:" not in str(refused.value)


def test_what_holds_secrets_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
        open_store(settings).add("acme", "monday", {"token": Secret("t0ken-of-acme")})
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (settings.credentials_file, settings.key_file)
    }
    assert modes == {"credentials.json": 0o600, "encryption.key": 0o600}
    assert stat.S_IMODE(settings.home.stat().st_mode) & 0o077 == 0
