"""The Distribution SX.e product line: its catalog, and a reader for every route."""

from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.distribution import DistributionCatalog, TableRoute
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.product_lines.compass.reader import lake_readers
from ml_connector_dagster.cloudsuite.product_lines.compass.tenant import open_lake
from ml_connector_dagster.cloudsuite.product_lines.distribution.api import SxApi
from ml_connector_dagster.cloudsuite.product_lines.distribution.tables import TableReader
from ml_connector_dagster.cloudsuite.product_lines.distribution.tenant import SxTenant
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.layouts import layouts_of
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import RoutedLine, Routes
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection


NAME = "distribution"


def open_distribution(
    connection: CloudSuiteConnection,
    gateway: Gateway,
    knowledge: KnowledgeStore,
    catalog: DistributionCatalog,
) -> RoutedLine:
    """Distribution by ``catalog``."""
    learned = Learned(knowledge, NAME)
    api = SxApi(gateway, catalog.operator, catalog.messages)
    tenant = SxTenant(api, learned, catalog.companies, catalog.date_literals)
    lake = open_lake(gateway, catalog.lake, learned, connection)
    routes = {
        name: Routes.of(
            entity,
            {
                route_name: TableReader(
                    api,
                    tenant,
                    catalog,
                    name,
                    route,
                    zone=ZoneInfo(connection.timezone),
                    page_rows=connection.page_rows,
                )
                for route_name, route in entity.routes.items()
                if isinstance(route, TableRoute)
            },
            lake_readers(lake, name, entity),
        )
        for name, entity in catalog.entities.items()
    }
    layouts = layouts_of(
        catalog,
        stamp=StampFormat.DATE,
        time_field=catalog.time_field,
        timezone=connection.timezone,
        source_system=NAME,
    )
    return RoutedLine(NAME, routes, layouts, learned)
