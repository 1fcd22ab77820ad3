"""A catalog cut down to what names a record: for key sweeps, which ask only whether a record is still there.

The data lake is left out: it also lists what is gone.
"""

from ml_connector_dagster.cloudsuite.catalog.m3 import M3Catalog, M3Entity
from ml_connector_dagster.cloudsuite.catalog.narrowed import narrowed
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.model.entities import ENTITIES


def keys_only(catalog: M3Catalog) -> M3Catalog:
    """``catalog`` with the fields of each entity's key, and routes that ask for no more."""
    keys = narrowed(catalog, {name: ENTITIES[name].key for name in catalog.entities})
    entities = {name: _without_lake(one) for name, one in keys.entities.items()}
    return keys.model_copy(update={"entities": entities})


def _without_lake(catalog: M3Entity) -> M3Entity:
    routes = {
        label: route
        for label, route in catalog.routes.items()
        if isinstance(route, ListRoute | ExportRoute)
    }
    order = tuple(label for label in catalog.order if label in routes)
    return catalog.model_copy(update={"routes": routes, "order": order})
