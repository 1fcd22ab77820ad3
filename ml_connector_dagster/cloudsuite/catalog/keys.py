"""A catalog cut down to what names a record: for key sweeps, which ask only whether a record is still there.

Every route lists the same records as before. What only adds fields (Get transactions, further tables, further columns)
is left out, so a sweep costs the pages of the list and nothing else. The data lake is left out too: it also lists what is
gone.
"""

from ml_connector_dagster.cloudsuite.catalog.m3 import M3Catalog, M3Entity
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.model.entities import ENTITIES


def keys_only(catalog: M3Catalog) -> M3Catalog:
    """``catalog`` with the fields of each entity's key, and routes that ask for no more."""
    return catalog.model_copy(
        update={
            "entities": {name: _keys_of_entity(name, one) for name, one in catalog.entities.items()}
        }
    )


def _keys_of_entity(name: str, catalog: M3Entity) -> M3Entity:
    keys = {column: catalog.fields[column] for column in ENTITIES[name].key}
    sources = frozenset(spec.source for spec in keys.values())
    routes = {
        label: _narrowed(route, sources)
        for label, route in catalog.routes.items()
        if isinstance(route, ListRoute | ExportRoute)
    }
    return catalog.model_copy(
        update={
            "fields": keys,
            "further_fields": {},
            "routes": routes,
            "order": tuple(label for label in catalog.order if label in routes),
        }
    )


def _narrowed(route: ListRoute | ExportRoute, sources: frozenset[str]) -> ListRoute | ExportRoute:
    if isinstance(route, ExportRoute):
        # A required lookup decides which rows are records; one that holds a part of the key is part of it.
        lookups = tuple(
            one for one in route.lookups if one.required or not sources.isdisjoint(one.fields)
        )
        return route if lookups else route.model_copy(update={"extra": (), "lookups": ()})
    names = {route.names.get(source, source) for source in sources}
    complete = tuple(one for one in route.complete if not names.isdisjoint(one.fields))
    # What a list must be asked for so that its children and completions find their inputs is not said anywhere.
    fields = route.fields if route.children or complete else ()
    return route.model_copy(update={"complete": complete, "fields": fields})
