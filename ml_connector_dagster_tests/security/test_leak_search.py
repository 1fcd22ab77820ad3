"""The search for secrets finds what is planted, in every spelling and every kind of file: else its silence says nothing."""

import base64
import gzip
import json
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_connector_dagster_tests.security.leaks import everything_in, leaks_in


#: With what JSON, URLs and base64 write differently.
SECRET = "pl4nted/secret+\"with\\odd=chars'åßpassé"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: f"password={secret};",
    "in JSON": lambda secret: json.dumps({"password": secret}),
    "in JSON with its letters": lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
    "in JSON within JSON": lambda secret: json.dumps({"body": json.dumps({"a": secret})}),
    "as repr": lambda secret: f"Login(password={secret!r})",
    "in a URL": lambda secret: f"http://host/?token={quote(secret, safe='')}&x=1",
    "as Basic credentials": lambda secret: base64.b64encode(f"user:{secret}".encode()).decode(),
    "one byte further": lambda secret: base64.b64encode(f"user1:{secret}x".encode()).decode(),
    "two bytes further": lambda secret: base64.b64encode(f"user12:{secret}".encode()).decode(),
    "for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "in hex": lambda secret: secret.encode().hex(),
    "cut off": lambda secret: secret[: len(secret) * 2 // 3],
}


@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_every_spelling_is_found(tmp_path: Path, spelling: str) -> None:
    (tmp_path / "run.log").write_text(f"INFO something {SPELLINGS[spelling](SECRET)} happened\n")
    assert [one.secret for one in leaks_in(everything_in(tmp_path), {"it": SECRET})] == ["it"]


def _in_sqlite(folder: Path) -> None:
    # Long enough to be spread over pages of the file.
    with closing(sqlite3.connect(folder / "history.db")) as database:
        database.execute("CREATE TABLE event (body TEXT)")
        database.execute("INSERT INTO event VALUES (?)", ("x" * 4050 + SECRET + "y" * 9000,))
        database.commit()


def _compressed_in_sqlite(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "runs.db")) as database:
        database.execute("CREATE TABLE snapshot (body BLOB)")
        database.execute("INSERT INTO snapshot VALUES (?)", (zlib.compress(SECRET.encode()),))
        database.commit()


def _in_parquet(folder: Path) -> None:
    table = pa.table({"a": [SECRET] * 100})
    pq.write_table(table, folder / "part-0.parquet", compression="zstd")


def _in_parquet_metadata(folder: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"made by": SECRET})
    pq.write_table(table, folder / "part-0.parquet")


def _in_duckdb(folder: Path) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as database:
        database.execute("CREATE TABLE suppliers AS SELECT ? AS name FROM range(5000)", [SECRET])


def _in_gzip(folder: Path) -> None:
    (folder / "stdout.gz").write_bytes(gzip.compress(SECRET.encode()))


def _in_a_name(folder: Path) -> None:
    (folder / SECRET.replace("/", "_")).touch()


@pytest.mark.parametrize(
    "plant",
    [
        _in_sqlite,
        _compressed_in_sqlite,
        _in_parquet,
        _in_parquet_metadata,
        _in_duckdb,
        _in_gzip,
        _in_a_name,
    ],
)
def test_every_kind_of_file_is_read(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    plant(tmp_path)
    assert leaks_in(everything_in(tmp_path), {"it": SECRET})


def test_what_holds_no_secret_is_clean(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("password=********, user pl4nted")
    assert leaks_in(everything_in(tmp_path), {"it": SECRET}) == []
