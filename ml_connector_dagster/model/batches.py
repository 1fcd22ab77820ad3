"""A batch: an immutable, typed, bounded set of records of one entity and company, staged as Parquet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from ml_connector_dagster.model.windows import Window


if TYPE_CHECKING:
    import pyarrow as pa


#: The route of a batch that puts back what somebody changed at its destination.
REPAIR: Final = "repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch's ``manifest.json`` says; the rows themselves stay in its Parquet parts.

    Attributes:
        batch_id: sorts by creation time (see ``sync.ids``); the idempotency key of every delivery.
        path: the batch's folder, relative to the staging root.
        parts: Parquet file names inside ``path``, in order; empty for a batch of no rows.
        window: the modified time that was asked for.
        started_at: when the first request of the read was sent: what changed later is not promised.
        rows: records in the parts.
        rows_by_day: ISO date of ``_modified_at`` in the tenant's zone → rows; "" counts rows without a stamp.
        rejected_cells: cells set to null because their value could not be read (reason on the row).
        dead_letters: records that could not be staged at all.
        requests: calls to the ERP's gateway that this batch took (token calls excluded).
        control_totals: column → sum, for the entity's amount columns.
        schema: column → type name, as staged.
        for_destination: the only destination that gets it (a replay); "" for all.
    """

    batch_id: str
    run_id: str
    tenant: str
    entity: str
    company: str
    window: Window
    route: str
    path: str
    parts: tuple[str, ...]
    started_at: datetime
    finished_at: datetime
    rows: int
    bytes: int
    requests: int
    rejected_cells: int = 0
    dead_letters: int = 0
    rows_by_day: Mapping[str, int] = field(default_factory=dict)
    control_totals: Mapping[str, Decimal] = field(default_factory=dict)
    schema: Mapping[str, str] = field(default_factory=dict)
    for_destination: str = ""

    @property
    def restores(self) -> bool:
        """Whether it lands in ``WriteMode.RESTORE``. The manifest says so: whoever delivers the batch, and when, knows it."""
        return self.route == REPAIR


class StagedBatch(Protocol):
    """A batch together with its rows: what a destination is handed. Implemented by ``staging``."""

    @property
    def batch(self) -> Batch: ...

    @property
    def files(self) -> tuple[str, ...]:
        """Parquet parts, absolute local paths, in order; empty for a batch of no rows. Fetched when they are elsewhere.

        Schema: exactly ``Entity.all_columns`` plus, after them, any further column a tenant's catalog maps.
        """
        ...

    def reader(self) -> "pa.RecordBatchReader":
        """The rows as a stream of record batches, in bounded memory."""
        ...

    def write_receipts(self, destination: str, receipts: "pa.Table | pa.RecordBatchReader") -> str:
        """Store per-record receipts (``RECEIPT_COLUMNS``) beside the batch; answers the relative path.

        Writing again for the same destination adds a file: receipts are append-only.
        """
        ...
