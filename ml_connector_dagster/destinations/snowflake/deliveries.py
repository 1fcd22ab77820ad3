"""Apply one staged batch to Snowflake: rows into a table of their own, then one transaction that does everything.

The transaction is in ``scripts.py``, what is reported in ``reports.py``. The tables of a process that was killed are
dropped by a delivery some hours later, when nobody can be using them any more.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyarrow as pa

from ml_connector_dagster.destinations.snowflake.bulk import Bulk
from ml_connector_dagster.destinations.snowflake.limits import reason
from ml_connector_dagster.destinations.snowflake.names import identifier
from ml_connector_dagster.destinations.snowflake.refusals import Refused
from ml_connector_dagster.destinations.snowflake.reports import Reports
from ml_connector_dagster.destinations.snowflake.scripts import Script
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.tables import Schema
from ml_connector_dagster.destinations.snowflake.types import TYPES, column_types, texts
from ml_connector_dagster.destinations.snowflake.views import union_views
from ml_connector_dagster.destinations.table_names import BATCHES, TableNames
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ColumnType, Entity
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import DeliveryReport


#: The points that a delivery passes, for tests that end a process there.
CHECKPOINTS: Final = (
    "opened",
    "tables made",
    "rows loaded",
    "committed",
    "receipts written",
    "batch marked",
)

#: Bytes of JSON in one bound value; Snowflake takes 16 MB.
LONGEST_BIND: Final = 6_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One batch on its way into one schema. ``id`` is of this attempt alone, ``flow`` is "" outside of flows.

    ``viewed``: the companies' tables that the views surely show; a delivery adds its own.
    """

    id: str
    api: SqlApi
    bulk: Bulk
    schema: Schema
    names: TableNames
    destination: str
    flow: str
    entity: Entity
    staged: StagedBatch
    mode: WriteMode
    inline_rows: int
    now: datetime
    viewed: set[str]
    checkpoint: Callable[[str], None]

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    @property
    def tag(self) -> str:
        """The query tag: who runs this, and why."""
        facts = {
            "app": "ml-connector",
            "flow": self.flow,
            "destination": self.destination,
            "entity": self.entity.name,
            "run": self.batch.run_id,
            "batch": self.batch.batch_id,
        }
        return json.dumps(facts)[:2000]

    @property
    def _reports(self) -> Reports:
        return Reports(
            api=self.api,
            marks=self.schema.sql(BATCHES),
            audit=self.schema.sql(self.names.audit),
            destination=self.destination,
            staged=self.staged,
            tag=self.tag,
            checkpoint=self.checkpoint,
        )

    @property
    def _incoming(self) -> str:
        return self.schema.sql(f"_load_{self.id}")

    @property
    def _decided(self) -> str:
        return self.schema.sql(f"_decided_{self.id}")

    def apply(self) -> DeliveryReport:
        """Apply the batch, or answer what was reported when it was applied."""
        names = self.names
        present = self.schema.columns(*names.tables)
        self._clear_up()
        known = self._reports.find() if present[BATCHES] else None
        if known is not None:
            return known
        # A batch of no rows has no files, and so no columns of its own.
        types = column_types(self.entity, self.staged.reader().schema if self.batch.parts else ())
        changed = self.schema.prepare(names, self.entity, types, present)
        if names.per_company and (changed or names.table not in self.viewed):
            union_views(self.schema, names, self.entity)
            self.viewed.add(names.table)
        self.checkpoint("tables made")
        try:
            self._write(types)
            self.checkpoint("committed")
        except BaseException:
            with suppress(Refused, ConnectorError):  # what went wrong first is what is told
                self._drop(self._incoming, self._decided)
            raise
        self._drop(self._incoming, self._decided)
        report = self._reports.find()
        if report is None:
            raise AssertionError(f"batch {self.batch.batch_id} is committed and has no mark")
        return report

    def _write(self, types: Mapping[str, ColumnType]) -> None:
        self._make_tables(types)
        if self.batch.rows > self.inline_rows:
            self.bulk.load(
                self.staged.files,
                table=self._incoming,
                stage=self.schema.sql(f"_load_{self.id}"),
                rows=self.batch.rows,
                script=lambda: self._script(types),
                tag=self.tag,
            )
            return
        if self.batch.parts:
            self._insert(types)
        self.api.run_all(self._script(types), tag=self.tag)

    def _script(self, types: Mapping[str, ColumnType]) -> Sequence[str]:
        """The transaction, for the table as it is now: a version that is replaced is kept with columns that others added, too."""
        table = self.schema.keep_pace(self.names, types)
        self.checkpoint("rows loaded")
        script = Script(
            schema=self.schema,
            names=self.names,
            batch=self.batch,
            mode=self.mode,
            delivery=self.id,
            incoming=self._incoming,
            decided=self._decided,
            types=types,
            columns=list(table),
            reason=reason(types, table),
            now=self.now,
        )
        return list(script.statements())

    def _make_tables(self, types: Mapping[str, ColumnType]) -> None:
        # JSON travels as text and is parsed by the MERGE: COPY would make one string of it.
        columns = ", ".join(
            f"{identifier(name)} {'VARCHAR' if kind is ColumnType.JSON else TYPES[kind]}"
            for name, kind in types.items()
        )
        statements = (
            f'CREATE TRANSIENT TABLE {self._incoming} ({columns}, "_FILE" VARCHAR, "_POSITION" NUMBER(19,0))',
            f"CREATE TRANSIENT TABLE {self._decided} ({identifier('record_id')} VARCHAR,"
            ' "_FILE" VARCHAR, "_POSITION" NUMBER(19,0), "STORED" BOOLEAN, "REASON" VARCHAR, "OUTCOME" VARCHAR)',
        )
        self.api.run_all(statements, tag=self.tag)

    def _drop(self, *tables: str) -> None:
        self.api.run_all([f"DROP TABLE IF EXISTS {table}" for table in tables], tag=self.tag)

    def _clear_up(self) -> None:
        """Drop what killed processes left behind."""
        if self.schema.left_behind:
            with suppress(Refused):  # another role's, or another delivery was faster
                self._drop(*(self.schema.sql(table) for table in self.schema.left_behind))
            self.schema.left_behind.clear()

    def _insert(self, types: Mapping[str, ColumnType]) -> None:
        names = ", ".join(identifier(name) for name in types)
        values = ", ".join(
            f"f.value[{number}]::VARCHAR"
            + ("" if kind in (ColumnType.STRING, ColumnType.JSON) else f"::{TYPES[kind]}")
            for number, kind in enumerate(types.values())
        )
        position = 0
        for rows, count in _pieces(self.staged.reader()):
            self.api.run(
                f'INSERT INTO {self._incoming} ({names}, "_FILE", "_POSITION") SELECT {values}, \'\', f.index + ?'
                " FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) AS f",
                position,
                rows,
                tag=self.tag,
            )
            position += count


def _pieces(reader: pa.RecordBatchReader) -> Iterator[tuple[str, int]]:
    """JSON arrays of rows that fit into a bound value, and how many rows each has."""
    for batch in reader:
        waiting = [batch]
        while waiting:
            one = waiting.pop()
            if not one.num_rows:
                continue
            rows = json.dumps(texts(one), ensure_ascii=False, separators=(",", ":"))
            if one.num_rows > 1 and len(rows.encode()) > LONGEST_BIND:
                half = one.num_rows // 2
                waiting += [one.slice(half), one.slice(0, half)]
            else:
                yield rows, one.num_rows
