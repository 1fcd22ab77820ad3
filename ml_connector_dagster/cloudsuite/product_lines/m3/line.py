"""The M3 product line: its catalog, and a reader for every route."""

from typing import Protocol
from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.m3 import M3Catalog
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.product_lines.asking import Calls
from ml_connector_dagster.cloudsuite.product_lines.compass.lake import Suites
from ml_connector_dagster.cloudsuite.product_lines.compass.reader import lake_readers
from ml_connector_dagster.cloudsuite.product_lines.compass.tenant import open_lake
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.layouts import layouts_of
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import RoutedLine, RouteReader, Routes
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.export_routes import ExportRouteReader
from ml_connector_dagster.cloudsuite.product_lines.m3.list_routes import ListRouteReader
from ml_connector_dagster.cloudsuite.product_lines.m3.repository import Repository
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import Selects
from ml_connector_dagster.cloudsuite.product_lines.m3.tenant import M3Tenant
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection


NAME = "m3"


class TenantCalls(Calls, Suites, Protocol):
    """The part of ``Gateway`` that M3 uses."""


def open_m3(
    connection: CloudSuiteConnection,
    calls: TenantCalls,
    knowledge: KnowledgeStore,
    catalog: M3Catalog,
) -> RoutedLine:
    """M3 by ``catalog``."""
    learned = Learned(knowledge, NAME)
    api = M3Api(calls, catalog.row_caps)
    tenant = M3Tenant(
        api=api,
        selects=Selects(api, catalog.separators, catalog.reply_length),
        repository=Repository(api, learned),
        learned=learned,
        catalog=catalog,
        zone=ZoneInfo(connection.timezone),
        page_rows=connection.page_rows,
    )
    lake = open_lake(calls, catalog.lake, learned, connection)
    routes = {
        entity: Routes.of(
            one,
            {
                name: _reader(tenant, entity, name, route)
                for name, route in one.routes.items()
                if isinstance(route, ListRoute | ExportRoute)
            },
            lake_readers(lake, entity, one),
        )
        for entity, one in catalog.entities.items()
    }
    layouts = layouts_of(
        catalog, stamp=StampFormat.DATE, timezone=connection.timezone, source_system=NAME
    )
    return RoutedLine(NAME, routes, layouts, learned)


def _reader(
    tenant: M3Tenant, entity: str, name: str, route: ListRoute | ExportRoute
) -> RouteReader:
    if isinstance(route, ExportRoute):
        return ExportRouteReader(tenant, entity, name, route)
    return ListRouteReader(tenant, entity, name, route)
