"""What the lake routes of one tenant share: the lake, what was learned of its tables, whether a company is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute, LakeCatalog, LakeValue
from ml_connector_dagster.cloudsuite.product_lines.compass.lake import READABLE, SUITE, Lake, Suites
from ml_connector_dagster.cloudsuite.product_lines.compass.statements import (
    header_select,
    value_select,
)
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import ROUTE_REFUSALS
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.model.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeTenant:
    """Thread-safe. ``company_values``: column → company of the flow → what stands in it, where that is something else."""

    lake: Lake
    catalog: LakeCatalog
    learned: Learned
    zone: ZoneInfo
    page_rows: int
    company_values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def lag(self) -> timedelta:
        """How far the lake may be behind the ERP."""
        return timedelta(minutes=self.catalog.lag_minutes)

    def company(self, column: str | None, company: str) -> LakeValue:
        """What stands in ``column`` for a company of the flow. Raises ConfigError when it cannot stand there."""
        value = self.company_values.get(column or "", {}).get(company, company)
        if self.catalog.company_is == "text":
            return value
        if not value.isdigit():
            raise ConfigError(
                f"company {value!r} is no number, which it is in the data lake; see lake.company_is"
            )
        return int(value)

    def columns(self, table: str) -> Mapping[str, str]:
        """Name in small letters → name, of the columns of a table. Raises one of ``ROUTE_REFUSALS``."""
        names = self.learned.recall(
            self.columns_question(table), lambda: list(self.lake.columns(header_select(table)))
        )
        return {name.lower(): name for name in names}

    def columns_question(self, table: str) -> str:
        """Under which the columns of a table are remembered."""
        return f"lake/columns/{table}"

    def check_company(self, company: str) -> None:
        """Raise ConfigError for a company that does not exist, where the lake can tell."""
        where = self.catalog.companies
        if where is None:
            return
        question = f"lake/company/{where.table}/{company}"
        if not self.learned.recall(question, lambda: self._has_company(company)):
            self.learned.take_back(question)  # the lake lags behind: it may come within minutes
            raise ConfigError(
                f"compass {where.table}: there is no company {company} in the data lake. Check the companies of the flow"
            )

    def _has_company(self, company: str) -> bool:
        where = self.catalog.companies
        if where is None:
            return True
        select = value_select(where.table, where.column, self.company(where.column, company))
        meter = Meter()
        try:
            result = self.lake.run(select, meter)
            return bool(self.lake.page(select, result, 0, 1, meter).num_rows)
        except ROUTE_REFUSALS:
            return True  # it cannot be told; the records may be readable all the same


def open_lake(
    suites: Suites,
    catalog: LakeCatalog,
    learned: Learned,
    connection: CloudSuiteConnection,
    company_values: Mapping[str, Mapping[str, str]] | None = None,
) -> LakeTenant:
    """The lake of a connection; asks nothing yet."""
    return LakeTenant(
        lake=Lake(suites.beside(SUITE, READABLE), catalog),
        catalog=catalog,
        learned=learned,
        zone=ZoneInfo(connection.timezone),
        page_rows=connection.page_rows,
        company_values=company_values or {},
    )


def lake_routes(entity: EntityCatalog[Any, Any]) -> dict[str, CompassRoute]:
    """The routes of ``entity`` that go through the lake."""
    return {name: route for name, route in entity.routes.items() if isinstance(route, CompassRoute)}
