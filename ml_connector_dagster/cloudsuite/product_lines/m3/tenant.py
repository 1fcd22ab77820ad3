"""One M3 tenant as its routes see it: how to ask, what is known, and the parts of every read."""

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.m3 import M3Catalog
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.product_lines.learned import Learned
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.probes import Probe
from ml_connector_dagster.cloudsuite.product_lines.m3.repository import Repository
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import Selects
from ml_connector_dagster.cloudsuite.product_lines.refusals import NotThereError
from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class M3Tenant:
    """What the routes of one tenant share."""

    api: M3Api
    selects: Selects
    repository: Repository
    learned: Learned
    catalog: M3Catalog
    zone: ZoneInfo
    page_rows: int

    def probe(self, company: str) -> Probe:
        """Tries routes of ``company``."""
        return Probe(self.api, self.repository, self.catalog, company)

    def check(self, entity: str, company: str, route: ListRoute | ExportRoute) -> None:
        """Raise one of ``ROUTE_REFUSALS`` when ``route`` cannot serve ``entity`` there."""
        if reason := self.probe(company).why_not(entity, route):
            raise NotThereError(reason)

    def local(self, window: Window) -> Window:
        """LMDT is the company's own date: both ends in the tenant's zone."""
        start = None if window.start is None else window.start.astimezone(self.zone)
        return Window(start=start, end=window.end.astimezone(self.zone))

    def division_arguments(
        self, route: ListRoute | ExportRoute, company: str
    ) -> Iterator[dict[str, str]]:
        """What tells the chains of the divisions apart; nothing for a route that knows none."""
        if not route.per_division:
            yield {}
            return
        divisions = self.repository.divisions(company)
        for division in divisions:
            yield {"division": division}
            if isinstance(route, ListRoute) and route.blank_parents:
                yield {"division": division, "parents": ""}
        if route.blank_division or not divisions:
            yield {"division": ""}
