"""Read a Databricks schema: facts for checks, current rows, and one record's history and audit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pyarrow as pa

from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA, Scope, TableFacts
from ml_connector_dagster.destinations.databricks.tables import Columns
from ml_connector_dagster.destinations.databricks.types import ticked, to_arrow
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.table_names import AUDIT
from ml_connector_dagster.model.entities import Entity, Reference


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_IN_SCOPE: Final = "tenant = :tenant AND (:company IS NULL OR company = :company)"


class Reader:
    """Questions to one schema."""

    def __init__(self, workspace: Workspace, catalog: str, schema: str) -> None:
        self._workspace = workspace
        self._catalog = catalog
        self._schema = schema

    def facts(self, entity: Entity, scope: Scope) -> TableFacts:
        """The facts of one table, by one statement; all zero when it is not there."""
        has_parent = entity.parent is not None and self._columns(entity.parent.entity) is not None
        if self._columns(entity.name) is None:
            return TableFacts(
                control_totals=dict.fromkeys(entity.control_totals, Decimal(0)),
                orphans=0 if has_parent else None,
            )
        orphans = self._orphans(entity, entity.parent) if has_parent and entity.parent else "NULL"
        totals = "".join(
            f", sum(CASE WHEN _deleted_at IS NULL THEN {ticked(name)} END)"
            for name in entity.control_totals
        )
        (found,) = self._workspace.run(
            "SELECT counted.*, doubled.*, orphaned.* FROM ("
            "SELECT count(CASE WHEN _deleted_at IS NULL THEN 1 END), count(_deleted_at),"
            f" unix_micros(max(_extracted_at)){totals}"
            f" FROM {self._sql(entity.name)} WHERE {_IN_SCOPE}) AS counted"
            f" CROSS JOIN (SELECT count(*) FROM (SELECT record_id FROM {self._sql(entity.name)}"
            f" WHERE {_IN_SCOPE} GROUP BY record_id HAVING count(*) > 1) AS twice) AS doubled"
            f" CROSS JOIN (SELECT {orphans}) AS orphaned",
            _values(scope),
        )
        rows, deleted, newest, *sums, duplicates, lost = found
        return TableFacts(
            rows=int(rows or 0),
            deleted=int(deleted or 0),
            duplicates=int(duplicates or 0),
            control_totals={
                name: Decimal(total or 0)
                for name, total in zip(entity.control_totals, sums, strict=True)
            },
            orphans=None if lost is None else int(lost),
            newest_extracted_at=None
            if newest is None
            else _EPOCH + timedelta(microseconds=int(newest)),
        )

    def _orphans(self, entity: Entity, parent: Reference) -> str:
        """The end of a SELECT that counts live rows without a live parent."""
        same = " AND ".join(
            f"header.{ticked(target)} = line.{ticked(name)}"
            for name, target in zip(parent.columns, parent.target, strict=True)
        )
        alive = f"WHERE {_IN_SCOPE} AND _deleted_at IS NULL"
        return (
            f"count(*) FROM (SELECT * FROM {self._sql(entity.name)} {alive}) AS line"
            f" LEFT ANTI JOIN (SELECT * FROM {self._sql(parent.entity)} {alive}) AS header"
            f" ON header.company = line.company AND {same}"
        )

    def rows(self, entity: Entity, scope: Scope, limit: int | None) -> pa.Table:
        """Rows by ``record_id``; a table of no rows and no columns when there is no table."""
        bound = "" if limit is None else f" LIMIT {int(limit)}"
        return self._all_of(entity.name, f"{_IN_SCOPE} ORDER BY record_id{bound}", _values(scope))

    def versions(self, entity: Entity, record_id: str) -> pa.Table:
        """The replaced versions of one record, in the order in which they were accepted."""
        return self._all_of(
            f"{entity.name}_history",
            "record_id = :record ORDER BY _replaced_at, _modified_at NULLS FIRST, _extracted_at",
            {"record": record_id},
        )

    def receipts(self, entity: Entity, record_id: str) -> pa.Table:
        """What was done to one record."""
        found = self._all_of(
            AUDIT,
            "record_id = :record AND entity = :entity ORDER BY delivered_at, batch_id",
            {"record": record_id, "entity": entity.name},
        )
        if not found.num_columns:
            return RECEIPT_SCHEMA.empty_table()
        return found.select(RECEIPT_SCHEMA.names).cast(RECEIPT_SCHEMA)

    def _all_of(self, table: str, condition: str, values: dict[str, str | None]) -> pa.Table:
        columns = self._columns(table)
        if columns is None:
            return pa.table({})
        schema = pa.schema([(one.name, to_arrow(one.type)) for one in columns.values()])
        names = ", ".join(ticked(name) for name in schema.names)
        found = self._workspace.fetch(
            f"SELECT {names} FROM {self._sql(table)} WHERE {condition}", values
        )
        return found.cast(schema) if found.num_columns else schema.empty_table()

    def _columns(self, table: str) -> Columns | None:
        found = self._workspace.relation(self._catalog, self._schema, table)
        return None if found is None else found.columns

    def _sql(self, table: str) -> str:
        return ticked(self._catalog, self._schema, table)


def _values(scope: Scope) -> dict[str, str | None]:
    return {"tenant": scope.tenant, "company": scope.company}
