"""Apply one staged batch to Snowflake: rows into a table of their own, then one transaction that does everything.

The transaction, in the order of its statements:

1. the batch's mark in ``_batches``, unless it is there. MERGE locks the table, so deliveries to one schema queue here;
2. ``decided``: each record with its outcome. Empty when the mark is somebody else's or counts are already in it, and
   then nothing below does anything: running the whole text again changes nothing, whatever became of its answer;
3. replaced versions to the history; 4. rows; 5. ``_audit``; 6. counts into the mark; commit.

Receipts are read back from ``_audit`` afterwards. A process that dies before that leaves a mark without a receipts
path, and whoever delivers the batch again writes them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA
from ml_connector_dagster.destinations.snowflake.bulk import Bulk
from ml_connector_dagster.destinations.snowflake.names import identifier, text
from ml_connector_dagster.destinations.snowflake.refusals import Refused
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.tables import (
    AUDIT,
    BATCHES,
    Schema,
)
from ml_connector_dagster.destinations.snowflake.types import TYPES, column_types, moment, texts
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.entities import ColumnType, Entity
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts


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
    """One batch on its way into one schema. ``id`` is of this attempt alone."""

    id: str
    api: SqlApi
    bulk: Bulk
    schema: Schema
    destination: str
    entity: Entity
    staged: StagedBatch
    inline_rows: int
    now: datetime
    checkpoint: Callable[[str], None]

    @property
    def batch(self) -> Batch:
        return self.staged.batch

    @property
    def tag(self) -> str:
        """The query tag: who runs this, and why."""
        facts = {
            "app": "ml-connector",
            "destination": self.destination,
            "entity": self.entity.name,
            "run": self.batch.run_id,
            "batch": self.batch.batch_id,
        }
        return json.dumps(facts)[:2000]

    @property
    def _incoming(self) -> str:
        return self.schema.sql(f"_load_{self.id}")

    @property
    def _decided(self) -> str:
        return self.schema.sql(f"_decided_{self.id}")

    def apply(self) -> DeliveryReport:
        """Apply the batch, or answer what was reported when it was applied."""
        batches = self.schema.columns(BATCHES)[BATCHES]
        known = self._report() if batches else None
        if known is not None:
            return known
        with_rows = bool(self.staged.files)
        arrow = self.staged.reader().schema
        types = column_types(self.entity, arrow)
        columns = self.schema.prepare(self.entity, types)
        self.checkpoint("tables made")
        try:
            self._make_tables(types)
            script = list(self._script(types, columns))
            if with_rows and self.batch.rows > self.inline_rows:
                self._stage(script)
            else:
                if with_rows:
                    self._insert(types)
                self.checkpoint("rows loaded")
                self.api.run_all(script, tag=self.tag)
            self.checkpoint("committed")
        except BaseException:
            with suppress(Refused, ConnectorError):  # what went wrong first is what is told
                self._drop_tables()
            raise
        self._drop_tables()
        report = self._report()
        if report is None:
            raise AssertionError(f"batch {self.batch.batch_id} is committed and has no mark")
        return report

    def _make_tables(self, types: Mapping[str, ColumnType]) -> None:
        # JSON travels as text and is parsed by the MERGE: COPY would make one string of it.
        columns = ", ".join(
            f"{identifier(name)} {'VARCHAR' if kind is ColumnType.JSON else TYPES[kind]}"
            for name, kind in types.items()
        )
        self.api.run(
            f'CREATE TRANSIENT TABLE {self._incoming} ({columns}, "_FILE" VARCHAR, "_POSITION" NUMBER(19,0))',
            tag=self.tag,
        )
        self.api.run(
            f"CREATE TRANSIENT TABLE {self._decided} ({identifier('record_id')} VARCHAR,"
            ' "_FILE" VARCHAR, "_POSITION" NUMBER(19,0), "STORED" BOOLEAN, "OUTCOME" VARCHAR)',
            tag=self.tag,
        )

    def _drop_tables(self) -> None:
        for table in (self._incoming, self._decided):
            self.api.run(f"DROP TABLE IF EXISTS {table}", tag=self.tag)

    def _stage(self, script: Sequence[str]) -> None:
        self.bulk.load(
            self.staged.files,
            schema=self.schema.name,
            table=self._incoming,
            stage=self.schema.sql(f"_load_{self.id}"),
            rows=self.batch.rows,
            script=script,
            tag=self.tag,
            loaded=lambda: self.checkpoint("rows loaded"),
        )

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

    def _script(self, types: Mapping[str, ColumnType], columns: Sequence[str]) -> Iterator[str]:
        table = self.schema.sql(self.entity.name)
        history = self.schema.sql(f"{self.entity.name}_history")
        batch = self.batch
        moment_text = f"{text(self.now.isoformat(timespec='microseconds'))}::TIMESTAMP_TZ(6)"
        facts = {
            "batch_id": text(batch.batch_id),
            "tenant": text(batch.tenant),
            "entity": text(self.entity.name),
            "company": text(batch.company),
            "table_name": text(self.entity.name),
            "run_id": text(batch.run_id),
            "delivery": text(self.id),
            "delivered_at": moment_text,
        }
        names = {"marks": self.schema.sql(BATCHES), "batch": facts["batch_id"]}
        names |= {"delivery": facts["delivery"], "decided": self._decided}
        names |= {"incoming": self._incoming, "table": table}
        yield "BEGIN"
        yield (
            f"MERGE INTO {names['marks']} AS mark USING (SELECT {names['batch']} AS batch_id) AS new"
            " ON mark.batch_id = new.batch_id WHEN NOT MATCHED THEN INSERT"
            f" ({', '.join(identifier(name) for name in facts)}) VALUES ({', '.join(facts.values())})"
        )
        yield f"DELETE FROM {self._decided}"
        yield _DECIDE.format(**names)
        own = ", ".join(identifier(name) for name in columns)
        stored = ", ".join(f"stored.{identifier(name)}" for name in columns)
        yield (
            f"INSERT INTO {history} ({own}, _replaced_at, _replaced_by_batch)"
            f" SELECT {stored}, {moment_text}, {names['batch']} FROM {table} AS stored"
            f" JOIN {self._decided} AS decided ON stored.record_id = decided.record_id"
            " WHERE decided.stored AND decided.outcome <> 'unchanged'"
        )
        yield _merge(names, types)
        yield (
            f"INSERT INTO {self.schema.sql(AUDIT)} ({', '.join(RECEIPT_SCHEMA.names)})"
            f" SELECT record_id, {facts['entity']}, outcome, NULL, NULL, {names['batch']}, {facts['run_id']},"
            f" {moment_text} FROM {self._decided} WHERE outcome <> 'unchanged'"
        )
        yield _COUNT.format(**names)
        yield "COMMIT"

    def _report(self) -> DeliveryReport | None:
        found = self.api.run(
            "SELECT inserted, updated, unchanged, deleted, rejected, receipts, delivered_at, run_id"
            f" FROM {self.schema.sql(BATCHES)} WHERE batch_id = ? AND inserted IS NOT NULL",
            self.batch.batch_id,
            tag=self.tag,
        ).rows
        if not found:
            return None
        *numbers, receipts, delivered_at, run_id = found[0]
        fields = ("inserted", "updated", "unchanged", "deleted", "rejected")
        counts = OutcomeCounts(
            **{name: int(number or 0) for name, number in zip(fields, numbers, strict=True)}
        )
        if receipts is None and counts.total > counts.unchanged:
            receipts = self._write_receipts(moment(str(delivered_at)), str(run_id))
        return DeliveryReport(counts=counts, receipts=receipts)

    def _write_receipts(self, delivered_at: datetime, run_id: str) -> str:
        rows = self.api.run(
            f"SELECT record_id, outcome FROM {self.schema.sql(AUDIT)} WHERE batch_id = ?",
            self.batch.batch_id,
            tag=self.tag,
        ).rows
        count = len(rows)
        nothing = pa.nulls(count, pa.string())
        values: dict[str, Any] = {
            "record_id": pa.array([row[0] for row in rows], pa.string()),
            "entity": pa.repeat(self.entity.name, count),
            "outcome": pa.array([row[1] for row in rows], pa.string()),
            "reason": nothing,
            "remote_id": nothing,
            "batch_id": pa.repeat(self.batch.batch_id, count),
            "run_id": pa.repeat(run_id, count),
            "delivered_at": pa.repeat(pa.scalar(delivered_at, pa.timestamp("us", "UTC")), count),
        }
        path = self.staged.write_receipts(self.destination, pa.table(values, schema=RECEIPT_SCHEMA))
        self.checkpoint("receipts written")
        self.api.run(
            f"UPDATE {self.schema.sql(BATCHES)} SET receipts = ? WHERE batch_id = ?",
            path,
            self.batch.batch_id,
            tag=self.tag,
        )
        self.checkpoint("batch marked")
        return path


def _merge(names: Mapping[str, str], types: Mapping[str, ColumnType]) -> str:
    own = ", ".join(identifier(name) for name in types)
    read = ", ".join(
        f"PARSE_JSON(incoming.{identifier(name)}) AS {identifier(name)}"
        if kind is ColumnType.JSON
        else f"incoming.{identifier(name)}"
        for name, kind in types.items()
    )
    changes = ", ".join(
        f"stored.{identifier(name)} = new.{identifier(name)}"
        for name in types
        if name != "record_id"
    )
    values = ", ".join(f"new.{identifier(name)}" for name in types)
    return (
        f"MERGE INTO {names['table']} AS stored USING (SELECT {read} FROM {names['incoming']} AS incoming"
        f' JOIN {names["decided"]} AS decided ON incoming."_FILE" = decided."_FILE"'
        ' AND incoming."_POSITION" = decided."_POSITION" WHERE decided.outcome <> \'unchanged\') AS new'
        " ON stored.record_id = new.record_id"
        f" WHEN MATCHED THEN UPDATE SET {changes} WHEN NOT MATCHED THEN INSERT ({own}) VALUES ({values})"
    )


_DECIDE: Final = """INSERT INTO {decided} (record_id, "_FILE", "_POSITION", stored, outcome)
    SELECT incoming.record_id, incoming."_FILE", incoming."_POSITION", stored.record_id IS NOT NULL,
        CASE
            WHEN stored.record_id IS NOT NULL AND (
                incoming._row_hash = stored._row_hash
                OR incoming._modified_at < stored._modified_at
                OR ((incoming._modified_at = stored._modified_at
                    OR incoming._modified_at IS NULL OR stored._modified_at IS NULL)
                    AND incoming._extracted_at < stored._extracted_at)
            ) THEN 'unchanged'
            WHEN incoming._deleted_at IS NOT NULL THEN 'deleted'
            WHEN stored.record_id IS NULL THEN 'inserted'
            ELSE 'updated'
        END
    FROM (
        SELECT * FROM {incoming} QUALIFY ROW_NUMBER() OVER (
            PARTITION BY record_id
            ORDER BY _modified_at DESC NULLS LAST, _extracted_at DESC, "_FILE" DESC, "_POSITION" DESC
        ) = 1
    ) AS incoming
    LEFT JOIN {table} AS stored ON stored.record_id = incoming.record_id
    WHERE EXISTS (
        SELECT 1 FROM {marks} AS mark
        WHERE mark.batch_id = {batch} AND mark.delivery = {delivery} AND mark.inserted IS NULL
    )"""

_COUNT: Final = """UPDATE {marks} AS mark SET inserted = found.inserted, updated = found.updated,
        unchanged = found.unchanged, deleted = found.deleted, rejected = 0
    FROM (
        SELECT COUNT(CASE WHEN outcome = 'inserted' THEN 1 END) AS inserted, COUNT(CASE WHEN outcome = 'updated' THEN 1 END) AS updated,
            COUNT(CASE WHEN outcome = 'unchanged' THEN 1 END) AS unchanged, COUNT(CASE WHEN outcome = 'deleted' THEN 1 END) AS deleted
        FROM {decided}
    ) AS found
    WHERE mark.batch_id = {batch} AND mark.delivery = {delivery} AND mark.inserted IS NULL"""


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
