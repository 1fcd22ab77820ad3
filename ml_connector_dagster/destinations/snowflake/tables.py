"""Tables of a Snowflake schema: making them, adding columns, refusing what does not fit.

No PRIMARY KEY: Snowflake would not enforce it. Everything is looked up first, so that a role that may only write to
tables that are already there needs no CREATE privilege.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ml_connector_dagster.destinations.snowflake.names import (
    exact,
    folded,
    identifier,
    text,
    unfolded,
)
from ml_connector_dagster.destinations.snowflake.refusals import (
    NO_SUCH_OBJECT,
    NOT_PERMITTED,
    Refused,
)
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.destinations.snowflake.types import TYPES, fits
from ml_connector_dagster.destinations.table_names import BATCHES, TableNames
from ml_connector_dagster.model.entities import ColumnType, Entity
from ml_connector_dagster.model.errors import ConfigError, TransientError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS


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
AUDIT_COMMENT: Final = (
    "One row for each record that a delivery inserted, updated, marked deleted or rejected."
)
_BATCHES_COMMENT: Final = (
    "One row for each batch that has been applied, written together with its data."
)
#: How a delivery calls its own tables, as Snowflake has the names; and for how long they may be in use.
_WORK_TABLES: Final = "_(LOAD|DECIDED)_[0-9A-F]{12}"
_HOURS_IN_USE: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column as INFORMATION_SCHEMA describes it. ``filled``: it gets a value by itself when an INSERT brings none."""

    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    datetime_precision: int = 0
    nullable: bool = True
    filled: bool = False

    def __str__(self) -> str:
        sizes = {
            "NUMBER": f"({self.precision},{self.scale})",
            "TEXT": f"({self.length})",
            "TIMESTAMP_TZ": f"({self.datetime_precision})",
        }
        return ("VARCHAR" if self.type == "TEXT" else self.type) + sizes.get(self.type, "")


Columns = dict[str, TableColumn]


@dataclass(slots=True)
class Schema:
    """One schema, and what is known of its tables.

    ``left_behind``: work tables of deliveries that must have died, found while looking for something else.
    """

    database: str
    name: str
    api: SqlApi
    known: dict[str, Columns] = field(default_factory=dict)
    views: set[str] = field(default_factory=set)
    left_behind: list[str] = field(default_factory=list)

    def sql(self, table: str) -> str:
        """The table's whole name, quoted. The database's name is taken as it is."""
        return f"{exact(self.database)}.{identifier(self.name, table)}"

    def shown(self, table: str) -> str:
        """The table's whole name as a person types it."""
        return f"{self.database}.{folded(self.name)}.{folded(table)}"

    def columns(self, *tables: str, again: bool = False) -> dict[str, Columns]:
        """Our table names → our column names → columns; a table that is not there has none."""
        if again or any(not self.known.get(table) for table in tables):
            self._look(tables)
        return {table: self.known[table] for table in tables}

    def _look(self, tables: tuple[str, ...]) -> None:
        information = f"{exact(self.database)}.INFORMATION_SCHEMA"
        found = self.api.run(
            "SELECT c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.DATA_TYPE, c.CHARACTER_MAXIMUM_LENGTH,"
            " c.NUMERIC_PRECISION, c.NUMERIC_SCALE, c.DATETIME_PRECISION, c.IS_NULLABLE,"
            " CASE WHEN c.COLUMN_DEFAULT IS NOT NULL OR c.IS_IDENTITY = 'YES' THEN 'YES' END"
            f" FROM {information}.COLUMNS AS c JOIN {information}.TABLES AS t"
            " ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME"
            f" WHERE c.TABLE_SCHEMA = ? AND (c.TABLE_NAME IN ({', '.join('?' for _ in tables)})"
            f" OR (REGEXP_LIKE(c.TABLE_NAME, '{_WORK_TABLES}')"
            f" AND t.CREATED < DATEADD('hour', -{_HOURS_IN_USE}, CURRENT_TIMESTAMP())))"
            " ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
            folded(self.name),
            *(folded(table) for table in tables),
        )
        self.known |= {table: {} for table in tables}
        self.views -= set(tables)
        for name, kind, column, *facts in found.rows:
            table = unfolded(str(name))
            if table not in tables:
                if table not in self.left_behind:
                    self.left_behind.append(table)
            elif folded(unfolded(str(column))) == column:  # others are the user's, and left alone
                self.known[table][unfolded(str(column))] = _column(facts)
                if kind == "VIEW":
                    self.views.add(table)

    def prepare(
        self,
        names: TableNames,
        entity: Entity,
        staged: Mapping[str, ColumnType],
        present: Mapping[str, Columns],
    ) -> bool:
        """Make or widen the tables for columns ``staged``; answers whether anything was made or widened.

        ``present`` is what ``columns`` says of ``names.tables``.
        Raises ConfigError for a table whose columns cannot hold what the ERP sends.
        """
        tables = names.tables
        if any(present[one] and staged.keys() - present[one].keys() for one in tables[:2]):
            present = self.columns(*tables, again=True)  # another process may have added them
        self._refuse_unfit(names.table, present[names.table], staged)
        wanted: dict[str, tuple[Mapping[str, ColumnType], str]] = {
            names.table: (staged, entity.description),
            names.history: (
                {**staged, **_ADDED_TO_HISTORY},
                f"Replaced versions of {names.table}.",
            ),
            names.audit: (AUDIT_COLUMNS, AUDIT_COMMENT),
            BATCHES: (BATCHES_COLUMNS, _BATCHES_COMMENT),
        }
        descriptions = {column.name: column.description for column in entity.all_columns}
        changed = False
        for table, (types, comment) in wanted.items():
            changed |= self._make(table, present[table], types, comment, descriptions)
        if changed:
            present = self.columns(*tables, again=True)
            self._refuse_hidden(present)
        return self._widen_history(names, present) or changed

    def keep_pace(self, names: TableNames, staged: Mapping[str, ColumnType]) -> Columns:
        """The columns of the table as it is now; its history gets those that somebody has added."""
        present = self.columns(*names.tables, again=True)
        self._refuse_hidden(present)
        gone = [folded(name) for name in staged if name not in present[names.table]]
        if gone:
            raise TransientError(
                f"{self.shown(names.table)} lost columns while a delivery was under way: {', '.join(gone)}. "
                "The next delivery adds them again"
            )
        self._widen_history(names, present)
        return self.known[names.table]

    def _widen_history(self, names: TableNames, present: Mapping[str, Columns]) -> bool:
        """Columns that are the user's own, or another process's, are kept in the history, too."""
        missing = {
            name: _unlimited(column)
            for name, column in present[names.table].items()
            if name not in present[names.history]
        }
        self._add(names.history, missing)
        if missing:
            self.columns(*names.tables, again=True)
        return bool(missing)

    def _refuse_hidden(self, present: Mapping[str, Columns]) -> None:
        for table, columns in present.items():
            if not columns:  # CREATE … IF NOT EXISTS was content with one that we may not see
                words = f"Table '{self.shown(table)}' does not exist or not authorized."
                raise Refused(NO_SUCH_OBJECT, words)

    def make_batches(self) -> None:
        """The schema and its ``_batches``."""
        present = self.columns(BATCHES)[BATCHES]
        self._make(BATCHES, present, BATCHES_COLUMNS, _BATCHES_COMMENT, {})

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
                f"CREATE SCHEMA IF NOT EXISTS {exact(self.database)}.{identifier(self.name)}"
            )
            self.api.run(sql)
        return True

    def _add(self, table: str, missing: Mapping[str, str]) -> None:
        for name, type_ in missing.items():
            change = (
                f"ALTER TABLE {self.sql(table)} ADD COLUMN IF NOT EXISTS {identifier(name)} {type_}"
            )
            try:
                self.api.run(change)
            except Refused as refused:
                if refused.code != NOT_PERMITTED:
                    raise
                advice = f"Only the table's owner may add a column. Let the owner run: {change}"
                raise Refused(refused.code, refused.message, advice=advice) from refused

    def _refuse_unfit(self, table: str, present: Columns, staged: Mapping[str, ColumnType]) -> None:
        if table in self.views:
            raise ConfigError(
                f"{self.shown(table)} is a view, so rows cannot be written to it. If the flow had "
                "'tables: per_company' before, go back to that, or choose another schema"
            )
        problems = [
            f"column {folded(name)} is {found}, and {TYPES[kind]} is needed"
            for name, kind in staged.items()
            if (found := present.get(name)) and not fits(kind, found.type, found.datetime_precision)
        ]
        problems += [
            f"column {folded(name)} is NOT NULL without a default, and no field of the ERP fills it"
            for name, column in present.items()
            if name not in staged and not column.nullable and not column.filled
        ]
        if problems:
            raise ConfigError(
                f"Table {self.shown(table)} exists and cannot take this entity: {'; '.join(problems)}. Change these "
                "columns (ALTER TABLE), or rename the table, and the next delivery makes a fitting one"
            )


def _column(facts: list[str | None]) -> TableColumn:
    type_, length, precision, scale, datetime_precision, nullable, filled = facts
    return TableColumn(
        type=str(type_),
        length=int(length or 0),
        precision=int(precision or 0),
        scale=int(scale or 0),
        datetime_precision=int(datetime_precision or 0),
        nullable=nullable == "YES",
        filled=filled is not None,
    )


def _unlimited(column: TableColumn) -> str:
    """The type that a history keeps such a column in."""
    return "VARCHAR" if column.type == "TEXT" else str(column)
