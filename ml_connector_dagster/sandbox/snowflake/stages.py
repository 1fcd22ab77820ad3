"""Stages as folders, PUT as uploads to our own host, and COPY INTO with its load history."""

import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from ml_connector_dagster.sandbox.snowflake.refusals import (
    Refusal,
    no_such_object,
    not_simulated,
)


NAME: Final = r'(?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))*'
_PUT = re.compile(r"(?is)^put\s+'file://((?:[^'\\]|\\.)+)'\s+(@\S+)(.*)$")
_COPY = re.compile(rf"(?is)^copy\s+into\s+({NAME})\s+from\s+(@\S+)\s+(.*)$")
_COPY_OPTION = re.compile(r"(?is)(\w+)\s*=\s*(\((?:[^()']|'[^']*')*\)|\w+)")
_STAGE = re.compile(rf"(?s)^@({NAME})(/.*)?$")


def parts(name: str) -> list[str]:
    """A dotted name: quoted parts as they are, others in upper case."""
    found = re.findall(r'"(?:[^"]|"")+"|[^.]+', name)
    return [
        part[1:-1].replace('""', '"') if part.startswith('"') else part.upper() for part in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A PUT statement: the client uploads ``source`` to ``target``, a path under the stages' folder."""

    source: str
    target: str
    compress: bool
    overwrite: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A COPY INTO statement that is understood."""

    table: tuple[str, ...]
    stage: str
    on_error: str
    purge: bool
    force: bool
    metadata: dict[str, str]


@dataclass(slots=True)
class Stages:
    """All stages of an account."""

    root: Path
    history: dict[tuple[str, ...], set[tuple[str, str]]] = field(default_factory=dict)

    def create(self, name: tuple[str, ...], *, replace: bool, if_missing: bool) -> None:
        folder = self._path(name)
        if folder.exists():
            if not replace:
                if if_missing:
                    return
                raise Refusal("002002", "42710", f"Object '{'.'.join(name)}' already exists.")
            shutil.rmtree(folder)
        folder.mkdir(parents=True)

    def drop(self, name: tuple[str, ...]) -> None:
        shutil.rmtree(self._path(name), ignore_errors=True)

    def _path(self, name: tuple[str, ...]) -> Path:
        digest = hashlib.sha256("\0".join(name).encode()).hexdigest()[:24]
        return self.root / digest

    def locate(self, reference: str, home: tuple[str, str]) -> tuple[Path, str]:
        """Folder of the stage, and the path inside it; raises Refusal when there is none."""
        match = _STAGE.match(reference)
        if not match:
            raise Refusal("001003", "42000", f"SQL compilation error:\ninvalid stage {reference}")
        name = (*home, *parts(match[1]))[-3:]
        folder = self._path(name)
        if not folder.is_dir():
            raise no_such_object("Stage", ".".join(name))
        return folder, (match[2] or "").strip("/")

    def put(self, sql: str, home: tuple[str, str]) -> Put:
        match = _PUT.match(sql)
        if not match:
            raise not_simulated("this form of PUT; write PUT 'file://…' @stage/path options")
        folder, inside = self.locate(match[2], home)
        source = re.sub(r"\\(.)", r"\1", match[1])
        if ".." in inside.split("/"):
            raise Refusal("001003", "42000", f"SQL compilation error:\ninvalid path {inside}")
        target = f"{folder.name}/{inside}/{Path(source).name}"
        return Put(
            source=source,
            target=target,
            compress=not re.search(r"(?i)auto_compress\s*=\s*false", match[3]),
            overwrite=bool(re.search(r"(?i)overwrite\s*=\s*true", match[3])),
        )

    def remove(self, reference: str, home: tuple[str, str]) -> list[str]:
        folder, inside = self.locate(reference, home)
        gone = self.files(folder, inside)
        for file in gone:
            file.unlink()
        return [file.name for file in gone]

    def files(self, folder: Path, inside: str) -> list[Path]:
        """Files whose path begins with ``inside``, by path."""
        return [
            file
            for file in sorted(folder.rglob("*"))
            if file.is_file() and str(file.relative_to(folder)).startswith(inside)
        ]

    def loaded(self, table: tuple[str, ...], file: Path) -> bool:
        """Whether COPY has already loaded this content from this path."""
        return self._mark(file) in self.history.get(table, set())

    def remember(self, table: tuple[str, ...], files: Iterable[Path]) -> None:
        self.history.setdefault(table, set()).update(self._mark(file) for file in files)

    def forget_loads(self, table: tuple[str, ...]) -> None:
        """The table was dropped, or made anew."""
        self.history.pop(table, None)

    def _mark(self, file: Path) -> tuple[str, str]:
        return str(file), hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def parse_copy(sql: str) -> Copy:
    """The form that our loader uses, and nothing else."""
    match = _COPY.match(sql)
    if not match:
        raise not_simulated("this form of COPY INTO")
    options = {name.upper(): value for name, value in _COPY_OPTION.findall(match[3])}
    form = re.sub(r"\s+", " ", options.pop("FILE_FORMAT", "")).upper()
    if "TYPE = PARQUET" not in form or "USE_LOGICAL_TYPE = TRUE" not in form:
        raise not_simulated(f"COPY INTO with FILE_FORMAT {form or 'left out'}")
    if options.pop("MATCH_BY_COLUMN_NAME", "NONE").upper() != "CASE_INSENSITIVE":
        raise Refusal(
            "002019",
            "0A000",
            "SQL compilation error:\nPARQUET file format can produce one and only one column of type "
            "variant, object, or array.",
        )
    on_error = options.pop("ON_ERROR", "ABORT_STATEMENT").upper()
    if on_error not in ("ABORT_STATEMENT", "CONTINUE", "SKIP_FILE"):
        raise not_simulated(f"ON_ERROR = {on_error}")
    metadata = re.findall(
        rf"({NAME})\s*=\s*(METADATA\$\w+)", options.pop("INCLUDE_METADATA", ""), re.IGNORECASE
    )
    copy = Copy(
        table=tuple(parts(match[1])),
        stage=match[2],
        on_error=on_error,
        purge=options.pop("PURGE", "FALSE").upper() == "TRUE",
        force=options.pop("FORCE", "FALSE").upper() == "TRUE",
        metadata={parts(name)[0]: source.upper() for name, source in metadata},
    )
    if options:
        raise not_simulated(f"COPY INTO with {', '.join(sorted(options))}")
    return copy


def columns_in(file: Path) -> dict[str, str]:
    """Upper-case name → name, of a Parquet file."""
    return {name.upper(): name for name in pq.read_schema(file).names}
