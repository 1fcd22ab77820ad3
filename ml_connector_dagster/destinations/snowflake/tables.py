"""Tables of a Snowflake schema: making them, adding columns, refusing what does not fit.

No PRIMARY KEY: Snowflake would not enforce it. Everything is looked up first, so that a role that may only write to
tables that are already there needs no CREATE privilege.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ml_connector_dagster.destinations.snowflake.names import folded, identifier, text, unfolded
from ml_connector_dagster.destinations.snowflake.refusals import NO_SUCH_OBJECT, Refused
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.types import TYPES, fits
from ml_connector_dagster.model.entities import ColumnType, Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS


AUDIT: Final = "_audit"
BATCHES: Final = "_batches"

AUDIT_COLUMNS: Final = {
    name: ColumnType.TIMESTAMP if name == "delivered_at" else ColumnType.STRING
    for name in RECEIPT_COLUMNS
}
#: ``delivery`` tells which attempt wrote the mark: only that one goes on to write rows.
BATCHES_COLUMNS: Final = {
    **dict.fromkeys(
        ("batch_id", "tenant", "entity", "company", "table_name", "run_id", "delivery"),
        ColumnType.STRING,
    ),
    **dict.fromkeys(
        ("inserted", "updated", "unchanged", "deleted", "rejected"), ColumnType.INTEGER
    ),
    "receipts": ColumnType.STRING,
    "delivered_at": ColumnType.TIMESTAMP,
}
_ADDED_TO_HISTORY: Final = {
    "_replaced_at": ColumnType.TIMESTAMP,
    "_replaced_by_batch": ColumnType.STRING,
}
_AUDIT_COMMENT: Final = (
    "One row for each record that a delivery inserted, updated, marked deleted or rejected."
)
_BATCHES_COMMENT: Final = (
    "One row for each batch that has been applied, written together with its data."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column as INFORMATION_SCHEMA describes it."""

    type: str
    precision: int
    scale: int

    def __str__(self) -> str:
        return f"NUMBER({self.precision},{self.scale})" if self.type == "NUMBER" else self.type


Columns = dict[str, TableColumn]


@dataclass(slots=True)
class Schema:
    """One schema, and what is known of its tables."""

    database: str
    name: str
    api: SqlApi
    known: dict[str, Columns] = field(default_factory=dict)

    def sql(self, table: str) -> str:
        """The table's whole name, quoted. The database's name is taken as it is."""
        return f"{_exact(self.database)}.{identifier(self.name, table)}"

    def columns(self, *tables: str, again: bool = False) -> dict[str, Columns]:
        """Our table names → our column names → columns; a table that is not there has none."""
        if again or any(not self.known.get(table) for table in tables):
            marks = ", ".join("?" for _ in tables)
            found = self.api.run(
                "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, NUMERIC_PRECISION, NUMERIC_SCALE"
                f" FROM {_exact(self.database)}.INFORMATION_SCHEMA.COLUMNS"
                f" WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN ({marks}) ORDER BY ORDINAL_POSITION",
                folded(self.name),
                *(folded(table) for table in tables),
            )
            self.known |= {table: {} for table in tables}
            for table, column, type_, precision, scale in found.rows:
                self.known[unfolded(str(table))][unfolded(str(column))] = TableColumn(
                    type=str(type_), precision=int(precision or 0), scale=int(scale or 0)
                )
        return {table: self.known[table] for table in tables}

    def prepare(self, entity: Entity, staged: Mapping[str, ColumnType]) -> list[str]:
        """Make or widen the tables for columns ``staged``; answers the columns of the entity's table.

        Raises ConfigError for a table whose columns cannot hold what the ERP sends.
        """
        history = f"{entity.name}_history"
        tables = (entity.name, history, AUDIT, BATCHES)
        present = self.columns(*tables)
        if self._lacks(present, entity.name, history, staged):
            present = self.columns(*tables, again=True)
        self._refuse_unfit(entity.name, present[entity.name], staged)
        wanted: dict[str, tuple[Mapping[str, ColumnType], str]] = {
            entity.name: (staged, entity.description),
            history: ({**staged, **_ADDED_TO_HISTORY}, f"Replaced versions of {entity.name}."),
            AUDIT: (AUDIT_COLUMNS, _AUDIT_COMMENT),
            BATCHES: (BATCHES_COLUMNS, _BATCHES_COMMENT),
        }
        descriptions = {column.name: column.description for column in entity.all_columns}
        changed = False
        for table, (types, comment) in wanted.items():
            changed |= self._make(table, present[table], types, comment, descriptions)
        if changed:
            present = self.columns(*tables, again=True)
        own = [name for name in present[entity.name] if name not in present[history]]
        for name in own:  # the user's own columns are kept in the history, too
            column = present[entity.name][name]
            self._add(history, {name: str(column)})
        if own:
            present = self.columns(*tables, again=True)
        return list(present[entity.name])

    def _lacks(
        self,
        present: Mapping[str, Columns],
        table: str,
        history: str,
        staged: Mapping[str, ColumnType],
    ) -> bool:
        return not all(present.values()) or any(
            name not in present[one] for name in staged for one in (table, history)
        )

    def _make(
        self,
        table: str,
        present: Columns,
        types: Mapping[str, ColumnType],
        comment: str,
        descriptions: Mapping[str, str],
    ) -> bool:
        if present:
            missing = {name: TYPES[kind] for name, kind in types.items() if name not in present}
            self._add(table, missing)
            return bool(missing)
        columns = ", ".join(
            f"{identifier(name)} {TYPES[kind]}"
            + (f" COMMENT {text(descriptions[name])}" if name in descriptions else "")
            for name, kind in types.items()
        )
        sql = f"CREATE TABLE IF NOT EXISTS {self.sql(table)} ({columns}) COMMENT = {text(comment)}"
        try:
            self.api.run(sql)
        except Refused as refused:
            if refused.code != NO_SUCH_OBJECT:
                raise
            self.api.run(
                f"CREATE SCHEMA IF NOT EXISTS {_exact(self.database)}.{identifier(self.name)}"
            )
            self.api.run(sql)
        return True

    def _add(self, table: str, missing: Mapping[str, str]) -> None:
        for name, type_ in missing.items():
            self.api.run(
                f"ALTER TABLE {self.sql(table)} ADD COLUMN IF NOT EXISTS {identifier(name)} {type_}"
            )

    def _refuse_unfit(self, table: str, present: Columns, staged: Mapping[str, ColumnType]) -> None:
        problems = [
            f"column {folded(name)} is {found}, and {TYPES[kind]} is needed"
            for name, kind in staged.items()
            if (found := present.get(name))
            and not fits(kind, found.type, found.precision, found.scale)
        ]
        if problems:
            raise ConfigError(
                f"Table {self.database}.{folded(self.name)}.{folded(table)} exists and cannot take this entity: "
                f"{'; '.join(problems)}. Change these columns (ALTER TABLE), or rename the table, and the next "
                "delivery makes a fitting one"
            )


def _exact(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
