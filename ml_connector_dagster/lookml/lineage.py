"""From a field of the ERP to a field of Looker: ERP field → column of the warehouse → LookML field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_connector_dagster.lookml.fields import places
from ml_connector_dagster.lookml.measures import SHARES, sums_of
from ml_connector_dagster.lookml.project import LookmlProject
from ml_connector_dagster.lookml.tables import Table
from ml_connector_dagster.marts.lineage import kept_lineage


#: Entity → column → (table of the ERP, field of it).
ErpFields = Mapping[str, Mapping[str, tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLineage:
    """Where a LookML field's values come from.

    Attributes:
        field: ``view.field``.
        table: the warehouse's table or view, and its ``column``.
        columns: the entities' columns that these are made of, as (entity, column).
        erp: the ERP's fields behind those, as (table, field); none for what only the connector knows.
    """

    field: str
    table: str
    column: str
    columns: tuple[tuple[str, str], ...]
    erp: tuple[tuple[str, str], ...]


def field_lineage(project: LookmlProject, erp: ErpFields) -> tuple[FieldLineage, ...]:
    """The lineage of every field, in the order of the views. ``erp`` is what the product line's catalog says."""
    names = frozenset(table.view for table in project.tables)
    found = []
    for table in project.tables:
        for column, fields in _fields(table, names).items():
            sources = _columns(table, column)
            behind = dict.fromkeys(
                erp[entity][name] for entity, name in sources if name in erp.get(entity, {})
            )
            found += [
                FieldLineage(
                    field=f"{table.view}.{field}",
                    table=table.table,
                    column=column,
                    columns=sources,
                    erp=tuple(behind),
                )
                for field in fields
            ]
    return tuple(found)


def _fields(table: Table, names: frozenset[str]) -> Mapping[str, Sequence[str]]:
    """Column → its fields, measures among them. A share belongs to the column that it is a part of."""
    fields = {column: list(place.fields) for column, place in places(table).items()}
    for one in sums_of(table, names):
        fields[one.column].append(f"total_{one.column}")
    for share in SHARES.get(table.view, ()):
        fields[share.part].append(share.name)
    return fields


def _columns(table: Table, column: str) -> tuple[tuple[str, str], ...]:
    if table.mart is not None:
        return kept_lineage().get(table.mart.name, {}).get(column, ())
    return ((table.entity.name, column),) if table.entity is not None else ()
