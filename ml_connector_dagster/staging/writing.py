"""Writing one batch: bounded memory, totals on the way, visible only when it is whole."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import DECIMAL_SCALE, Entity
from ml_connector_dagster.model.manifests import manifest_text
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging.paths import batch_path
from ml_connector_dagster.staging.schemas import names_of
from ml_connector_dagster.staging.stores import Draft, Store, StoredFile


#: Rows of a Parquet row group: what the writer holds in memory at most, pages included.
ROW_GROUP = 32_768

#: Rows of one file at most. Warehouses load the files of a batch side by side, and clients hold a file in memory.
PART_ROWS = 8 * ROW_GROUP

#: Columns with a value of its own on every row.
UNIQUE: Final = frozenset({"record_id", "_row_hash", "_extra"})

#: Columns whose range in each row group is written down, for skipping groups. Statistics of all cost a third more CPU.
SEARCHED: Final = ("record_id", "_modified_at")

_WIDE: Final = pa.decimal128(38, DECIMAL_SCALE)
_EXACT: Final = Context(prec=60)


@dataclass(slots=True, kw_only=True)
class BatchWriter:
    """Collects the rows of one batch. ``commit`` or ``abort`` ends it; until then nobody sees it.

    ``step`` is called at every write point, by name: tests crash there.
    """

    store: Store
    batch_id: str
    run_id: str
    tenant: str
    entity: Entity
    company: str
    window: Window
    started_at: datetime
    timezone: ZoneInfo
    for_destination: str
    step: Callable[[str], None]
    rows: int = 0
    _draft: Draft | None = None
    _file: pq.ParquetWriter | None = None
    _file_rows: int = 0
    _parts: list[StoredFile] = field(default_factory=list)
    _waiting: list[pa.Table] = field(default_factory=list)
    _waiting_rows: int = 0
    _schema: pa.Schema | None = None
    _totals: dict[str, Decimal] = field(default_factory=dict)
    _days: dict[str, int] = field(default_factory=dict)

    def append(self, table: pa.Table) -> None:
        """Add rows; all tables of a batch have the same columns. Raises ValueError when this one has others."""
        if self._schema is None:
            names_of(table.schema)
            self._schema = table.schema
        schemas = (self._schema, table.schema)
        if not self._schema.equals(table.schema):
            known, given = ({f"{field.name} {field.type}" for field in one} for one in schemas)
            what = ", ".join(sorted(known ^ given)) or "the same in another order"
            raise ValueError(f"batch {self.batch_id}: a page of other columns: {what}")
        self.rows += table.num_rows
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= ROW_GROUP:
            self._flush(keep=self._waiting_rows % ROW_GROUP)

    def commit(
        self,
        *,
        route: str,
        finished_at: datetime,
        requests: int,
        rejected_cells: int,
        dead_letters: int,
    ) -> Batch:
        """Make the batch visible, durably, and answer its manifest."""
        self._flush(keep=0)
        self._end_part()
        draft = self._drafted()
        self.step("staging: rows written")
        batch = Batch(
            batch_id=self.batch_id,
            run_id=self.run_id,
            tenant=self.tenant,
            entity=self.entity.name,
            company=self.company,
            window=self.window,
            route=route,
            path=self._path,
            parts=tuple(part.name for part in self._parts),
            started_at=self.started_at,
            finished_at=finished_at,
            rows=self.rows,
            bytes=sum(part.bytes for part in self._parts),
            requests=requests,
            rejected_cells=rejected_cells,
            dead_letters=dead_letters,
            rows_by_day=dict(sorted(self._days.items())),
            control_totals={
                name: self._totals.get(name, Decimal(0)) for name in self.entity.control_totals
            },
            schema={} if self._schema is None else names_of(self._schema),
            for_destination=self.for_destination,
        )
        draft.publish(manifest_text(batch, indent=2))
        self._draft = None
        self.step("staging: batch published")
        return batch

    def abort(self) -> None:
        """Forget the batch."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """What was not committed is forgotten."""
        self.abort()

    @property
    def _path(self) -> str:
        return batch_path(
            tenant=self.tenant,
            entity=self.entity.name,
            company=self.company,
            window=self.window,
            batch_id=self.batch_id,
        )

    def _drafted(self) -> Draft:
        if self._draft is None:
            self._draft = self.store.draft(self._path)
        return self._draft

    def _flush(self, *, keep: int) -> None:
        """Write what waits, but for the last ``keep`` rows: row groups are full, except for the last one."""
        if self._waiting_rows == keep:
            return
        table = pa.concat_tables(self._waiting)
        rest = table.slice(table.num_rows - keep)
        table = table.slice(0, table.num_rows - keep)
        self._add_up(table)
        while table.num_rows:
            file = self._begin_part(table.schema) if self._file is None else self._file
            here = table.slice(0, PART_ROWS - self._file_rows)
            file.write_table(here, row_group_size=ROW_GROUP)
            self._file_rows += here.num_rows
            if self._file_rows == PART_ROWS:
                self._end_part()
            table = table.slice(here.num_rows)
        self._waiting, self._waiting_rows = ([rest] if keep else []), keep

    def _begin_part(self, schema: pa.Schema) -> pq.ParquetWriter:
        self._file = pq.ParquetWriter(
            self._drafted().begin_file(self._part_name),
            schema,
            compression="snappy",
            use_dictionary=_repetitive(schema),
            write_statistics=list(SEARCHED),
        )
        self._file_rows = 0
        self.step("staging: part begun")
        return self._file

    @property
    def _part_name(self) -> str:
        """Of the part that is being written."""
        return f"part-{len(self._parts)}.parquet"

    def _end_part(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._parts.append(self._drafted().end_file(self._part_name))

    def _add_up(self, table: pa.Table) -> None:
        for name in self.entity.control_totals:
            # Sums of 27 digits do not fit into 27 digits, nor into the 28 of Python's usual context.
            total = pc.sum(table[name].cast(_WIDE)).as_py() or Decimal(0)
            self._totals[name] = _EXACT.add(self._totals.get(name, Decimal(0)), total)
        zoned: Any = table["_modified_at"].cast(pa.timestamp("us", self.timezone.key))
        days = pc.local_timestamp(zoned).cast(pa.date32())
        counted = pa.table({"day": days}).group_by("day").aggregate([([], "count_all")])
        for entry in counted.to_pylist():
            name = "" if entry["day"] is None else entry["day"].isoformat()
            self._days[name] = self._days.get(name, 0) + entry["count_all"]


def _repetitive(schema: pa.Schema) -> Any:
    """The columns that a dictionary makes smaller. For the others it is built, found too big and thrown away."""
    kinds = (pa.types.is_string, pa.types.is_date)
    return [
        field.name
        for field in schema
        if field.name not in UNIQUE and any(kind(field.type) for kind in kinds)
    ]
