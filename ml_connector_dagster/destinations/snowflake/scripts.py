"""The transaction that applies one batch, as SQL.

1. the batch's mark in ``_batches``, unless it is there. MERGE locks the table, so deliveries to one schema queue here;
2. ``decided``: each record with its outcome. Empty when the mark is somebody else's or counts are already in it, and
   then nothing below does anything: running the whole text again changes nothing, whatever became of its answer;
3. replaced versions to the history; 4. rows; 5. ``_audit``; 6. counts into the mark; commit.

The rows of the batch may be there twice, from an INSERT whose request was on its way twice: one of them is taken.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA
from ml_connector_dagster.destinations.snowflake.names import identifier, text
from ml_connector_dagster.destinations.snowflake.tables import Schema
from ml_connector_dagster.destinations.table_names import BATCHES, TableNames
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ColumnType


_WRITTEN: Final = "decided.outcome NOT IN ('unchanged', 'rejected')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the statements are made of.

    Attributes:
        delivery: the attempt's own id.
        incoming: the table with the batch's rows, quoted; ``decided`` likewise.
        types: the columns that the batch brings.
        columns: all columns of the entity's table.
        reason: SQL that says why a row is refused (``limits.reason``).
    """

    schema: Schema
    names: TableNames
    batch: Batch
    mode: WriteMode
    delivery: str
    incoming: str
    decided: str
    types: Mapping[str, ColumnType]
    columns: Sequence[str]
    reason: str
    now: datetime

    @property
    def _now(self) -> str:
        return f"{text(self.now.isoformat(timespec='microseconds'))}::TIMESTAMP_TZ(6)"

    def statements(self) -> Iterator[str]:
        """In order, from BEGIN to COMMIT."""
        places = {
            "marks": self.schema.sql(BATCHES),
            "batch": text(self.batch.batch_id),
            "delivery": text(self.delivery),
            "decided": self.decided,
            "incoming": self.incoming,
            "table": self.schema.sql(self.names.table),
            "same": _SAME[self.mode],
            "reason": self.reason,
        }
        yield "BEGIN"
        yield self._mark()
        yield f"DELETE FROM {self.decided}"
        yield _DECIDE.format(**places)
        yield self._keep_history()
        yield self._merge()
        yield (
            f"INSERT INTO {self.schema.sql(self.names.audit)} ({', '.join(RECEIPT_SCHEMA.names)})"
            f" SELECT record_id, {text(self.batch.entity)}, outcome, CASE outcome WHEN 'rejected' THEN reason END,"
            f" NULL, {places['batch']}, {text(self.batch.run_id)}, {self._now}"
            f" FROM {self.decided} WHERE outcome <> 'unchanged'"
        )
        yield _COUNT.format(**places)
        yield "COMMIT"

    def _mark(self) -> str:
        facts = {
            "batch_id": text(self.batch.batch_id),
            "tenant": text(self.batch.tenant),
            "entity": text(self.batch.entity),
            "company": text(self.batch.company),
            "table_name": text(self.names.table),
            "run_id": text(self.batch.run_id),
            "delivery": text(self.delivery),
            "delivered_at": self._now,
        }
        return (
            f"MERGE INTO {self.schema.sql(BATCHES)} AS mark USING (SELECT {facts['batch_id']} AS batch_id) AS new"
            " ON mark.batch_id = new.batch_id WHEN NOT MATCHED THEN INSERT"
            f" ({', '.join(identifier(name) for name in facts)}) VALUES ({', '.join(facts.values())})"
        )

    def _keep_history(self) -> str:
        own = ", ".join(identifier(name) for name in self.columns)
        stored = ", ".join(f"stored.{identifier(name)}" for name in self.columns)
        return (
            f"INSERT INTO {self.schema.sql(self.names.history)} ({own}, _replaced_at, _replaced_by_batch)"
            f" SELECT {stored}, {self._now}, {text(self.batch.batch_id)}"
            f" FROM {self.schema.sql(self.names.table)} AS stored"
            f" JOIN {self.decided} AS decided ON stored.record_id = decided.record_id"
            f" WHERE decided.stored AND {_WRITTEN}"
        )

    def _merge(self) -> str:
        own = ", ".join(identifier(name) for name in self.types)
        read = ", ".join(
            f"PARSE_JSON(incoming.{identifier(name)}) AS {identifier(name)}"
            if kind is ColumnType.JSON
            else f"incoming.{identifier(name)}"
            for name, kind in self.types.items()
        )
        changes = ", ".join(
            f"stored.{identifier(name)} = new.{identifier(name)}"
            for name in self.types
            if name != "record_id"
        )
        values = ", ".join(f"new.{identifier(name)}" for name in self.types)
        return (
            f"MERGE INTO {self.schema.sql(self.names.table)} AS stored"
            # A request that was sent again may have brought its rows twice. A stored row that somebody doubled is another
            # matter: the MERGE refuses it, and it is told.
            f" USING (SELECT {read} FROM (SELECT * FROM {self.incoming} QUALIFY ROW_NUMBER()"
            ' OVER (PARTITION BY "_FILE", "_POSITION" ORDER BY record_id) = 1) AS incoming'
            f' JOIN {self.decided} AS decided ON incoming."_FILE" = decided."_FILE"'
            f' AND incoming."_POSITION" = decided."_POSITION" WHERE {_WRITTEN}) AS new'
            " ON stored.record_id = new.record_id"
            f" WHEN MATCHED THEN UPDATE SET {changes} WHEN NOT MATCHED THEN INSERT ({own}) VALUES ({values})"
        )


#: When the stored row needs no writing, although it is not newer.
_SAME: Final[Mapping[WriteMode, str]] = {
    WriteMode.UPSERT: "incoming._row_hash = stored._row_hash",
    WriteMode.RESTORE: "FALSE",
}

_DECIDE: Final = """INSERT INTO {decided} (record_id, "_FILE", "_POSITION", stored, reason, outcome)
    SELECT incoming.record_id, incoming."_FILE", incoming."_POSITION", stored.record_id IS NOT NULL,
        incoming."_REASON",
        CASE
            WHEN stored.record_id IS NOT NULL AND (
                {same}
                OR incoming._modified_at < stored._modified_at
                OR ((incoming._modified_at = stored._modified_at
                    OR incoming._modified_at IS NULL OR stored._modified_at IS NULL)
                    AND incoming._extracted_at < stored._extracted_at)
            ) THEN 'unchanged'
            WHEN incoming."_REASON" IS NOT NULL THEN 'rejected'
            WHEN incoming._deleted_at IS NOT NULL THEN 'deleted'
            WHEN stored.record_id IS NULL THEN 'inserted'
            ELSE 'updated'
        END
    FROM (
        SELECT *, {reason} AS "_REASON" FROM {incoming} QUALIFY ROW_NUMBER() OVER (
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
        unchanged = found.unchanged, deleted = found.deleted, rejected = found.rejected
    FROM (
        SELECT COUNT(CASE WHEN outcome = 'inserted' THEN 1 END) AS inserted,
            COUNT(CASE WHEN outcome = 'updated' THEN 1 END) AS updated,
            COUNT(CASE WHEN outcome = 'unchanged' THEN 1 END) AS unchanged,
            COUNT(CASE WHEN outcome = 'deleted' THEN 1 END) AS deleted,
            COUNT(CASE WHEN outcome = 'rejected' THEN 1 END) AS rejected
        FROM {decided}
    ) AS found
    WHERE mark.batch_id = {batch} AND mark.delivery = {delivery} AND mark.inserted IS NULL"""
