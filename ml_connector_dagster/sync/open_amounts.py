"""What is still to be paid of an invoice: its amount less the payments of it that have been read.

The same reckoning as the mart ``payables_aging``: payments with the invoice's key and currency count, those that
the ERP has deleted do not. Kept on disk, in bounded memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.derived import OPEN_AMOUNT
from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE
from ml_connector_dagster.sync.scratch_databases import scratch_database


if TYPE_CHECKING:
    import duckdb


_MONEY: Final = f"DECIMAL({DECIMAL_PRECISION}, {DECIMAL_SCALE})"
_KEY: Final = ("company", *OPEN_AMOUNT.reference.columns)

#: The newest version of each payment (``model.versions``), added up by invoice.
_PAID: Final = f"""
    CREATE TABLE paid AS
    SELECT {", ".join(_KEY)}, currency, SUM(amount) AS amount
    FROM (
        SELECT * FROM read_parquet($files, union_by_name = true)
        QUALIFY row_number() OVER (
            PARTITION BY record_id ORDER BY _modified_at DESC NULLS LAST, _extracted_at DESC
        ) = 1
    )
    WHERE _deleted_at IS NULL AND amount IS NOT NULL
    GROUP BY ALL
"""

_OPEN: Final = f"""
    SELECT CAST(invoice.amount - coalesce(paid.amount, 0) AS {_MONEY})
    FROM invoice LEFT JOIN paid ON {" AND ".join(f"invoice.{name} = paid.{name}" for name in _KEY)}
        AND invoice.currency IS NOT DISTINCT FROM paid.currency
    ORDER BY invoice.position
"""


class OpenAmounts:
    """Payments, added up by invoice. Use ``open_amounts``."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", files: Sequence[str]) -> None:
        self._connection = connection
        self._files = files
        self._is_reckoned = False

    def _reckon(self) -> None:
        """With the first invoice that comes: most deliveries have none."""
        if self._files:
            self._connection.execute(_PAID, {"files": list(self._files)})
        else:
            kinds = {name: "BIGINT" if name.endswith("_year") else "VARCHAR" for name in _KEY}
            columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
            self._connection.execute(
                f"CREATE TABLE paid ({columns}, currency VARCHAR, amount {_MONEY})"
            )
        self._is_reckoned = True

    def of(self, invoices: pa.RecordBatch) -> pa.Array:
        """The open amount of each invoice; null where its amount is."""
        if not self._is_reckoned:
            self._reckon()
        table = pa.Table.from_batches([invoices]).select([*_KEY, "currency", "amount"])
        places = pa.array(range(table.num_rows), pa.int64())
        self._connection.register("invoice", table.append_column("position", places))
        found: pa.Table = self._connection.sql(_OPEN).to_arrow_table()
        self._connection.unregister("invoice")
        kind = pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)
        return found.column(0).cast(kind).combine_chunks()


@dataclass(frozen=True, slots=True, kw_only=True)
class WithOpenAmounts:
    """A staged batch of invoices whose rows have their open amount as well."""

    staged: StagedBatch
    amounts: OpenAmounts

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    @property
    def files(self) -> tuple[str, ...]:
        """As they are staged: without the open amount."""
        return self.staged.files

    def reader(self) -> pa.RecordBatchReader:
        rows = self.staged.reader()
        kind = pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)
        schema = rows.schema.append(pa.field(OPEN_AMOUNT.column.name, kind))
        return pa.RecordBatchReader.from_batches(
            schema,
            (
                pa.RecordBatch.from_arrays([*part.columns, self.amounts.of(part)], schema=schema)
                for part in rows
            ),
        )

    def write_receipts(self, destination: str, receipts: pa.Table | pa.RecordBatchReader) -> str:
        return self.staged.write_receipts(destination, receipts)


@contextmanager
def open_amounts(folder: Path, files: Sequence[str]) -> Iterator[OpenAmounts]:
    """The payments in ``files`` (staged Parquet), in a database file of its own below ``folder``, gone at the end."""
    with scratch_database(folder, "payments") as connection:
        yield OpenAmounts(connection, files)
