"""Edits laid over a batch on its way to their destination. What is staged stays what the ERP said.

An edit belongs to one version of a record, known by its content. As long as that version comes, however often it is
read again, the destination gets the edited value; a version of other content that is not older ends the edit.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.columns.marks import rehashed, unmarked
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.edits import Edit
from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE
from ml_connector_dagster.model.versions import is_older
from ml_connector_dagster.staging import Staging


#: Rows of a file that is written again, as in staging.
_FILE_ROWS: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedBatch:
    """A staged batch whose rows were written again with edits in them; a ``model.batches.StagedBatch``."""

    original: StagedBatch
    files: tuple[str, ...]

    @property
    def batch(self) -> Batch:
        return self.original.batch

    def reader(self) -> pa.RecordBatchReader:
        """The rows as the destination gets them."""
        schema = pq.read_schema(self.files[0])
        return pa.RecordBatchReader.from_batches(schema, _stream(self.files))

    def write_receipts(self, destination: str, receipts: "pa.Table | pa.RecordBatchReader") -> str:
        return self.original.write_receipts(destination, receipts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A batch for one destination, and the edits that a newer version in it has ended."""

    staged: StagedBatch
    ended: tuple[int, ...] = ()


@contextmanager
def corrected(
    ledger: Ledger, staging: Staging, batch: Batch, destination: str
) -> Iterator[Correction]:
    """``batch`` with the edits that are in force for ``destination``; its files are gone after the block."""
    edits = ledger.edits(
        tenant=batch.tenant, entity=batch.entity, company=batch.company, destination=destination
    )
    rows = staging.find(batch, [one.record_id for one in edits]) if edits and batch.rows else None
    with staging.open(batch) as staged:
        if rows is None or not rows.num_rows:
            yield Correction(staged=staged)
            return
        versions = list(zip(rows.to_pylist(), content_hashes(rows), strict=True))
        by_version: dict[tuple[str, str], list[Edit]] = {}
        for one in edits:
            by_version.setdefault((one.record_id, one.base_hash), []).append(one)
        ended = tuple(one.id for one in edits if any(_ends(one, row, h) for row, h in versions))
        if not any((row["record_id"], content) in by_version for row, content in versions):
            yield Correction(staged=staged, ended=ended)
            return
        with TemporaryDirectory(prefix="edited-") as folder:
            files = _written_again(staged.reader(), Path(folder), by_version)
            yield Correction(staged=CorrectedBatch(original=staged, files=files), ended=ended)


def content_hashes(rows: pa.Table) -> list[str]:
    """What tells versions of a record apart, whether or not it is marked as deleted."""
    hashes: list[str] = rows["_row_hash"].to_pylist()
    if rows["_deleted_at"].null_count == rows.num_rows:
        return hashes
    plain: list[str] = unmarked(rows)["_row_hash"].to_pylist()
    return plain


def value_of(text: str | None, kind: pa.DataType) -> pa.Scalar:
    """A value that was kept as text, as a column holds it. Raises ValueError for a text that is none of its type."""
    if text is None or pa.types.is_string(kind):
        return pa.scalar(text, kind)
    if pa.types.is_boolean(kind):
        if text not in ("true", "false"):
            raise ValueError("write true or false")
        return pa.scalar(text == "true", kind)
    if pa.types.is_decimal(kind):
        number = Decimal(text)
        if not number.is_finite():
            raise ValueError(f"write a number of at most {DECIMAL_PRECISION} digits")
        return pa.scalar(number.quantize(Decimal(1).scaleb(-DECIMAL_SCALE)), kind)
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("write it with its offset, like 2026-01-18T12:00:00+00:00")
        return pa.scalar(moment, kind)
    return pa.scalar(text, pa.string()).cast(kind)


def text_of(value: Any) -> str | None:
    """A cell as it is kept in an edit: ``value_of`` makes the cell of it again."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _ends(edit: Edit, row: Mapping[str, Any], content: str) -> bool:
    base = {"_modified_at": edit.base_modified_at, "_extracted_at": edit.base_extracted_at}
    return (
        row["record_id"] == edit.record_id and content != edit.base_hash and not is_older(row, base)
    )


def _stream(files: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for path in files:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches()


def _written_again(
    rows: pa.RecordBatchReader, folder: Path, edits: Mapping[tuple[str, str], Sequence[Edit]]
) -> tuple[str, ...]:
    """Files of the same rows in the same order, edited."""
    wanted = pa.array(sorted({record_id for record_id, _ in edits}), pa.string())
    files: list[str] = []
    file: pq.ParquetWriter | None = None
    written = 0
    for part in rows:
        if file is None or written >= _FILE_ROWS:
            if file is not None:
                file.close()
            files.append(str(folder / f"part-{len(files)}.parquet"))
            file, written = pq.ParquetWriter(files[-1], rows.schema, compression="snappy"), 0
        file.write_table(_with_edits(pa.Table.from_batches([part]), wanted, edits))
        written += part.num_rows
    if file is not None:
        file.close()
    return tuple(files)


def _with_edits(
    rows: pa.Table, wanted: pa.Array, edits: Mapping[tuple[str, str], Sequence[Edit]]
) -> pa.Table:
    """A part of the rows with its edits, each row where it was."""
    here = pc.is_in(rows["record_id"], value_set=wanted)
    if not pc.any(here).as_py():
        return rows
    places = pc.indices_nonzero(here.combine_chunks())
    touched = rows.take(places)
    pieces = [
        _edited(touched.slice(n, 1), edits.get((record_id, content), ()))
        for n, (record_id, content) in enumerate(
            zip(touched["record_id"].to_pylist(), content_hashes(touched), strict=True)
        )
    ]
    order = pa.array(range(rows.num_rows))
    replaced = pc.replace_with_mask(
        order, here.combine_chunks(), pa.array(range(rows.num_rows, rows.num_rows + len(pieces)))
    )
    return pa.concat_tables([rows, *pieces]).take(replaced)


def _edited(row: pa.Table, edits: Sequence[Edit]) -> pa.Table:
    """One row as its edits want it, which says so in ``_problems``."""
    if not edits:
        return row
    (known,) = row["_problems"].to_pylist()
    notes = json.loads(known) if known else {}
    for one in edits:
        place = row.schema.get_field_index(one.column)
        field = row.schema.field(place)
        value = pa.repeat(value_of(one.new_value, field.type), 1)
        row = row.set_column(place, field, value)
        notes[one.column] = f"edited by {one.edited_by} (dead letter {one.letter_id})"
    place = row.schema.get_field_index("_problems")
    told = pa.array([json.dumps(notes, ensure_ascii=False)], pa.string())
    row = row.set_column(place, row.schema.field(place), told)
    return rehashed(row)
