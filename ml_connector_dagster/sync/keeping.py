"""One batch in the place of many: the rows that a destination would hold which has just had all of them.

So whoever gets it instead of them ends up with the same rows, and whoever had them has nothing to do.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.columns.marks import carried_by
from ml_connector_dagster.model.batches import REPAIR, Batch
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.staging.writing import BatchWriter
from ml_connector_dagster.sync.scratch_databases import scratch_database


if TYPE_CHECKING:
    import duckdb


#: The route of a kept batch: no request has brought it.
KEPT: Final = "kept"

_STAMPS: Final = ("record_id", "_row_hash", "_modified_at", "_extracted_at")
_ROWS: Final = 50_000

#: Receipts of one file.
_FILE_RECEIPTS: Final = 500_000

#: Receipts that make up the number of rows.
_COUNTED: Final = ("inserted", "deleted")

_IN_ORDER: Final = """
    SELECT record_id, _row_hash, epoch_us(_modified_at), epoch_us(_extracted_at), batch, position
    FROM versions ORDER BY record_id, batch, position
"""


@dataclass(frozen=True, slots=True)
class _Version:
    """A version of a record, and where it stands: the number of its batch, and of its row there."""

    content: str
    modified: int | None
    extracted: int
    batch: int
    position: int

    def is_older(self, than: "_Version") -> bool:
        """``model.versions.is_older``, in numbers."""
        mine, theirs = self.modified, than.modified
        if mine is not None and theirs is not None and mine != theirs:
            return mine < theirs
        return self.extracted < than.extracted

    @property
    def inside_a_batch(self) -> tuple[bool, int, int, int]:
        """The order of versions inside one batch: null stamps lowest, the last of equals counts."""
        return self.modified is not None, self.modified or 0, self.extracted, self.position


def rows_to_keep(staging: Staging, batches: Sequence[Batch], folder: Path) -> list[Sequence[int]]:
    """Of each batch, which rows a destination would hold after all of them. Compared on disk below ``folder``."""
    chosen: list[array[int]] = [array("q") for _ in batches]
    with scratch_database(folder, "clean-up") as connection:
        _collect(connection, staging, batches)
        for version in _held(_by_record(connection)):
            chosen[version.batch].append(version.position)
    return [array("q", sorted(positions)) for positions in chosen]


def write_kept(
    staging: Staging, batches: Sequence[Batch], chosen: Sequence[Sequence[int]], writer: BatchWriter
) -> None:
    """Add the ``chosen`` rows of each batch to ``writer``; they say that they are carried by its batch."""
    for batch, positions in zip(batches, chosen, strict=True):
        for rows in _taken(staging.open(batch).reader(), positions):
            writer.append(carried_by(rows, writer.batch_id))


def keep_receipts(
    staging: Staging, batches: Iterable[Batch], kept: Batch, *, since: datetime
) -> int:
    """Put the receipts of ``batches`` from ``since`` on beside ``kept``, in few files; answers how many.

    Those that tell when a record came or was marked deleted stay however old they are: a recount needs them.
    """
    waiting: dict[str, list[pa.Table]] = {}
    count = 0

    def write(name: str) -> None:
        staging.open(kept).write_receipts(name, pa.concat_tables(waiting.pop(name)))

    for batch in batches:
        receipts = staging.receipts(batch)
        if batch.restores:
            receipts = _as_repairs(receipts)
        young = pc.greater_equal(receipts["delivered_at"], since)
        counted = pa.array(_COUNTED, pa.string())
        chosen = receipts.filter(pc.or_(young, pc.is_in(receipts["outcome"], counted)))
        for name in chosen["destination"].unique().to_pylist():
            own = chosen.filter(pc.equal(chosen["destination"], name))
            waiting.setdefault(name, []).append(own.drop_columns(["destination"]))
            count += own.num_rows
            if sum(table.num_rows for table in waiting[name]) >= _FILE_RECEIPTS:
                write(name)
    for name in sorted(waiting):
        write(name)
    return count


def _as_repairs(receipts: pa.Table) -> pa.Table:
    """The batch that said so is about to go: from now on each receipt says itself that it is of a repair."""
    place = receipts.schema.get_field_index("reason")
    said = pc.fill_null(receipts["reason"], REPAIR)
    return receipts.set_column(place, receipts.schema.field(place), said)


def _collect(
    connection: "duckdb.DuckDBPyConnection", staging: Staging, batches: Sequence[Batch]
) -> None:
    connection.execute(
        "CREATE TABLE versions (record_id VARCHAR, _row_hash VARCHAR, _modified_at TIMESTAMPTZ,"
        " _extracted_at TIMESTAMPTZ, batch BIGINT, position BIGINT)"
    )
    for number, batch in enumerate(batches):
        position = 0
        for part in staging.open(batch).reader():
            rows = pa.Table.from_batches([part]).select(list(_STAMPS))
            rows = rows.append_column("batch", pa.repeat(pa.scalar(number), part.num_rows))
            here = pa.array(range(position, position + part.num_rows), pa.int64())
            connection.register("arriving", rows.append_column("position", here))
            connection.execute("INSERT INTO versions SELECT * FROM arriving")
            connection.unregister("arriving")
            position += part.num_rows


def _by_record(connection: "duckdb.DuckDBPyConnection") -> Iterator[tuple[str, _Version]]:
    found = connection.execute(_IN_ORDER)
    while rows := found.fetchmany(_ROWS):
        for record_id, *values in rows:
            yield record_id, _Version(*values)


def _held(versions: Iterable[tuple[str, _Version]]) -> Iterator[_Version]:
    """The version of each record that is held after all batches; ``versions`` are by record, batch and row."""
    record = ""
    held: _Version | None = None
    arriving: _Version | None = None  # the newest of the batch that is looked at
    for record_id, version in versions:
        if arriving is not None and (record_id != record or version.batch != arriving.batch):
            held, arriving = _accepted(held, arriving), None
        if record_id != record:
            if held is not None:
                yield held
            record, held = record_id, None
        if arriving is None or version.inside_a_batch >= arriving.inside_a_batch:
            arriving = version
    if arriving is not None:
        yield _accepted(held, arriving)


def _accepted(held: _Version | None, arriving: _Version) -> _Version:
    """What a destination holds that held ``held`` when ``arriving`` came."""
    if held is None:
        return arriving
    unchanged = held.content == arriving.content or arriving.is_older(held)
    return held if unchanged else arriving


def _taken(rows: pa.RecordBatchReader, positions: Sequence[int]) -> Iterator[pa.Table]:
    """The rows at ``positions``, which are sorted."""
    first = next_one = 0
    for part in rows:
        wanted: list[int] = []
        while next_one < len(positions) and positions[next_one] < first + part.num_rows:
            wanted.append(positions[next_one] - first)
            next_one += 1
        if wanted:
            yield pa.Table.from_batches([part]).take(pa.array(wanted, pa.int64()))
        first += part.num_rows
