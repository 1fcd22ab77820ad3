"""Looks for secrets in everything that was written: in any spelling, in any kind of file.

It shares nothing with the redactor of the product: what that one does not think of must be found here.
"""

import base64
import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

import duckdb
import pyarrow.parquet as pq


#: Characters of a secret that give it away; a longer part would miss what was cut off.
_TELLING: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A secret that was found. ``where`` names file, and table where it has such."""

    secret: str
    form: str
    where: str


def forms(value: str) -> dict[str, bytes]:
    """The spellings in which a secret gives itself away: name → bytes."""
    data = value.encode()
    found = {
        "plain": data,
        "beginning": data[: max(_TELLING, len(data) // 2)],
        "end": data[-max(_TELLING, len(data) // 2) :],
        "reversed": data[::-1],
        "JSON": json.dumps(value)[1:-1].encode(),
        "JSON, not ASCII": json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        "JSON in JSON": json.dumps(json.dumps(value))[3:-3].encode(),
        "repr": repr(value)[1:-1].encode(),
        "URL": quote(value, safe="").encode(),
        "form": quote_plus(value).encode(),
        "hex": data.hex().encode(),
        "UTF-16": value.encode("utf-16-le"),
    }
    for shift in range(3):
        # What is the same whatever stands before and after it: groups of three bytes lie whole inside.
        whole = base64.b64encode(b"\0" * shift + data)
        core = whole[4 if shift else 0 : (shift + len(data)) // 3 * 4]
        found[f"base64 +{shift}"] = core
        found[f"base64 +{shift}, for URLs"] = core.replace(b"+", b"-").replace(b"/", b"_")
    return {name: form for name, form in found.items() if len(form) >= 6}


def leaks_in(texts: Iterator[tuple[str, bytes]], secrets: Mapping[str, str]) -> list[Leak]:
    """Every secret that occurs in ``texts`` (where → content), once for each place."""
    spelled = {name: forms(value) for name, value in secrets.items()}
    found = []
    for where, content in texts:
        for secret, spellings in spelled.items():
            form = next((name for name, form in spellings.items() if form in content), None)
            if form is not None:
                found.append(Leak(secret=secret, form=form, where=where))
    return found


def everything_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of all that is below ``folder``: bytes as they are, and what readers make of them."""
    for path in sorted(folder.rglob("*")):
        yield str(path.relative_to(folder)), str(path.relative_to(folder)).encode()
        if path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):
                yield from _contents(path, str(path.relative_to(folder)))


def _contents(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    content = path.read_bytes()
    yield name, content
    if content.startswith(b"SQLite format 3"):
        yield from _sqlite(path, name)
    elif content[:4] == b"PAR1":
        yield f"{name} (rows)", _text(pq.read_table(path).to_pylist())
        yield f"{name} (metadata)", str(pq.read_metadata(path).metadata).encode()
    elif path.suffix == ".duckdb":
        yield from _duckdb(path, name)
    elif content[:2] == b"\x1f\x8b":
        yield f"{name} (unpacked)", gzip.decompress(content)


def _sqlite(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Row by row: a long value is not in one piece in the file, and Dagster compresses some."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = [
            row[0].decode()
            for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"').fetchall()
            yield f"{name} {table}", unpacked(rows)


def unpacked(rows: list[tuple[object, ...]]) -> bytes:
    """The cells of rows, those that are compressed as they were before."""
    cells = []
    for row in rows:
        for cell in row:
            data = cell if isinstance(cell, bytes) else str(cell).encode()
            cells.append(data)
            with suppress(zlib.error):
                cells.append(zlib.decompress(data))
    return b"\n".join(cells)


def _duckdb(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(str(path), read_only=True) as database:
        tables = database.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
        ).fetchall()
        for schema, table in tables:
            rows = database.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
            yield f"{name} {schema}.{table}", _text(rows)


def everything_in_postgres(url: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table of a PostgreSQL database."""
    from sqlalchemy import create_engine, inspect, text

    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            for table in inspect(engine).get_table_names():
                rows = connection.execute(text(f'SELECT * FROM "{table}"')).fetchall()
                yield f"PostgreSQL {table}", unpacked([tuple(row) for row in rows])
    finally:
        engine.dispose()


def _text(rows: list[object]) -> bytes:
    return "\n".join(map(str, rows)).encode(errors="surrogatepass")
