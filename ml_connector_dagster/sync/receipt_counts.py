"""The records of one table, each counted once, from the receipts that its destination has given.

The ledger adds up how many rows deliveries inserted; receipts say which. So they tell a record that was inserted twice
(somebody had removed the row in between), and one that came marked deleted and so was never "inserted" at all.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ml_connector_dagster.model.batches import REPAIR, Batch
from ml_connector_dagster.model.receipts import DeliveryState, OutcomeCounts
from ml_connector_dagster.model.recounts import TableScope
from ml_connector_dagster.sync.keeping import KEPT
from ml_connector_dagster.sync.scratch_databases import scratch_database
from ml_connector_dagster.sync.workspace import Workspace


if TYPE_CHECKING:
    import duckdb


#: Record ids that are named.
NAMED: Final = 20

#: A receipt of each record and batch: one that was written again, after a crash, counts once.
_SUMS: Final = """
    SELECT count(DISTINCT record_id),
        count(DISTINCT (record_id, batch_id)) FILTER (outcome = 'inserted' AND NOT restored),
        count(DISTINCT (record_id, batch_id)) FILTER (outcome = 'deleted')
    FROM answers"""
_RETURNED: Final = """
    SELECT record_id, count(DISTINCT batch_id) - 1 AS returns FROM answers
    WHERE outcome = 'inserted' AND NOT restored GROUP BY record_id HAVING returns > 0"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCounts:
    """What the receipts say.

    Attributes:
        records: that the destination has ever accepted, each once: the rows that it must hold.
        inserted, deleted: answers of that kind, as the ledger counts them.
        returned: how often a record was inserted that had been inserted before.
        examples: the first records of these.
    """

    records: int
    inserted: int
    deleted: int
    returned: int
    examples: tuple[str, ...]

    def are_complete(self, counts: OutcomeCounts) -> bool:
        """Whether they are all of the receipts behind the ledger's ``counts``: only then do they prove anything."""
        return (self.inserted, self.deleted) == (counts.inserted, counts.deleted)


class Answers:
    """The receipts of one table. Use ``read_answers``."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection

    def take(self, receipts: pa.Table, batch: Batch) -> None:
        """Receipts of ``batch``, or of those that it was kept for."""
        self._connection.register("arriving", receipts)
        self._connection.execute(
            "INSERT INTO answers SELECT record_id, batch_id, outcome, $1 OR coalesce(reason, '') = $2 FROM arriving"
            " WHERE outcome IN ('inserted', 'updated', 'deleted')",
            [batch.restores, REPAIR],
        )
        self._connection.unregister("arriving")

    def counts(self) -> ReceiptCounts:
        """Everything counted."""
        ((records, inserted, deleted),) = self._connection.execute(_SUMS).fetchall()
        returned = self._connection.execute(f"{_RETURNED} ORDER BY record_id").fetchall()
        return ReceiptCounts(
            records=records,
            inserted=inserted,
            deleted=deleted,
            returned=sum(returns for _, returns in returned),
            examples=tuple(record_id for record_id, _ in returned[:NAMED]),
        )

    def find(self, held: Mapping[str, int]) -> None:
        """Record id → in how many rows the destination holds it."""
        arriving = pa.table(
            {"record_id": list(held), "copies": pa.array(held.values(), pa.int64())}
        )
        self._connection.register("arriving", arriving)
        self._connection.execute("INSERT INTO held SELECT * FROM arriving")
        self._connection.unregister("arriving")

    def missing(self) -> tuple[str, ...]:
        """Records that were accepted and are not held."""
        return self._named("SELECT record_id FROM answers EXCEPT SELECT record_id FROM held")

    def surplus(self) -> tuple[str, ...]:
        """Records that are held and were never accepted, or that are held more than once."""
        return self._named(
            "SELECT record_id FROM held EXCEPT SELECT record_id FROM answers"
            " UNION SELECT record_id FROM held WHERE copies > 1"
        )

    def _named(self, query: str) -> tuple[str, ...]:
        found = self._connection.execute(f"SELECT * FROM ({query}) ORDER BY 1").fetchall()
        return tuple(record_id for (record_id,) in found)


@contextmanager
def read_answers(workspace: Workspace, scope: TableScope) -> Iterator[Answers]:
    """All receipts of ``scope``, in a database file of its own, gone at the end."""
    with scratch_database(workspace.settings.home, "recount") as connection:
        connection.execute(
            "CREATE TABLE answers (record_id VARCHAR, batch_id VARCHAR, outcome VARCHAR, restored BOOLEAN)"
        )
        connection.execute("CREATE TABLE held (record_id VARCHAR, copies BIGINT)")
        answers = Answers(connection)
        for batch in _answered(workspace, scope):
            answers.take(workspace.staging.receipts(batch, scope.destination), batch)
        yield answers


def _answered(workspace: Workspace, scope: TableScope) -> Iterator[Batch]:
    """The batches with receipts that count: of deliveries that are done, and what a clean-up has kept of such."""
    batches = workspace.ledger.batches(
        tenant=scope.tenant, entity=scope.entity, company=scope.company
    )
    done = {
        one.batch_id
        for one in workspace.ledger.deliveries(
            batch_ids=[batch.batch_id for batch in batches],
            destination=scope.destination,
            states=[DeliveryState.DONE],
        )
    }
    yield from (one for one in batches if one.batch_id in done or one.route == KEPT)
