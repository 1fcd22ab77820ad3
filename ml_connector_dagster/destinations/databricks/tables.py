"""Tables of a Databricks schema: names, making them and adding columns. Views over tables per company.

What is there is asked of Unity Catalog first: ``CREATE … IF NOT EXISTS`` wants the privilege to create even when
there is nothing to create. Column mapping by name is on, so that a column may be called anything; history, audit and
marks are Serializable, so that two writers never both see that a row is missing there.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS
from ml_connector_dagster.destinations.databricks.types import TYPES, holds, literal, ticked
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.identifiers import company_suffix
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import RECEIPT_COLUMNS


AUDIT: Final = "_audit"
BATCHES: Final = "_batches"

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

#: Lower-case name → name and type, as Unity Catalog has them.
Columns = Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The tables that one batch goes to. Shared names are views when ``per_company`` is set."""

    catalog: str
    schema: str
    entity: str
    company: str
    per_company: bool

    @property
    def table(self) -> str:
        return self.of_company(self.entity)

    @property
    def history(self) -> str:
        return self.of_company(f"{self.entity}_history")

    @property
    def audit(self) -> str:
        return self.of_company(AUDIT)

    def of_company(self, shared: str) -> str:
        """The company's own table behind the name ``shared``."""
        return f"{shared}_{company_suffix(self.company)}" if self.per_company else shared

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
    if workspace.columns(names.catalog, names.schema, BATCHES) is None:
        _create(workspace, names, BATCHES, BATCHES_TYPES, BATCHES_COMMENT, {}, serializable=True)


def make_volume(workspace: Workspace, names: Names, volume: str) -> None:
    """The volume for staged files."""
    if not workspace.has_volume(names.catalog, names.schema, volume):
        workspace.run(f"CREATE VOLUME IF NOT EXISTS {names.sql(volume)}")


def make_tables(
    workspace: Workspace, names: Names, entity: Entity, staged: Mapping[str, str]
) -> tuple[dict[str, str], bool]:
    """Make or widen the table, its history and its audit for columns ``staged`` (name → type).

    Answers the table's columns, and whether anything was made or widened. Raises ConfigError for a table whose
    columns cannot hold what the ERP sends.
    """
    descriptions = {column.name: column.description for column in entity.all_columns}
    changed = _make(
        workspace, names, names.audit, AUDIT_TYPES, AUDIT_COMMENT, {}, serializable=True
    )
    changed |= _make(
        workspace, names, names.table, staged, entity.description, descriptions, serializable=False
    )
    found = workspace.columns(names.catalog, names.schema, names.table)
    table = dict(found[1].values()) if found else {}
    comment = (
        f"Replaced versions of {names.table}: with the rows there, every version ever accepted."
    )
    changed |= _make(
        workspace,
        names,
        names.history,
        table | _HISTORY_TYPES,
        comment,
        descriptions | _HISTORY_DESCRIPTIONS,
        serializable=True,
    )
    return table, changed


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
    found = workspace.columns(names.catalog, names.schema, table)
    if found is None:
        _create(workspace, names, table, wanted, comment, descriptions, serializable=serializable)
        return True
    kind, present = found
    if kind == "VIEW":
        raise ConfigError(
            f"{names.shown(table)} is a view, so rows cannot be written to it. If the flow had 'tables: per_company' "
            "before, go back to that, or choose another schema"
        )
    _refuse_unfit(names, table, present, wanted)
    new = {name: type_text for name, type_text in wanted.items() if name.lower() not in present}
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
        f"column {name} is {present[name.lower()][1]}, and {expected} is needed"
        for name, expected in wanted.items()
        if name.lower() in present and not holds(expected, present[name.lower()][1])
    ]
    if problems:
        raise ConfigError(
            f"Table {names.shown(table)} exists and cannot take this entity: {'; '.join(problems)}. Rename the table, "
            "and the next delivery makes a fitting one; or give the flow another schema"
        )


def union_views(workspace: Workspace, names: Names, entity: Entity) -> None:
    """Let ``<entity>``, its history and ``_audit`` show the tables of all companies."""
    found = workspace.run(
        f"SELECT DISTINCT entity, company FROM {names.sql(BATCHES)} WHERE company IS NOT NULL"
    )
    pairs = {(str(one), str(company)) for one, company in found} | {(names.entity, names.company)}
    of_entity = sorted(company for one, company in pairs if one == names.entity)
    everywhere = sorted({company for _, company in pairs})
    _view(workspace, names, names.entity, of_entity, entity.description)
    history = f"Replaced versions of {names.entity}, of all companies."
    _view(workspace, names, f"{names.entity}_history", of_entity, history)
    _view(workspace, names, AUDIT, everywhere, AUDIT_COMMENT)


def _view(
    workspace: Workspace, names: Names, view: str, companies: Iterable[str], comment: str
) -> None:
    there = workspace.columns(names.catalog, names.schema, view)
    if there is not None and there[0] != "VIEW":
        raise ConfigError(
            f"{names.shown(view)} is a table, so it cannot become the view over tables per company. "
            "Choose another schema for this flow, or go back to 'tables: shared'"
        )
    tables = {}
    for company in companies:
        table = f"{view}_{company_suffix(company)}"
        found = workspace.columns(names.catalog, names.schema, table)
        if found is not None:
            tables[table] = found[1]
    columns: dict[str, tuple[str, str]] = {}
    for present in tables.values():
        columns |= {key: column for key, column in present.items() if key not in columns}
    selects = [
        "SELECT "
        + ", ".join(
            f"{ticked(name)}"
            if key in present
            else f"CAST(NULL AS {kind.upper()}) AS {ticked(name)}"
            for key, (name, kind) in columns.items()
        )
        + f" FROM {names.sql(table)}"
        for table, present in tables.items()
    ]
    workspace.run(
        f"CREATE OR REPLACE VIEW {names.sql(view)} COMMENT {literal(comment)} AS {' UNION ALL '.join(selects)}"
    )


def entity_columns(entity: Entity) -> dict[str, str]:
    """The columns of an entity: name → type."""
    return {column.name: TYPES[column.type] for column in entity.all_columns}
