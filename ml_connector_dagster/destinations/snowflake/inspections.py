"""Read a Snowflake schema: facts for checks, current rows, and one record's history and audit."""

from decimal import Decimal
from typing import Final

import pyarrow as pa

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA, Scope, TableFacts
from ml_connector_dagster.destinations.snowflake.names import identifier
from ml_connector_dagster.destinations.snowflake.tables import Columns, Schema
from ml_connector_dagster.destinations.snowflake.types import moment, table_of
from ml_connector_dagster.destinations.table_names import AUDIT
from ml_connector_dagster.model.entities import Entity


_IN_SCOPE: Final = "tenant = ? AND (? IS NULL OR company = ?)"


def _scope(scope: Scope) -> tuple[str | None, str | None, str | None]:
    return scope.tenant, scope.company, scope.company


def table_facts(schema: Schema, entity: Entity, scope: Scope) -> TableFacts:
    """The facts of one table; all zero when it is not there."""
    parent = entity.parent.entity if entity.parent else entity.name
    present = schema.columns(entity.name, parent)
    orphans = _orphans(schema, entity, scope, bool(present[entity.name]), bool(present[parent]))
    if not present[entity.name]:
        totals = dict.fromkeys(entity.control_totals, Decimal(0))
        return TableFacts(control_totals=totals, orphans=orphans)
    table = schema.sql(entity.name)
    sums = "".join(
        f", SUM(CASE WHEN _deleted_at IS NULL THEN {identifier(name)} END)"
        for name in entity.control_totals
    )
    live, deleted, newest, *found = schema.api.run(
        f"SELECT COUNT(CASE WHEN _deleted_at IS NULL THEN 1 END), COUNT(_deleted_at), MAX(_extracted_at){sums}"
        f" FROM {table} WHERE {_IN_SCOPE}",
        *_scope(scope),
    ).rows[0]
    doubled = schema.api.run(
        f"SELECT COUNT(*) FROM (SELECT record_id FROM {table} WHERE {_IN_SCOPE}"
        " GROUP BY record_id HAVING COUNT(*) > 1) AS doubled",
        *_scope(scope),
    ).rows[0][0]
    return TableFacts(
        rows=int(live or 0),
        deleted=int(deleted or 0),
        duplicates=int(doubled or 0),
        control_totals={
            name: Decimal(total or 0)
            for name, total in zip(entity.control_totals, found, strict=True)
        },
        orphans=orphans,
        newest_extracted_at=None if newest is None else moment(newest),
    )


def _orphans(
    schema: Schema, entity: Entity, scope: Scope, lines: bool, headers: bool
) -> int | None:
    parent = entity.parent
    if parent is None or not headers:
        return None
    if not lines:
        return 0
    same = " AND ".join(
        f"header.{identifier(target)} = line.{identifier(name)}"
        for name, target in zip(parent.columns, parent.target, strict=True)
    )
    found = schema.api.run(
        f"SELECT COUNT(*) FROM {schema.sql(entity.name)} AS line WHERE {_IN_SCOPE} AND _deleted_at IS NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {schema.sql(parent.entity)} AS header"
        " WHERE header.tenant = line.tenant AND header.company = line.company"
        f" AND header._deleted_at IS NULL AND {same})",
        *_scope(scope),
    )
    return int(found.rows[0][0] or 0)


def current_rows(schema: Schema, entity: Entity, scope: Scope, limit: int | None) -> pa.Table:
    """Rows by ``record_id``; a table of no rows and no columns when there is no table."""
    columns = schema.columns(entity.name, again=True)[entity.name]
    if not columns:
        return pa.table({})
    most = "" if limit is None else f" LIMIT {int(limit)}"
    return table_of(
        schema.api.run(
            f"SELECT {_list(columns)} FROM {schema.sql(entity.name)} WHERE {_IN_SCOPE}"
            f" ORDER BY record_id{most}",
            *_scope(scope),
        )
    )


def versions_of(schema: Schema, entity: Entity, record_id: str) -> pa.Table:
    """The replaced versions of one record, in the order in which they were accepted."""
    history = f"{entity.name}_history"
    columns = schema.columns(history, again=True)[history]
    if not columns:
        return pa.table({})
    return table_of(
        schema.api.run(
            f"SELECT {_list(columns)} FROM {schema.sql(history)} WHERE record_id = ?"
            " ORDER BY _replaced_at, _modified_at NULLS FIRST, _extracted_at",
            record_id,
        )
    )


def receipts_of(schema: Schema, entity: Entity, record_id: str) -> pa.Table:
    """What was done to one record."""
    if not schema.columns(AUDIT)[AUDIT]:
        return RECEIPT_SCHEMA.empty_table()
    names = ", ".join(RECEIPT_SCHEMA.names)
    return table_of(
        schema.api.run(
            f"SELECT {names} FROM {schema.sql(AUDIT)} WHERE record_id = ? AND entity = ?"
            " ORDER BY delivered_at, batch_id",
            record_id,
            entity.name,
        )
    )


def _list(columns: Columns) -> str:
    return ", ".join(identifier(name) for name in columns)
