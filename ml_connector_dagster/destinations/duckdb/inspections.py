"""Read a DuckDB warehouse: facts for checks, current rows, and one record's history and audit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import duckdb
import pyarrow as pa

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA, Scope, TableFacts
from ml_connector_dagster.destinations.duckdb.tables import columns_of
from ml_connector_dagster.destinations.identifiers import quoted
from ml_connector_dagster.destinations.table_names import AUDIT
from ml_connector_dagster.model.entities import Entity


EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IN_SCOPE: Final = "tenant = $tenant AND ($company IS NULL OR company = $company)"


def no_facts(entity: Entity) -> TableFacts:
    """The facts of a database that is not there yet."""
    return TableFacts(control_totals=dict.fromkeys(entity.control_totals, Decimal(0)))


def table_facts(
    connection: duckdb.DuckDBPyConnection, schema: str, entity: Entity, scope: Scope
) -> TableFacts:
    """The facts of one table; all zero when it is not there."""
    if not columns_of(connection, schema, entity.name):
        return replace(no_facts(entity), orphans=_orphans(connection, schema, entity, scope))
    totals = "".join(
        f", sum({quoted(name)}) FILTER (_deleted_at IS NULL)" for name in entity.control_totals
    )
    found = connection.execute(
        "SELECT count(*) FILTER (_deleted_at IS NULL), count(_deleted_at),"
        f" CAST(epoch_us(max(_extracted_at)) AS BIGINT){totals}"
        f" FROM {quoted(schema, entity.name)} WHERE {_IN_SCOPE}",
        _values(scope),
    ).fetchall()[0]
    rows, deleted, newest, *sums = found
    doubled = connection.execute(
        f"SELECT count(*) FROM (SELECT record_id FROM {quoted(schema, entity.name)}"
        f" WHERE {_IN_SCOPE} GROUP BY record_id HAVING count(*) > 1)",
        _values(scope),
    ).fetchall()[0][0]
    return TableFacts(
        rows=rows,
        deleted=deleted,
        duplicates=doubled,
        control_totals={
            name: Decimal(0) if total is None else Decimal(total)
            for name, total in zip(entity.control_totals, sums, strict=True)
        },
        orphans=_orphans(connection, schema, entity, scope),
        newest_extracted_at=None if newest is None else _moment(newest),
    )


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def _orphans(
    connection: duckdb.DuckDBPyConnection, schema: str, entity: Entity, scope: Scope
) -> int | None:
    parent = entity.parent
    if parent is None or not columns_of(connection, schema, parent.entity):
        return None
    if not columns_of(connection, schema, entity.name):
        return 0
    same = " AND ".join(
        f"header.{quoted(target)} = line.{quoted(name)}"
        for name, target in zip(parent.columns, parent.target, strict=True)
    )
    found = connection.execute(
        f"""
        SELECT count(*)
        FROM (SELECT * FROM {quoted(schema, entity.name)} WHERE {_IN_SCOPE} AND _deleted_at IS NULL) AS line
        ANTI JOIN (
            SELECT * FROM {quoted(schema, parent.entity)} WHERE {_IN_SCOPE} AND _deleted_at IS NULL
        ) AS header ON header.company = line.company AND {same}
        """,
        _values(scope),
    ).fetchall()
    return int(found[0][0])


def current_rows(
    connection: duckdb.DuckDBPyConnection,
    schema: str,
    entity: Entity,
    scope: Scope,
    limit: int | None,
) -> pa.Table:
    """Rows by ``record_id``; a table of no rows and no columns when there is no table."""
    if not columns_of(connection, schema, entity.name):
        return pa.table({})
    found: pa.Table = connection.sql(
        f"SELECT * FROM {quoted(schema, entity.name)} WHERE {_IN_SCOPE} ORDER BY record_id LIMIT $limit",
        params={**_values(scope), "limit": limit},
    ).to_arrow_table()
    return found


def versions_of(
    connection: duckdb.DuckDBPyConnection, schema: str, entity: Entity, record_id: str
) -> pa.Table:
    """The replaced versions of one record, in the order in which they were accepted."""
    history = f"{entity.name}_history"
    if not columns_of(connection, schema, history):
        return pa.table({})
    found: pa.Table = connection.sql(
        f"SELECT * FROM {quoted(schema, history)} WHERE record_id = $record"
        " ORDER BY _replaced_at, _modified_at NULLS FIRST, _extracted_at",
        params={"record": record_id},
    ).to_arrow_table()
    return found


def receipts_of(
    connection: duckdb.DuckDBPyConnection, schema: str, entity: Entity, record_id: str
) -> pa.Table:
    """What was done to one record."""
    if not columns_of(connection, schema, AUDIT):
        return RECEIPT_SCHEMA.empty_table()
    names = ", ".join(RECEIPT_SCHEMA.names)
    found: pa.Table = connection.sql(
        f"SELECT {names} FROM {quoted(schema, AUDIT)} WHERE record_id = $record AND entity = $entity"
        " ORDER BY delivered_at, batch_id",
        params={"record": record_id, "entity": entity.name},
    ).to_arrow_table()
    return found


def _values(scope: Scope) -> dict[str, str | None]:
    return {"tenant": scope.tenant, "company": scope.company}
