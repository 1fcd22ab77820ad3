"""The SyteLine product line: its catalog, and a reader for every route."""

from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.syteline import LoadRoute, SyteLineCatalog
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.product_lines.compass.reader import lake_readers
from ml_connector_dagster.cloudsuite.product_lines.compass.tenant import open_lake
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.layouts import layouts_of
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import RoutedLine, Routes
from ml_connector_dagster.cloudsuite.product_lines.syteline.loads import LoadReader
from ml_connector_dagster.cloudsuite.product_lines.syteline.service import IdoService
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection


NAME = "syteline"


def open_syteline(
    connection: CloudSuiteConnection,
    gateway: Gateway,
    knowledge: KnowledgeStore,
    catalog: SyteLineCatalog,
) -> RoutedLine:
    """SyteLine by ``catalog``."""
    timezone = "UTC" if catalog.clock == "utc" else connection.timezone
    learned = Learned(knowledge, NAME)
    service = IdoService(gateway, catalog, gateway.tenant_id)
    lake = open_lake(gateway, catalog.lake, learned, connection)
    routes = {
        name: Routes.of(
            entity,
            {
                route_name: LoadReader(
                    service,
                    learned,
                    name,
                    entity,
                    route,
                    zone=ZoneInfo(timezone),
                    page_rows=connection.page_rows,
                )
                for route_name, route in entity.routes.items()
                if isinstance(route, LoadRoute)
            },
            lake_readers(lake, name, entity),
        )
        for name, entity in catalog.entities.items()
    }
    layouts = layouts_of(
        catalog, stamp=StampFormat.TIMESTAMP, timezone=timezone, source_system=NAME
    )
    return RoutedLine(NAME, routes, layouts, learned)
