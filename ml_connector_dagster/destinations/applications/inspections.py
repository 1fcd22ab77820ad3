"""What an application holds, asked of itself."""

from typing import Final

import pyarrow as pa

from ml_connector_dagster.columns.content import id_part
from ml_connector_dagster.destinations.applications.contract import Census, FieldKind, Target
from ml_connector_dagster.destinations.applications.drafts import plain_text
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.applications.state import RemoteRecords
from ml_connector_dagster.destinations.contract import Scope, TableFacts
from ml_connector_dagster.model.remote_records import RemoteState


#: Columns of ``found_rows`` before the fields.
LEADING: Final = ("record_id", "remote_id")


def record_prefix(scope: Scope) -> str:
    """What the record ids of ``scope`` begin with."""
    parts = [scope.tenant] if scope.company is None else [scope.tenant, scope.company]
    return "/".join(id_part(part) for part in parts) + "/"


def amount_fields(mapped: Mapped) -> dict[str, str]:
    """Control total → the field that holds it as a number."""
    return {
        rule.column: name
        for name, rule in mapped.rules.items()
        if rule.column in mapped.entity.control_totals
        and mapped.placement.fields[name] is FieldKind.NUMBER
    }


def facts_of(
    census: Census, records: RemoteRecords, destination: str, mapped: Mapped, scope: Scope
) -> TableFacts:
    """Counts and sums. Orphans are not asked for: a record without its parent is never sent."""
    prefix = record_prefix(scope)
    numbers = amount_fields(mapped)
    totals = census.count(
        mapped.placement,
        prefix=mapped.key_prefix + prefix,
        numbers=list(numbers.values()),
        deleted_field=mapped.deleted_field,
    )
    archived = records.count_remote_records(
        destination, mapped.entity.name, prefix, RemoteState.ARCHIVED
    )
    return TableFacts(
        rows=totals.rows - totals.deleted,
        deleted=totals.deleted + archived,
        duplicates=totals.duplicates,
        control_totals={column: totals.sums[field] for column, field in numbers.items()},
    )


def found_rows(target: Target, mapped: Mapped, scope: Scope, limit: int | None) -> pa.Table:
    """Record id, remote id and the mapped fields as text."""
    names = [*mapped.placement.fields, *mapped.placement.links]
    schema = pa.schema([(name, pa.string()) for name in (*LEADING, *names)])
    rows = [
        {
            "record_id": mapped.record_id(one.external_id),
            "remote_id": one.remote_id,
            **{
                name: None if value is None else plain_text(value)
                for name, value in one.values.items()
                if name in names
            },
        }
        for one in target.find(
            mapped.placement, external_ids=None, prefix=mapped.key_prefix + record_prefix(scope)
        )
    ]
    rows.sort(key=lambda row: str(row["record_id"]))
    return pa.Table.from_pylist(rows[:limit], schema=schema)
