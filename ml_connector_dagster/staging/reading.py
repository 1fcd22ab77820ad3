"""Reading a batch back: as files, as a stream, or a few records of it. And what destinations answered for it."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS
from ml_connector_dagster.staging.paths import safe_part
from ml_connector_dagster.staging.schemas import schema_of
from ml_connector_dagster.staging.store import ASIDE, LocalStore, make_durably


RECEIPTS: Final = "receipts"

#: Rows of one record batch of ``reader``.
STREAM_ROWS: Final = 16_384

#: Where a receipts file keeps the name of its destination: a long name does not fit into its folder's.
_DESTINATION: Final = b"ml_connector_destination"

#: What ``receipts`` answers: which destination, then its receipts.
_RECEIPTS: Final = pa.schema(
    [
        (name, pa.timestamp("us", "UTC") if name == "delivered_at" else pa.string())
        for name in ("destination", *RECEIPT_COLUMNS)
    ]
)


@dataclass(frozen=True, slots=True)
class LocalStagedBatch:
    """A batch with its rows; what ``model.batches.StagedBatch`` describes."""

    store: LocalStore
    batch: Batch

    @property
    def folder(self) -> Path:
        return self.store.root / self.batch.path

    @property
    def files(self) -> tuple[str, ...]:
        """Absolute paths of the parts. Raises ContractError when they are gone or not as they were written."""
        paths = [self.folder / part for part in self.batch.parts]
        missing = [path for path in paths if not path.is_file()]
        size = sum(path.stat().st_size for path in paths if path not in missing)
        if missing or size != self.batch.bytes:
            what = f"is gone: {missing[0]}" if missing else f"was changed: {self.folder}"
            raise ContractError(
                f"a staged file of batch {self.batch.batch_id} {what}. Restore the staging folder from "
                f"its backup, or read {self.batch.entity} of company {self.batch.company} again in full"
            )
        return tuple(str(path) for path in paths)

    def reader(self) -> pa.RecordBatchReader:
        """The rows as a stream, in bounded memory."""
        files = self.files
        schema = pq.read_schema(files[0]) if files else schema_of(self.batch)
        return pa.RecordBatchReader.from_batches(schema, _stream(files))

    def find(self, record_ids: Sequence[str]) -> pa.Table:
        """The rows of these records, in file order.

        Row groups whose range of ids holds none of them are not read; of the others only the ids are, unless one
        is there.
        """
        wanted = sorted(set(record_ids))
        values = pa.array(wanted, pa.string())
        found = [schema_of(self.batch).empty_table()] if not self.batch.parts else []
        for path in self.files:
            with pq.ParquetFile(path) as file:
                found.append(file.schema_arrow.empty_table())
                for number in range(file.num_row_groups):
                    if not _may_hold(file, number, wanted):
                        continue
                    ids = file.read_row_group(number, columns=["record_id"])["record_id"]
                    here = pc.is_in(ids, value_set=values)
                    if pc.any(here).as_py():
                        found.append(file.read_row_group(number).filter(here))
        return pa.concat_tables(found)

    def write_receipts(self, destination: str, receipts: "pa.Table | pa.RecordBatchReader") -> str:
        """Add a file of receipts; answers its path relative to the batch's folder."""
        folder = self.folder / RECEIPTS / safe_part(destination)
        make_durably(folder)
        reader = receipts if isinstance(receipts, pa.RecordBatchReader) else receipts.to_reader()
        name = quote(destination, errors="surrogatepass").encode()
        schema = reader.schema.with_metadata({_DESTINATION: name})
        aside = folder / f"{ASIDE}{uuid.uuid4().hex}"
        try:
            with pq.ParquetWriter(aside, schema, compression="snappy") as file:
                for part in reader:
                    file.write_batch(part)
            final = self.store.add_numbered(folder, aside)
        finally:
            aside.unlink(missing_ok=True)
        return final.relative_to(self.folder).as_posix()

    def receipts(self, destination: str | None = None) -> pa.Table:
        """Every receipt of one destination or of all (None), oldest first, with the destination's name."""
        folder = self.folder / RECEIPTS
        below = "*" if destination is None else safe_part(destination)
        files = folder.glob(f"{below}/[0-9]*.parquet")
        ordered = sorted(files, key=lambda file: (file.parent.name, int(file.stem)))
        return pa.concat_tables([_RECEIPTS.empty_table(), *map(_read_receipts, ordered)])


def _stream(files: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for path in files:
        # pre_buffer would hold whole row groups of raw bytes beside the decoded ones
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(batch_size=STREAM_ROWS)


def _may_hold(file: pq.ParquetFile, number: int, wanted: Sequence[str]) -> bool:
    group = file.metadata.row_group(number)
    statistics = group.column(file.schema_arrow.get_field_index("record_id")).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    lowest, highest = str(statistics.min), str(statistics.max)
    return any(lowest <= one <= highest for one in wanted)


def _read_receipts(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        table = file.read()
        name = unquote(file.schema_arrow.metadata[_DESTINATION].decode(), errors="surrogatepass")
    column = pa.array([name] * table.num_rows, pa.string())
    return table.select(list(RECEIPT_COLUMNS)).add_column(0, "destination", column).cast(_RECEIPTS)
