"""Reading a batch back: as files, as a stream, or a few records of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.staging.paths import safe_part
from ml_connector_dagster.staging.store import ASIDE, LocalStore


RECEIPTS = "receipts"

#: Rows of one record batch of ``reader``.
STREAM_ROWS = 16_384


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
        """Absolute paths of the parts. Raises ContractError when one is gone."""
        paths = [self.folder / part for part in self.batch.parts]
        missing = [str(path) for path in paths if not path.is_file()]
        if missing:
            raise ContractError(
                f"staged file {missing[0]} of batch {self.batch.batch_id} is gone: restore the staging "
                f"folder, or read {self.batch.entity} of company {self.batch.company} again in full"
            )
        return tuple(str(path) for path in paths)

    def reader(self) -> pa.RecordBatchReader:
        """The rows as a stream, in bounded memory."""
        return (
            ds.dataset(list(self.files), format="parquet")
            .scanner(batch_size=STREAM_ROWS, batch_readahead=2, fragment_readahead=1)
            .to_reader()
        )

    def find(self, record_ids: Sequence[str]) -> pa.Table:
        """The rows of these records, in file order."""
        condition = ds.field("record_id").isin(list(record_ids))
        return ds.dataset(list(self.files), format="parquet").to_table(filter=condition)

    def write_receipts(self, destination: str, receipts: "pa.Table | pa.RecordBatchReader") -> str:
        """Add a file of receipts; answers its path relative to the batch's folder."""
        folder = self.folder / RECEIPTS / safe_part(destination)
        folder.mkdir(parents=True, exist_ok=True)
        number = sum(1 for _ in folder.glob("[0-9]*.parquet"))
        aside = folder / f"{ASIDE}{number}.parquet"
        reader = receipts if isinstance(receipts, pa.RecordBatchReader) else receipts.to_reader()
        with pq.ParquetWriter(aside, reader.schema, compression="snappy") as file:
            for part in reader:
                file.write_batch(part)
        final = self.store.add_file(folder, f"{number}.parquet", aside)
        return str(final.relative_to(self.folder))

    def receipts(self, destination: str) -> pa.Table:
        """Every receipt of one destination, oldest first; a table without rows or columns when there is none."""
        folder = self.folder / RECEIPTS / safe_part(destination)
        files = sorted(folder.glob("[0-9]*.parquet"), key=lambda file: int(file.stem))
        if not files:
            return pa.table({})
        return pa.concat_tables([pq.read_table(file) for file in files])
