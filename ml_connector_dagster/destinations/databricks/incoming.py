"""The rows of a batch where a statement can read them: in a parameter of it, or as files in a volume.

Both ways give the same relation, with the same names and types, one row per record. Which of several rows of a record
counts is decided here, on this side, where the order of the files is known.
"""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.destinations.databricks.tables import Names, batch_key, make_volume
from ml_connector_dagster.destinations.databricks.types import literal, of_arrow, ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.newest import beaten_places
from ml_connector_dagster.model.batches import StagedBatch


#: Rows as text beyond this go by file, however few they are: statement and parameters share 16 MiB.
MAX_INLINE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A relation to select from. ``records`` are the distinct records of the batch."""

    relation: str
    records: int
    parameters: Mapping[str, str | None] = field(default_factory=dict)


def staged_columns(staged: StagedBatch, expected: Mapping[str, str]) -> dict[str, str]:
    """Name → type of every column of the files; ``expected`` are those of the entity."""
    schema = pq.read_schema(staged.files[0])
    return {one.name: expected.get(one.name) or of_arrow(one.type) for one in schema}


@contextmanager
def incoming(
    workspace: Workspace,
    names: Names,
    staged: StagedBatch,
    columns: Mapping[str, str],
    *,
    inline_rows: int,
    volume: str,
) -> Iterator[Incoming]:
    """Bring the rows there; staged files are removed when the block ends well (the next try writes over them)."""
    beaten = beaten_places(staged)
    records = staged.batch.rows - len(beaten)
    if staged.batch.rows <= inline_rows:
        text = _as_json(staged, columns, beaten)
        if len(text) <= MAX_INLINE_BYTES:
            relation = _inline_relation(columns)
            yield Incoming(relation=relation, records=records, parameters={"rows": text})
            return
    make_volume(workspace, names, volume)
    folder, files = staged_folder(names, staged, volume)
    workspace.make_folder(folder)
    for file, content in zip(files, _contents(staged, beaten), strict=True):
        workspace.upload(f"{folder}/{file}", content)
    yield Incoming(relation=_staged_relation(columns, folder), records=records)
    workspace.delete_folder(folder, files)


def staged_folder(names: Names, staged: StagedBatch, volume: str) -> tuple[str, tuple[str, ...]]:
    """Where the batch's files are in the volume, and what they are called."""
    place = f"/Volumes/{names.catalog}/{names.schema}/{volume}"
    files = tuple(f"part-{number:05d}.parquet" for number in range(len(staged.batch.parts)))
    return f"{place}/{names.table}/{batch_key(staged.batch.batch_id)}", files


def _inline_relation(columns: Mapping[str, str]) -> str:
    """Every value comes as text and is cast: JSON numbers are not exact, and types would be guessed."""
    fields = ", ".join(f"c{number}: STRING" for number in range(len(columns)))
    cast = ", ".join(
        f"CAST(r.c{number} AS {kind.upper()}) AS {ticked(name)}"
        for number, (name, kind) in enumerate(columns.items())
    )
    return (
        f"(SELECT {cast} FROM (SELECT explode(from_json(:rows, {literal(f'ARRAY<STRUCT<{fields}>>')},"
        " map('mode', 'FAILFAST'))) AS r))"
    )


def _staged_relation(columns: Mapping[str, str], folder: str) -> str:
    """CORRECTED: else dates before 1582 in files of other writers than Spark are taken as Julian."""
    cast = ", ".join(
        f"CAST({ticked(name)} AS {kind.upper()}) AS {ticked(name)}"
        for name, kind in columns.items()
    )
    return (
        f"(SELECT {cast} FROM read_files({literal(folder)}, format => 'parquet',"
        " datetimeRebaseMode => 'CORRECTED'))"
    )


def _winners(table: pa.Table, first: int, beaten: pa.Array) -> pa.Table:
    if not len(beaten):
        return table
    places = pa.array(range(first, first + table.num_rows), pa.int64())
    return table.filter(pc.invert(pc.is_in(places, value_set=beaten)))


def _contents(staged: StagedBatch, beaten: pa.Array) -> Iterator[BinaryIO]:
    """The files as they are to be uploaded: unchanged, or without the rows that lost."""
    first = 0
    for file in staged.files:
        if not len(beaten):
            with Path(file).open("rb") as unchanged:
                yield unchanged
            continue
        table = pq.read_table(file)
        content = io.BytesIO()
        pq.write_table(_winners(table, first, beaten), content, compression="zstd")
        content.seek(0)
        first += table.num_rows
        yield content


def _as_json(staged: StagedBatch, columns: Mapping[str, str], beaten: pa.Array) -> str:
    first = 0
    rows: list[dict[str, str]] = []
    for file in staged.files:
        table = pq.read_table(file)
        kept = _winners(table, first, beaten)
        first += table.num_rows
        texts = [pc.cast(kept[name], pa.string()).to_pylist() for name in columns]
        rows.extend(
            {f"c{n}": value for n, value in enumerate(values) if value is not None}
            for values in zip(*texts, strict=True)
        )
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
