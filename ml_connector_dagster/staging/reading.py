"""Reading a batch back: as files, as a stream, or a few records of it. And what destinations answered for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS
from ml_connector_dagster.staging.paths import safe_part
from ml_connector_dagster.staging.schemas import schema_of, selected
from ml_connector_dagster.staging.stores import MANIFEST, Store


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


class StoredBatch:
    """A batch with its rows; what ``model.batches.StagedBatch`` describes.

    ``files`` are there inside its ``with`` block only: in object storage they are fetched when they are first asked for.
    The rest asks for no more than it needs, and needs no block.
    """

    def __init__(self, store: Store, batch: Batch) -> None:
        self.batch = batch
        self._store = store
        self._lifetime: ExitStack | None = None
        self._copies: tuple[str, ...] | None = None
        self._sizes: Mapping[str, int] | None = None

    def __enter__(self) -> Self:
        self._lifetime = ExitStack()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lifetime is not None:
            self._lifetime.close()
        self._lifetime = self._copies = None

    @property
    def files(self) -> tuple[str, ...]:
        """Absolute paths of the parts on this machine. Raises ContractError when they are gone or not as written."""
        if self._lifetime is None:
            raise RuntimeError("the files of a batch are there inside its with block only")
        if self._copies is None:
            paths = list(self._parts())
            self._copies = self._lifetime.enter_context(self._store.local_copies(paths))
        return self._copies

    def reader(self, columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
        """The rows as a stream, in bounded memory; of some ``columns`` only, in the order that they have in the batch."""
        schema = schema_of(self.batch) if columns is None else selected(self.batch, columns)
        return pa.RecordBatchReader.from_batches(schema, self._stream(self._parts(), schema.names))

    def find(self, record_ids: Sequence[str]) -> pa.Table:
        """The rows of these records, in file order.

        Row groups whose range of ids holds none of them are not read; of the others only the ids are, unless one
        is there.
        """
        found = [schema_of(self.batch).empty_table()]
        for path, size in self._parts().items():
            with self._store.parquet(path, size) as file:
                found += _rows_of(file, record_ids)
        return pa.concat_tables(found)

    def write_receipts(self, destination: str, receipts: "pa.Table | pa.RecordBatchReader") -> str:
        """Add a file of receipts; answers its path relative to the batch's folder. Secrets in reasons are masked."""
        below = f"{RECEIPTS}/{safe_part(destination)}"
        reader = receipts if isinstance(receipts, pa.RecordBatchReader) else receipts.to_reader()
        name = quote(destination, errors="surrogatepass").encode()
        schema = reader.schema.with_metadata({_DESTINATION: name})

        def write(path: Path) -> None:
            with pq.ParquetWriter(path, schema, compression="snappy") as file:
                for part in reader:
                    file.write_batch(_masked(part))

        return f"{below}/{self._store.add_numbered(f'{self.batch.path}/{below}', write)}"

    def receipts(
        self, destination: str | None = None, record_ids: Sequence[str] | None = None
    ) -> pa.Table:
        """Every receipt of one destination or of all (None), oldest first, with the destination's name.

        With ``record_ids``, those of these records: of the others little more than the ids is read.
        """
        top = f"{self.batch.path}/{RECEIPTS}"
        below = top if destination is None else f"{top}/{safe_part(destination)}"
        files = {f"{below}/{name}": size for name, size in self._store.files(below).items()}
        tables = (
            self._read_receipts(path, files[path], record_ids)
            for path in sorted(files, key=_in_order)
        )
        return pa.concat_tables([_RECEIPTS.empty_table(), *tables])

    def _parts(self) -> Mapping[str, int]:
        """Path → size of each part, in order. Raises ContractError when one is gone, or not as it was written."""
        if self._sizes is None:
            there = self._store.files(self.batch.path)
            missing = [name for name in (MANIFEST, *self.batch.parts) if name not in there]
            if missing or sum(there[part] for part in self.batch.parts) != self.batch.bytes:
                folder = f"{self._store.address}/{self.batch.path}"
                what = f"is gone: {folder}/{missing[0]}" if missing else f"was changed: {folder}"
                raise ContractError(
                    f"a staged file of batch {self.batch.batch_id} {what}. Restore the staging folder from "
                    f"its backup, or read {self.batch.entity} of company {self.batch.company} again in full"
                )
            self._sizes = {f"{self.batch.path}/{part}": there[part] for part in self.batch.parts}
        return self._sizes

    def _stream(self, parts: Mapping[str, int], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for path, size in parts.items():
            with self._store.parquet(path, size) as file:
                # One row group at a time: what is fetched ahead is never more than that.
                for group in range(file.num_row_groups):
                    yield from file.iter_batches(
                        batch_size=STREAM_ROWS, row_groups=[group], columns=columns
                    )

    def _read_receipts(self, path: str, size: int, record_ids: Sequence[str] | None) -> pa.Table:
        with self._store.parquet(path, size) as file:
            if record_ids is None:
                table = file.read()
            else:
                table = pa.concat_tables(
                    [file.schema_arrow.empty_table(), *_rows_of(file, record_ids)]
                )
            written = file.schema_arrow.metadata[_DESTINATION].decode()
        name = unquote(written, errors="surrogatepass")
        column = pa.array([name] * table.num_rows, pa.string())
        chosen = table.select(list(RECEIPT_COLUMNS))
        return chosen.add_column(0, "destination", column).cast(_RECEIPTS)


def _masked(receipts: pa.RecordBatch) -> pa.RecordBatch:
    """What a destination says may quote a secret, such as a page that shows the whole request."""
    place = receipts.schema.get_field_index("reason")
    said = receipts.column(place)
    if said.null_count == len(said):
        return receipts
    each = pc.dictionary_encode(said)
    told = pa.array([redact(one) for one in each.dictionary.to_pylist()], said.type)
    return receipts.set_column(place, receipts.schema.field(place), told.take(each.indices))


def _rows_of(file: pq.ParquetFile, record_ids: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of these records, row group by row group."""
    wanted = sorted(set(record_ids))
    values = pa.array(wanted, pa.string())
    for number in range(file.num_row_groups):
        if not _may_hold(file, number, wanted):
            continue
        ids = file.read_row_group(number, columns=["record_id"])["record_id"]
        here = pc.is_in(ids, value_set=values)
        if pc.any(here).as_py():
            yield file.read_row_group(number).filter(here)


def _may_hold(file: pq.ParquetFile, number: int, wanted: Sequence[str]) -> bool:
    group = file.metadata.row_group(number)
    statistics = group.column(file.schema_arrow.get_field_index("record_id")).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    lowest, highest = str(statistics.min), str(statistics.max)
    return any(lowest <= one <= highest for one in wanted)


def _in_order(path: str) -> tuple[str, int, str]:
    """By destination, then by number; of object storage, where two may have one, by name."""
    folder, _, name = path.rpartition("/")
    stem = name.removesuffix(".parquet")
    return folder, int(stem.partition("-")[0]), stem
