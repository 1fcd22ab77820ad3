"""A catalog cut down to some columns: for whoever lists all records and needs little of each.

Every route lists the same records as before. What only adds fields (Get transactions, further tables, joins, further
columns) is left out, so that a look at a whole table costs the pages of its list and nothing else. FetchWhere of SX.e knows
no list of fields, so its rows come whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel
from ml_connector_dagster.cloudsuite.catalog.financials import ClassRoute
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute
from ml_connector_dagster.cloudsuite.catalog.ln import SetRoute
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.catalog.syteline import LoadRoute
from ml_connector_dagster.model.entities import ENTITIES


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


def keys_only(catalog: CatalogT) -> CatalogT:
    """``catalog`` for key sweeps, which ask only whether a record is still there: the fields of its key."""
    keys = narrowed(catalog, {name: ENTITIES[name].key for name in catalog.entities})
    entities = {name: _without_stamp(one) for name, one in keys.entities.items()}
    return keys.model_copy(update={"entities": entities})


def _narrowed_entity(
    catalog: EntityCatalog[Any, Any], columns: Sequence[str]
) -> EntityCatalog[Any, Any]:
    fields = {column: spec for column, spec in catalog.fields.items() if column in columns}
    sources = frozenset(spec.source for spec in fields.values())
    routes = {label: _narrowed_route(route, sources) for label, route in catalog.routes.items()}
    return catalog.model_copy(update={"fields": fields, "further_fields": {}, "routes": routes})


def _without_stamp(catalog: EntityCatalog[Any, Any]) -> EntityCatalog[Any, Any]:
    sources = frozenset(spec.source for spec in catalog.fields.values())
    routes = {
        label: _narrowed_lake(route, sources) if isinstance(route, CompassRoute) else route
        for label, route in catalog.routes.items()
    }
    # An export that was cut at a row cap is asked again, each half of its time alone.
    is_split_by_time = any(isinstance(route, ExportRoute) for route in routes.values())
    modified = catalog.modified if is_split_by_time else None
    return catalog.model_copy(update={"modified": modified, "routes": routes})


def _narrowed_route(route: CatalogModel, sources: frozenset[str]) -> CatalogModel:
    match route:
        case ExportRoute():
            return _narrowed_export(route, sources)
        case ListRoute():
            return _narrowed_list(route, sources)
        case CompassRoute() | LoadRoute() | SetRoute() | ClassRoute():
            return route.model_copy(update={"fields": ()})
        case _:
            return route


def _narrowed_export(route: ExportRoute, sources: frozenset[str]) -> ExportRoute:
    # A required lookup decides which rows are records; one that holds a part of the key is part of it.
    lookups = tuple(
        one for one in route.lookups if one.required or not sources.isdisjoint(one.fields)
    )
    return route if lookups else route.model_copy(update={"extra": (), "lookups": ()})


def _narrowed_list(route: ListRoute, sources: frozenset[str]) -> ListRoute:
    names = {route.names.get(source, source) for source in sources}
    complete = tuple(one for one in route.complete if not names.isdisjoint(one.fields))
    # What a list must be asked for so that its children and completions find their inputs is not said anywhere.
    fields = route.fields if route.children or complete else ()
    return route.model_copy(update={"complete": complete, "fields": fields})


def _narrowed_lake(route: CompassRoute, sources: frozenset[str]) -> CompassRoute:
    """A join that holds no part of the key falls away by itself: nothing of it is asked for."""
    tables = {
        name: part.model_copy(update={"names": _of(part.names, sources)})
        for name, part in route.tables.items()
    }
    names = _of(route.names, sources)
    return route.model_copy(update={"tables": tables, "names": names, "fields": (), "changed": ""})


def _of(names: Mapping[str, str], sources: frozenset[str]) -> dict[str, str]:
    return {source: name for source, name in names.items() if source in sources}
