"""A catalog cut down to some columns: for whoever lists all records and needs little of each.

Every route lists the same records as before. What only adds fields (Get transactions, further tables, further columns)
is left out, so that a look at a whole table costs the pages of its list and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute


CatalogT = TypeVar("CatalogT", bound=LineCatalog[Any])

#: Entity → the columns that are needed of it, its key included; what is not named keeps all.
Columns = Mapping[str, Sequence[str]]

EVERYTHING: Final[Columns] = {}


def narrowed(catalog: CatalogT, columns: Columns) -> CatalogT:
    """``catalog`` with the fields of ``columns``, and routes that ask for no more. The change stamp stays."""
    entities = {
        name: _narrowed_entity(one, columns[name]) if name in columns else one
        for name, one in catalog.entities.items()
    }
    return catalog.model_copy(update={"entities": entities})


def _narrowed_entity(
    catalog: EntityCatalog[Any, Any], columns: Sequence[str]
) -> EntityCatalog[Any, Any]:
    fields = {column: spec for column, spec in catalog.fields.items() if column in columns}
    sources = frozenset(spec.source for spec in fields.values())
    routes = {label: _narrowed_route(route, sources) for label, route in catalog.routes.items()}
    return catalog.model_copy(update={"fields": fields, "further_fields": {}, "routes": routes})


def _narrowed_route(route: CatalogModel, sources: frozenset[str]) -> CatalogModel:
    if isinstance(route, ExportRoute):
        # A required lookup decides which rows are records; one that holds a wanted field is part of it.
        lookups = tuple(
            one for one in route.lookups if one.required or not sources.isdisjoint(one.fields)
        )
        return route.model_copy(update={"extra": (), "lookups": lookups})
    if isinstance(route, ListRoute):
        names = {route.names.get(source, source) for source in sources}
        complete = tuple(one for one in route.complete if not names.isdisjoint(one.fields))
        # What a list must be asked for so that its children and completions find their inputs is not said anywhere.
        fields = route.fields if route.children or complete else ()
        return route.model_copy(update={"complete": complete, "fields": fields})
    if isinstance(route, CompassRoute) or "fields" in type(route).model_fields:
        return route.model_copy(update={"fields": ()})
    return route
