"""Which records are thought to be there, and which of them the ERP still lists. Compared on disk, in bounded memory.

What is known comes from staging, not from a destination: it holds the last row of every record for all destinations
alike, for one that was away and for an application that keeps only some columns.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ml_connector_dagster.sync.scratch_databases import scratch_database


if TYPE_CHECKING:
    import duckdb


#: The newest version of a record: by the ERP's stamp, then by when it was observed, as in ``destinations.memory``.
#: One number, because an ordered aggregate would keep every version in memory. Stamps before 1970 are never staged.
RANK: Final = (
    "coalesce(epoch_us(_modified_at), 0)::HUGEINT * 100000000000000000 + epoch_us(_extracted_at)"
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_KNOWN: Final = f"""
    CREATE TABLE known AS
    SELECT
        record_id,
        arg_max(_batch_id, {RANK}) AS batch_id,
        arg_max(_deleted_at IS NOT NULL, {RANK}) AS is_deleted,
        max(_extracted_at) AS observed_at
    FROM versions
    GROUP BY record_id
"""

#: What a comparison wants to know of each staged version.
VERSION_COLUMNS: Final = ("record_id", "_modified_at", "_extracted_at", "_batch_id", "_deleted_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What a comparison found, in numbers. Records that were observed since the sweep began are in neither set.

    ``known``: thought to be there. ``seen``: listed. ``missed``: known and not listed. ``returned``: marked and listed.
    """

    known: int
    seen: int
    missed: int
    returned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Where the newest version of a record is staged, and when any version of it was last observed."""

    batch_id: str
    observed_at: datetime


class Presence:
    """One comparison: fill it with ``see``, then ``compare``. Use ``open_presence``."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection
        connection.execute("CREATE TABLE listed (record_id VARCHAR)")

    def see(self, record_ids: pa.Array | pa.ChunkedArray) -> None:
        """The ERP listed these."""
        arriving = pa.table({"record_id": record_ids})
        self._connection.register("arriving", arriving)
        self._connection.execute("INSERT INTO listed SELECT record_id FROM arriving")
        self._connection.unregister("arriving")

    def compare(self, versions: pa.RecordBatchReader | None, *, before: datetime) -> Differences:
        """Compare with the staged ``versions`` (``VERSION_COLUMNS``); what was observed at ``before`` or later is left out."""
        if versions is not None:
            self._connection.register("versions", versions)
            self._connection.execute(_KNOWN)
            self._connection.unregister("versions")
        else:
            self._connection.execute(
                "CREATE TABLE known (record_id VARCHAR, batch_id VARCHAR, is_deleted BOOLEAN,"
                " observed_at TIMESTAMPTZ)"
            )
        self._connection.execute("CREATE TABLE present AS SELECT DISTINCT record_id FROM listed")
        self._connection.execute(
            """CREATE TABLE differing AS
            SELECT record_id, batch_id, is_deleted, observed_at FROM known LEFT JOIN present AS p USING (record_id)
            WHERE observed_at < $before AND is_deleted = (p.record_id IS NOT NULL)""",
            {"before": before},
        )
        known, seen, missed, returned = self._connection.execute(
            """SELECT
                (SELECT count(*) FROM known WHERE NOT is_deleted),
                (SELECT count(*) FROM present),
                (SELECT count(*) FROM differing WHERE NOT is_deleted),
                (SELECT count(*) FROM differing WHERE is_deleted)"""
        ).fetchall()[0]
        return Differences(known=known, seen=seen, missed=missed, returned=returned)

    def missed(self) -> Mapping[str, Staged]:
        """The records that are thought to be there and were not listed."""
        return self._differing(deleted=False)

    def returned(self) -> Mapping[str, Staged]:
        """The records that are marked and were listed."""
        return self._differing(deleted=True)

    def _differing(self, *, deleted: bool) -> Mapping[str, Staged]:
        # As a number: DuckDB would hand out a time zone of its own.
        found = self._connection.execute(
            "SELECT record_id, batch_id, epoch_us(observed_at) FROM differing WHERE is_deleted = $1 ORDER BY 1",
            [deleted],
        ).fetchall()
        return {
            record_id: Staged(
                batch_id=batch_id, observed_at=_EPOCH + timedelta(microseconds=micros)
            )
            for record_id, batch_id, micros in found
        }


@contextmanager
def open_presence(folder: Path) -> Iterator[Presence]:
    """A comparison in a database file of its own below ``folder``, gone at the end."""
    with scratch_database(folder, "sweep") as connection:
        yield Presence(connection)
