"""Tables of a Databricks schema: names, making them and adding columns.

What is there is asked of Unity Catalog first: ``CREATE … IF NOT EXISTS`` wants the privilege to create even when
there is nothing to create. Column mapping by name is on, so that a column may be called anything; history, audit and
marks are Serializable, so that two writers never both see that a row is missing there.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS
from ml_connector_dagster.destinations.databricks.relations import TableColumn
from ml_connector_dagster.destinations.databricks.types import (
    TYPES,
    fits_family,
    literal,
    ticked,
)
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.table_names import BATCHES, TableNames
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS


AUDIT_TYPES: Final = {
    name: "timestamp" if name == "delivered_at" else "string" for name in RECEIPT_COLUMNS
}
AUDIT_COMMENT: Final = (
    "One row for each record that a delivery inserted, updated, marked deleted or rejected."
)
BATCHES_COMMENT: Final = "One row for each batch that has been applied, written after its data."
BATCHES_TYPES: Final = {
    "batch_id": "string",
    "tenant": "string",
    "entity": "string",
    "company": "string",
    "table_name": "string",
    "run_id": "string",
    "inserted": "bigint",
    "updated": "bigint",
    "unchanged": "bigint",
    "deleted": "bigint",
    "rejected": "bigint",
    "receipts": "string",
    "delivered_at": "timestamp",
}
_HISTORY_TYPES: Final = dict(zip(HISTORY_COLUMNS, ("timestamp", "string"), strict=True))
_HISTORY_DESCRIPTIONS: Final = {
    "_replaced_at": "when a newer version took this one's place",
    "_replaced_by_batch": "the batch that carried the newer version",
}

#: The columns of a table that is there, by lower-case name.
Columns = Mapping[str, TableColumn]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names(TableNames):
    """The tables that one batch goes to, in a catalog and schema."""

    catalog: str
    schema: str

    def sql(self, name: str) -> str:
        """``name`` in this schema, quoted."""
        return ticked(self.catalog, self.schema, name)

    def shown(self, name: str) -> str:
        """``name`` as a person types it."""
        return f"{self.catalog}.{self.schema}.{name}"


def batch_key(batch_id: str) -> str:
    """A batch's id as part of a table's or folder's name; different batches never share one."""
    readable = re.sub(r"[^a-z0-9]+", "_", batch_id.lower()).strip("_")[:60]
    digest = hashlib.md5(batch_id.encode(), usedforsecurity=False).hexdigest()[:12]
    return f"{readable}_{digest}"


def make_schema(workspace: Workspace, names: Names) -> None:
    """The schema and its ``_batches``."""
    if not workspace.has_schema(names.catalog, names.schema):
        workspace.run(f"CREATE SCHEMA IF NOT EXISTS {ticked(names.catalog, names.schema)}")
    if workspace.relation(names.catalog, names.schema, BATCHES) is None:
        _create(workspace, names, BATCHES, BATCHES_TYPES, BATCHES_COMMENT, {}, serializable=True)


def make_volume(workspace: Workspace, names: Names, volume: str) -> None:
    """The volume for staged files."""
    if not workspace.has_volume(names.catalog, names.schema, volume):
        workspace.run(f"CREATE VOLUME IF NOT EXISTS {names.sql(volume)}")


def make_tables(
    workspace: Workspace, names: Names, entity: Entity, staged: Mapping[str, str]
) -> tuple[Columns, bool]:
    """Make or widen the table, its history and its audit for columns ``staged`` (name → type).

    Answers the table's columns, and whether anything was made or widened. Raises ConfigError for a table whose
    columns are of another kind than what the ERP sends, or that wants values which it does not send.
    """
    descriptions = {column.name: column.description for column in entity.all_columns}
    changed = _make(
        workspace, names, names.audit, AUDIT_TYPES, AUDIT_COMMENT, {}, serializable=True
    )
    changed |= _make(
        workspace, names, names.table, staged, entity.description, descriptions, serializable=False
    )
    table = table_columns(workspace, names)
    _refuse_unfilled(names, table, staged)
    comment = (
        f"Replaced versions of {names.table}: with the rows there, every version ever accepted."
    )
    changed |= _make(
        workspace,
        names,
        names.history,
        {one.name: one.type for one in table.values()} | _HISTORY_TYPES,
        comment,
        descriptions | _HISTORY_DESCRIPTIONS,
        serializable=True,
    )
    return table, changed


def table_columns(workspace: Workspace, names: Names) -> Columns:
    """The columns of the table as they are now; none when it is not there."""
    found = workspace.relation(names.catalog, names.schema, names.table)
    return found.columns if found else {}


def table_checks(workspace: Workspace, names: Names) -> dict[str, str]:
    """The CHECK constraints of the table: name → SQL condition. Delta keeps them as properties."""
    prefix = "delta.constraints."
    found = workspace.run(f"SHOW TBLPROPERTIES {names.sql(names.table)}")
    return {
        key.removeprefix(prefix): condition or ""
        for key, condition in found
        if key is not None and key.startswith(prefix)
    }


def _make(
    workspace: Workspace,
    names: Names,
    table: str,
    wanted: Mapping[str, str],
    comment: str,
    descriptions: Mapping[str, str],
    *,
    serializable: bool,
) -> bool:
    found = workspace.relation(names.catalog, names.schema, table)
    if found is None:
        _create(workspace, names, table, wanted, comment, descriptions, serializable=serializable)
        return True
    if found.kind == "VIEW":
        raise ConfigError(
            f"{names.shown(table)} is a view, so rows cannot be written to it. If the flow had 'tables: per_company' "
            "before, go back to that, or choose another schema"
        )
    _refuse_unfit(names, table, found.columns, wanted)
    new = {name: kind for name, kind in wanted.items() if name.lower() not in found.columns}
    if new:
        listed = _column_list(new, descriptions)
        workspace.run(f"ALTER TABLE {names.sql(table)} ADD COLUMNS ({listed})")
    return bool(new)


def _create(
    workspace: Workspace,
    names: Names,
    table: str,
    columns: Mapping[str, str],
    comment: str,
    descriptions: Mapping[str, str],
    *,
    serializable: bool,
) -> None:
    properties = {
        "delta.columnMapping.mode": "name",
        "delta.isolationLevel": "Serializable" if serializable else "WriteSerializable",
        "ml_connector.written_by": "ml_connector_dagster",
        "ml_connector.entity": names.entity,
    }
    listed = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in properties.items())
    workspace.run(
        f"CREATE TABLE IF NOT EXISTS {names.sql(table)} ({_column_list(columns, descriptions)}) USING DELTA"
        f" COMMENT {literal(comment)} TBLPROPERTIES ({listed})"
    )


def _column_list(columns: Mapping[str, str], descriptions: Mapping[str, str]) -> str:
    parts = []
    for name, type_text in columns.items():
        comment = f" COMMENT {literal(descriptions[name])}" if name in descriptions else ""
        parts.append(f"{ticked(name)} {type_text.upper()}{comment}")
    return ", ".join(parts)


def _refuse_unfit(names: Names, table: str, present: Columns, wanted: Mapping[str, str]) -> None:
    problems = [
        f"column {name} is {present[name.lower()].type}, and {expected} is needed"
        for name, expected in wanted.items()
        if name.lower() in present and not fits_family(expected, present[name.lower()].type)
    ]
    if problems:
        raise ConfigError(
            f"Table {names.shown(table)} exists and cannot take this entity: {'; '.join(problems)}. Rename the table, "
            "and the next delivery makes a fitting one; or give the flow another schema"
        )


def _refuse_unfilled(names: Names, table: Columns, brought: Mapping[str, str]) -> None:
    filled = {name.lower() for name in brought}
    missing = [
        column.name
        for key, column in table.items()
        if key not in filled and not column.nullable and not column.has_default
    ]
    if missing:
        raise ConfigError(
            f"Table {names.shown(names.table)} wants values that the ERP does not send: {', '.join(missing)} (NOT NULL, "
            f"without a default). Let them be empty: ALTER TABLE {names.sql(names.table)} ALTER COLUMN "
            f"{ticked(missing[0])} DROP NOT NULL"
        )


def entity_columns(entity: Entity) -> dict[str, str]:
    """The columns of an entity: name → type."""
    return {column.name: TYPES[column.type] for column in entity.all_columns}
