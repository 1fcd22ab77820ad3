"""The statements that bring a plan about: history, then rows. In which order, and what if, stands in ``deliveries``.

MERGE is used for appending, too: unlike an INSERT, its reading of the target is checked against other writers' commits.
It joins on ``=`` alone; ``<=>`` is quadratic in some engines, and keys are never null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS
from ml_connector_dagster.destinations.databricks.incoming import Incoming
from ml_connector_dagster.destinations.databricks.plans import ACCEPTED, MISSING, STILL
from ml_connector_dagster.destinations.databricks.tables import Columns, Names
from ml_connector_dagster.destinations.databricks.types import is_narrower, ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace


#: The history row ``h`` is the version that ``other`` is.
_SAME_VERSION: Final = (
    "h.record_id = {other}.record_id AND coalesce(h._batch_id, '') = coalesce({other}._batch_id, '')"
    " AND coalesce(h._row_hash, '') = coalesce({other}._row_hash, '')"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """What one batch writes to its table and history. ``plan`` is its table of outcomes, quoted."""

    workspace: Workspace
    names: Names
    plan: str
    batch_id: str

    @property
    def table(self) -> str:
        return self.names.sql(self.names.table)

    @property
    def history(self) -> str:
        return self.names.sql(self.names.history)

    @property
    def accepted(self) -> str:
        """The records of the plan that are written."""
        return ACCEPTED.format(plan=self.plan)

    def move_replaced_to_history(self, table: Columns) -> None:
        """Append the versions that are about to be replaced."""
        kept = [column.name for column in table.values()]
        names = ", ".join(ticked(name) for name in (*kept, *HISTORY_COLUMNS))
        values = ", ".join(f"s.{ticked(name)}" for name in (*kept, *HISTORY_COLUMNS))
        stored = ", ".join(f"t.{ticked(name)}" for name in kept)
        self.workspace.run(
            f"MERGE INTO {self.history} AS h USING ("
            f"SELECT {stored}, p.delivered_at AS _replaced_at, :batch AS _replaced_by_batch"
            f" FROM {self.table} AS t JOIN {self.accepted} AS p"
            f" ON t.record_id = p.record_id AND {STILL.format(plan='p')}) AS s"
            f" ON {_SAME_VERSION.format(other='s')}"
            f" WHEN NOT MATCHED THEN INSERT ({names}) VALUES ({values})",
            {"batch": self.batch_id},
        )

    def take_back_history(self) -> None:
        """Take out what this batch moved to the history, and did not replace after all."""
        self.workspace.run(
            f"MERGE INTO {self.history} AS h USING ("
            "SELECT t.record_id, t._batch_id, t._row_hash, :batch AS replaced_by"
            f" FROM {self.table} AS t JOIN {self.accepted} AS p ON t.record_id = p.record_id) AS s"
            f" ON {_SAME_VERSION.format(other='s')} AND h._replaced_by_batch = s.replaced_by"
            " WHEN MATCHED THEN DELETE",
            {"batch": self.batch_id},
        )

    def merge(
        self, source: Incoming, brought: Mapping[str, str], table: Columns, *, replaces: bool
    ) -> int:
        """Write the rows; answers how many were written. A MERGE that only inserts rewrites no file."""
        values = {
            ticked(name): _stored(name, kind, table[name.lower()].type)
            for name, kind in brought.items()
        }
        changes = ", ".join(f"t.{name} = {value}" for name, value in values.items())
        update = f" WHEN MATCHED AND {STILL.format(plan='s')} THEN UPDATE SET {changes}"
        answer = self.workspace.run(
            f"MERGE INTO {self.table} AS t USING ("
            f"SELECT i.*, p.stored_batch, p.stored_hash FROM {source.relation} AS i"
            f" JOIN {self.accepted} AS p ON i.record_id = p.record_id) AS s"
            " ON t.record_id = s.record_id"
            f"{update if replaces else ''}"
            f" WHEN NOT MATCHED THEN INSERT ({', '.join(values)}) VALUES ({', '.join(values.values())})",
            source.parameters,
        )
        return int(answer[0][0] or 0) if answer else 0

    def is_all_there(self) -> bool:
        """Whether every accepted record is, or was, in the table as this batch brought it."""
        missing = self.workspace.run(
            MISSING.format(accepted=self.accepted, table=self.table, history=self.history)
        )
        return missing[0][0] == "0"


def _stored(name: str, kind: str, column: str) -> str:
    """The value of a row that comes, as a column of type ``column`` takes it."""
    value = f"s.{ticked(name)}"
    if kind == "string" or not is_narrower(kind, column):
        return value
    return f"CAST({value} AS {column.upper()})"
