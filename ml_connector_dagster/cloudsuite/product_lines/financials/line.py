"""The Financials & Supply Management product line: its catalog, and a reader for every route."""

from ml_connector_dagster.cloudsuite.catalog.financials import ClassRoute, FinancialsCatalog
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.product_lines.compass.reader import lake_readers
from ml_connector_dagster.cloudsuite.product_lines.compass.tenant import open_lake
from ml_connector_dagster.cloudsuite.product_lines.financials.api import LandmarkApi
from ml_connector_dagster.cloudsuite.product_lines.financials.lists import ListReader
from ml_connector_dagster.cloudsuite.product_lines.financials.tenant import LandmarkTenant
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.layouts import layouts_of
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.lines import RoutedLine, Routes
from ml_connector_dagster.columns.layouts import StampFormat
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection


NAME = "financials"


def open_financials(
    connection: CloudSuiteConnection,
    gateway: Gateway,
    knowledge: KnowledgeStore,
    catalog: FinancialsCatalog,
) -> RoutedLine:
    """Financials by ``catalog``."""
    learned = Learned(knowledge, NAME)
    api = LandmarkApi(gateway, catalog.messages)
    tenant = LandmarkTenant(api, learned, catalog.companies)
    lake = open_lake(gateway, catalog.lake, learned, connection, catalog.company_values)
    routes = {
        name: Routes.of(
            entity,
            {
                route_name: ListReader(
                    api, tenant, catalog, name, route, page_rows=connection.page_rows
                )
                for route_name, route in entity.routes.items()
                if isinstance(route, ClassRoute)
            },
            lake_readers(lake, name, entity),
        )
        for name, entity in catalog.entities.items()
    }
    layouts = layouts_of(
        catalog, stamp=StampFormat.TIMESTAMP, timezone=connection.timezone, source_system=NAME
    )
    return RoutedLine(NAME, routes, layouts, learned)
