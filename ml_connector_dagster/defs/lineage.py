"""Where an entity comes from in the ERP: tables, programs and fields, as the tenant's catalog names them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import FieldSpec
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute
from ml_connector_dagster.cloudsuite.product_lines.registry import registered
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.defs.names import erp_key
from ml_connector_dagster.model.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """``tables`` of the ERP (or programs, where no table is known), ``routes`` to them, ``columns`` → (table, field)."""

    tables: tuple[str, ...]
    routes: tuple[str, ...]
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def origins(connection: CloudSuiteConnection) -> dict[str, Origin]:
    """Entity → where it comes from.

    A tenant's catalog that cannot be read is left for the run to complain about: it must not keep the other tenants
    from loading, and the names in the built-in one are right for the graph.
    """
    catalog = _catalog(connection.product_line, connection.catalog)
    return {name: _origin(entity) for name, entity in catalog.entities.items()}


def column_lineage(tenant: str, origin: Origin) -> dg.TableColumnLineage:
    """Column of the entity → field of the ERP table."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=erp_key(tenant, table), column_name=source)]
            for column, (table, source) in origin.columns.items()
        }
    )


def _catalog(product_line: str, override: Path | None) -> LineCatalog[Any]:
    read = registered(product_line).catalog
    try:
        return read(override)
    except ConfigError:
        return read(None)


def _origin(catalog: EntityCatalog[Any, Any]) -> Origin:
    routes = [route for _, route in catalog.ordered_routes]
    labels = tuple(route.label for route in routes)
    for route in routes:
        if isinstance(route, ExportRoute):
            return Origin(
                tables=(route.table, *(lookup.table for lookup in route.lookups)),
                routes=labels,
                columns=_fields(catalog, route),
            )
    tables = tuple(dict.fromkeys(label.split()[-1].partition("/")[0] for label in labels))
    # M3's programs each have their own names for fields; elsewhere an entity's fields stand in one place.
    columns = {
        column: (tables[0], spec.source)
        for column, spec in catalog.fields.items()
        if not isinstance(spec, FieldSpec)
    }
    return Origin(tables=tables, routes=labels, columns=columns)


def _fields(catalog: EntityCatalog[Any, Any], route: ExportRoute) -> dict[str, tuple[str, str]]:
    """M3 spells a table's field as the table's prefix and the four-letter name."""
    lookups = {
        name: (lookup.table, lookup.prefix + name)
        for lookup in route.lookups
        for name in lookup.fields
    }
    found = {}
    for column, spec in catalog.fields.items():
        name = spec.source
        if name in lookups:
            found[column] = lookups[name]
        elif name not in route.absent:
            found[column] = (route.table, route.prefix + route.names.get(name, name))
    return found
