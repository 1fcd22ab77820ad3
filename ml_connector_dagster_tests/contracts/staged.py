"""Rows and staged batches for the destination contract: Parquet files in a folder, written without our staging."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    Column,
    ColumnType,
    Entity,
)
from ml_connector_dagster.model.windows import Window


TENANT = "ACME_TST"
COMPANY = "100"
RUN = "run-1"

ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.JSON: pa.string(),
}

#: The moments of a test: day 1, day 2, …
DAYS = tuple(datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 29))


def row(
    entity: Entity,
    *key: Any,
    company: str = COMPANY,
    tenant: str = TENANT,
    modified: datetime | None = DAYS[0],
    extracted: datetime = DAYS[0],
    deleted: datetime | None = None,
    batch_id: str = "",
    **values: Any,
) -> dict[str, Any]:
    """A row as it is staged; business columns that are not named are null."""
    record_id = "/".join(quote(str(part), safe=" ") for part in (tenant, company, *key))
    business = dict.fromkeys((column.name for column in entity.columns), None)
    business |= dict(zip(entity.key, key, strict=True)) | values
    content = repr([record_id, deleted, sorted(business.items())])
    return {
        "record_id": record_id,
        "tenant": tenant,
        "company": company,
        **business,
        "_extra": None,
        "_problems": None,
        "_row_hash": hashlib.md5(content.encode(), usedforsecurity=False).hexdigest(),
        "_modified_at": modified,
        "_extracted_at": extracted,
        "_deleted_at": deleted,
        "_batch_id": batch_id,
        "_run_id": RUN,
        "_source_system": "m3",
    }


def schema_of(entity: Entity, more: Sequence[Column] = ()) -> pa.Schema:
    """The Arrow schema of a staged file; ``more`` are columns of a tenant's own catalog."""
    columns = (*entity.all_columns, *more)
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in columns])


class StagedFiles:
    """A ``StagedBatch``: what a destination is handed."""

    def __init__(self, folder: Path, batch: Batch, table: pa.Table) -> None:
        self.folder = folder / batch.path
        self.batch = batch
        self.files = tuple(str(self.folder / part) for part in batch.parts)
        self._schema = table.schema
        self.folder.mkdir(parents=True, exist_ok=True)
        size = -(-table.num_rows // max(1, len(self.files)))
        for number, file in enumerate(self.files):
            pq.write_table(table.slice(number * size, size), file)

    def reader(self) -> pa.RecordBatchReader:
        tables = [pq.read_table(file, schema=self._schema) for file in self.files]
        table = pa.concat_tables(tables) if tables else self._schema.empty_table()
        return table.to_reader(max_chunksize=10_000)

    def write_receipts(self, destination: str, receipts: pa.Table | pa.RecordBatchReader) -> str:
        table = receipts if isinstance(receipts, pa.Table) else receipts.read_all()
        folder = self.folder / "receipts" / destination
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{len(list(folder.iterdir()))}.parquet"
        pq.write_table(table, file)
        return str(file.relative_to(self.folder))

    def receipts(self, path: str | None) -> list[dict[str, Any]]:
        """The receipts in the file that a report names."""
        return [] if path is None else pq.read_table(self.folder / path).to_pylist()


def staged_rows(
    folder: Path,
    entity: Entity,
    rows: Sequence[Mapping[str, Any]],
    *,
    batch_id: str,
    company: str = COMPANY,
    tenant: str = TENANT,
    more: Sequence[Column] = (),
    parts: int = 1,
) -> StagedFiles:
    """Stage ``rows``, which carry ``batch_id`` from then on."""
    schema = schema_of(entity, more)
    table = pa.Table.from_pylist([{**one, "_batch_id": batch_id} for one in rows], schema=schema)
    return staged_table(
        folder, entity, table, batch_id=batch_id, company=company, tenant=tenant, parts=parts
    )


def staged_table(
    folder: Path,
    entity: Entity,
    table: pa.Table,
    *,
    batch_id: str,
    company: str = COMPANY,
    tenant: str = TENANT,
    parts: int = 1,
) -> StagedFiles:
    """Stage ``table`` as it is, in ``parts`` files (none when it has no rows)."""
    batch = Batch(
        batch_id=batch_id,
        run_id=RUN,
        tenant=tenant,
        entity=entity.name,
        company=company,
        window=Window(start=None, end=DAYS[-1]),
        route="test",
        path=f"staged [odd] *name/{batch_id}",
        parts=tuple(f"part-{n}.parquet" for n in range(parts)) if table.num_rows else (),
        started_at=DAYS[0],
        finished_at=DAYS[0],
        rows=table.num_rows,
        bytes=0,
        requests=0,
    )
    return StagedFiles(folder, batch, table)
