"""Writing one batch: bounded memory, totals on the way, visible only when it is whole."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.manifests import manifest_text
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging.paths import batch_path
from ml_connector_dagster.staging.store import LocalStore


#: Rows of a Parquet row group: what the writer holds in memory at most, pages included.
ROW_GROUP = 65_536

PART = "part-0.parquet"
MANIFEST = "manifest.json"


@dataclass(slots=True, kw_only=True)
class BatchWriter:
    """Collects the rows of one batch. ``commit`` or ``abort`` ends it; until then nobody sees it.

    ``step`` is called at every write point, by name: tests crash there.
    """

    store: LocalStore
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
    _aside: Path | None = None
    _file: pq.ParquetWriter | None = None
    _waiting: list[pa.Table] = field(default_factory=list)
    _waiting_rows: int = 0
    _schema: pa.Schema | None = None
    _totals: dict[str, Decimal] = field(default_factory=dict)
    _days: dict[str, int] = field(default_factory=dict)

    def append(self, table: pa.Table) -> None:
        """Add rows; all tables of a batch have the same columns."""
        if self._schema is None:
            self._schema = table.schema
        if not table.num_rows:
            return
        self.rows += table.num_rows
        self._add_up(table)
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= ROW_GROUP:
            self._flush()

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
        self._flush()
        if self._file is not None:
            self._file.close()
            self._file = None
        aside = self._folder()
        self.step("staging: rows written")
        parts = (PART,) if self.rows else ()
        batch = Batch(
            batch_id=self.batch_id,
            run_id=self.run_id,
            tenant=self.tenant,
            entity=self.entity.name,
            company=self.company,
            window=self.window,
            route=route,
            path="/".join(self._path),
            parts=parts,
            started_at=self.started_at,
            finished_at=finished_at,
            rows=self.rows,
            bytes=sum((aside / part).stat().st_size for part in parts),
            requests=requests,
            rejected_cells=rejected_cells,
            dead_letters=dead_letters,
            rows_by_day=dict(sorted(self._days.items())),
            control_totals=self._totals,
            schema={} if self._schema is None else {f.name: str(f.type) for f in self._schema},
            for_destination=self.for_destination,
        )
        (aside / MANIFEST).write_text(manifest_text(batch), encoding="utf-8")
        self.step("staging: manifest written")
        self.store.publish(aside)
        self._aside = None
        self.step("staging: batch published")
        return batch

    def abort(self) -> None:
        """Forget the batch."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._aside is not None:
            self.store.discard(self._aside)
            self._aside = None

    @property
    def _path(self) -> tuple[str, ...]:
        return batch_path(
            tenant=self.tenant,
            entity=self.entity.name,
            company=self.company,
            window=self.window,
            batch_id=self.batch_id,
        )

    def _folder(self) -> Path:
        if self._aside is None:
            self._aside = self.store.begin(self._path)
        return self._aside

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        if self._file is None:
            self._file = pq.ParquetWriter(self._folder() / PART, table.schema, compression="snappy")
        self._file.write_table(table, row_group_size=ROW_GROUP)
        self._waiting, self._waiting_rows = [], 0

    def _add_up(self, table: pa.Table) -> None:
        for name in self.entity.control_totals:
            total = pc.sum(table[name]).as_py()
            self._totals[name] = self._totals.get(name, Decimal(0)) + (total or Decimal(0))
        zoned: Any = table["_modified_at"].cast(pa.timestamp("us", self.timezone.key))
        days = pc.local_timestamp(zoned).cast(pa.date32())
        counted = pa.table({"day": days}).group_by("day").aggregate([([], "count_all")])
        for entry in counted.to_pylist():
            name = "" if entry["day"] is None else entry["day"].isoformat()
            self._days[name] = self._days.get(name, 0) + entry["count_all"]
