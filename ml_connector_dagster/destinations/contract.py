"""What every destination is and answers. Written from design.md §6; the contract suite of the tests holds each to it.

The rules that all destinations share, spelled out once and obviously in ``memory.py``:

- A batch is applied whole or not at all, and once: a batch that is already there answers its old report.
- Several rows of one record in a batch: the newest version counts, and of equal ones the last in file order.
  Inside a batch, versions are ordered by ``_modified_at`` (null lowest), then ``_extracted_at``.
- A record is written when it is new, or when its ``_row_hash`` differs and it is not older than the stored
  version (``model.versions.is_older``). Everything else is ``unchanged``, and leaves no trace.
- ``WriteMode.RESTORE`` writes a record whose ``_row_hash`` is the same, too: the row may have been changed under it.
- Columns of a stored row that a batch does not bring keep their values.
- A row with ``_deleted_at`` is written like any other, its outcome is ``deleted``: nothing is ever erased.
- The version that an accepted row replaces moves to the history; a rejected row changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

import pyarrow as pa

from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS, DeliveryReport
from ml_connector_dagster.model.views import View


#: The Arrow form of ``RECEIPT_COLUMNS``.
RECEIPT_SCHEMA: Final = pa.schema(
    [
        (name, pa.timestamp("us", "UTC") if name == "delivered_at" else pa.string())
        for name in RECEIPT_COLUMNS
    ]
)

#: What a history row has besides the columns of the table.
HISTORY_COLUMNS: Final = ("_replaced_at", "_replaced_by_batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which rows of a table are meant. ``company`` None means every company of the tenant."""

    tenant: str
    company: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What reconciliation and the asset checks compare. A table that is not there yet has no rows.

    A row with ``_deleted_at`` is not live: it counts in ``deleted`` and nowhere else, except that
    ``duplicates`` and ``newest_extracted_at`` look at every row.

    Attributes:
        rows: live rows.
        deleted: rows that are marked deleted.
        duplicates: record ids that occur more than once.
        control_totals: column → exact sum over live rows, for ``Entity.control_totals``; 0 where all are null.
        orphans: live rows without a live parent (a null in the reference counts as none);
            None when the entity has no parent, or the parent's table is not there.
        newest_extracted_at: None when there are no rows.
    """

    rows: int = 0
    deleted: int = 0
    duplicates: int = 0
    control_totals: Mapping[str, Decimal] = field(default_factory=dict)
    orphans: int | None = None
    newest_extracted_at: datetime | None = None


class Destination(Protocol):
    """A system that takes batches. ``name`` is ``<connection>.<schema>``."""

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def prepare(self, entity: Entity) -> None:
        """Make what the first delivery needs; nothing happens when it is there. Raises ConfigError.

        For whoever wants the tables before there are rows: ``deliver`` makes what it misses by itself.
        """
        ...

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        """Apply one batch, whole or not at all. Doing it again, after whatever crash, changes nothing more."""
        ...

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts: ...

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        """Current rows, those marked deleted included, by ``record_id``."""
        ...

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        """The replaced versions of one record, oldest first, with ``HISTORY_COLUMNS``."""
        ...

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        """What was done to one record (``RECEIPT_SCHEMA``), oldest first."""
        ...

    def table_name(self, entity: Entity, company: str) -> str:
        """Where rows of ``company`` are, as a person would type it."""
        ...

    def close(self) -> None: ...


class Warehouse(Destination, Protocol):
    """A destination whose tables can be queried where they are: what marts live in."""

    def define_view(self, view: View) -> None:
        """Make the view, or give it its new query; its tables must be there (``prepare``).

        Whoever was allowed to read the view stays so. Raises ConfigError when the name is taken by a table.
        """
        ...

    def ask(self, query: str) -> pa.Table:
        """The rows of a query that is written as a view's is, over tables and views of the schema."""
        ...
