"""From a catalog to the layouts that ``columns`` works with."""

from typing import Any

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.columns.layouts import Field, Layout, ModifiedStamp, StampFormat
from ml_connector_dagster.model.entities import ENTITIES, ColumnType


def layouts_of(
    catalog: LineCatalog[Any],
    *,
    stamp: StampFormat,
    time_field: str | None = None,
    timezone: str,
    source_system: str,
) -> dict[str, Layout]:
    """Entity → its layout: every route of an entity hands out the entity's own field names.

    ``stamp`` says how the line writes the field that an entity's ``modified`` names, ``time_field`` where the time of
    day stands when that is a date.
    """
    return {
        name: _layout(
            name,
            entity,
            stamp=stamp,
            time_field=time_field,
            ignored=frozenset({*catalog.ignored, *entity.ignored}),
            timezone=timezone,
            source_system=source_system,
        )
        for name, entity in catalog.entities.items()
    }


def _layout(
    name: str,
    catalog: EntityCatalog[Any, Any],
    *,
    stamp: StampFormat,
    time_field: str | None,
    ignored: frozenset[str],
    timezone: str,
    source_system: str,
) -> Layout:
    entity = ENTITIES[name]
    types = {column.name: column.type for column in entity.columns}
    fields = tuple(
        Field(
            column=column,
            source=spec.source,
            format=spec.format_for(types.get(column, ColumnType.STRING)),
            negate=spec.negate,
        )
        for column, spec in catalog.all_fields.items()
    )
    modified = None
    if catalog.modified is not None:
        modified = ModifiedStamp(source=catalog.modified, format=stamp, time_source=time_field)
    return Layout(
        entity=entity,
        fields=fields,
        modified=modified,
        ignored=ignored,
        timezone=timezone,
        source_system=source_system,
    )
