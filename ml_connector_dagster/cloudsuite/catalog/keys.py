"""A catalog cut down to what names a record: for key sweeps, which ask only whether a record is still there.

Every route lists the same records as before. What only adds fields (Get transactions, further tables, joins, further
columns) is left out, so a sweep costs the pages of the list and nothing else. FetchWhere of SX.e knows no list of fields,
so its rows come whole.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel
from ml_connector_dagster.cloudsuite.catalog.financials import ClassRoute
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute
from ml_connector_dagster.cloudsuite.catalog.ln import SetRoute
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.catalog.syteline import LoadRoute
from ml_connector_dagster.model.entities import ENTITIES


CatalogT = TypeVar("CatalogT", bound=LineCatalog[Any])


def keys_only(catalog: CatalogT) -> CatalogT:
    """``catalog`` with the fields of each entity's key, and routes that ask for no more."""
    return catalog.model_copy(
        update={
            "entities": {name: _keys_of_entity(name, one) for name, one in catalog.entities.items()}
        }
    )


def _keys_of_entity(name: str, catalog: EntityCatalog[Any, Any]) -> EntityCatalog[Any, Any]:
    keys = {column: catalog.fields[column] for column in ENTITIES[name].key}
    sources = frozenset(spec.source for spec in keys.values())
    return catalog.model_copy(
        update={
            "modified": catalog.modified if _is_split_by_time(catalog) else None,
            "fields": keys,
            "further_fields": {},
            "routes": {label: _narrowed(route, sources) for label, route in catalog.routes.items()},
        }
    )


def _is_split_by_time(catalog: EntityCatalog[Any, Any]) -> bool:
    """An export that was cut at a row cap is asked again, each half of its time alone."""
    return any(isinstance(route, ExportRoute) for route in catalog.routes.values())


def _narrowed(route: CatalogModel, sources: frozenset[str]) -> CatalogModel:
    match route:
        case ExportRoute():
            return _narrowed_export(route, sources)
        case ListRoute():
            return _narrowed_list(route, sources)
        case CompassRoute():
            return _narrowed_lake(route, sources)
        case LoadRoute() | SetRoute() | ClassRoute():
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
