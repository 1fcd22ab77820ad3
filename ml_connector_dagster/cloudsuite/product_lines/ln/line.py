"""The LN product line: its catalog, and a reader for every route."""

from ml_connector_dagster.cloudsuite.catalog.ln import LnCatalog, SetRoute
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.product_lines.compass.reader import lake_readers
from ml_connector_dagster.cloudsuite.product_lines.compass.tenant import open_lake
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.layouts import layouts_of
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import RoutedLine, Routes
from ml_connector_dagster.cloudsuite.product_lines.ln.service import ODataService
from ml_connector_dagster.cloudsuite.product_lines.ln.sets import SetReader
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection


NAME = "ln"


def open_ln(
    connection: CloudSuiteConnection,
    gateway: Gateway,
    knowledge: KnowledgeStore,
    catalog: LnCatalog,
) -> RoutedLine:
    """LN by ``catalog``."""
    learned = Learned(knowledge, NAME)
    service = ODataService(gateway, catalog)
    lake = open_lake(gateway, catalog.lake, learned, connection)
    routes = {
        name: Routes.of(
            entity,
            {
                route_name: SetReader(
                    service, learned, catalog, name, route, page_rows=connection.page_rows
                )
                for route_name, route in entity.routes.items()
                if isinstance(route, SetRoute)
            },
            lake_readers(lake, name, entity),
        )
        for name, entity in catalog.entities.items()
    }
    layouts = layouts_of(
        catalog, stamp=StampFormat.TIMESTAMP, timezone=connection.timezone, source_system=NAME
    )
    return RoutedLine(NAME, routes, layouts, learned)
