"""What a tenant was found to have: which route serves an entity of a company, which do not, and why not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, insert, select

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import route_choice


class RouteFinding(Protocol):
    """What was found out about one route (``cloudsuite.pages.RouteReport`` is one)."""

    @property
    def entity(self) -> str: ...
    @property
    def route(self) -> str: ...
    @property
    def usable(self) -> bool: ...
    @property
    def chosen(self) -> bool: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChoice:
    """A remembered finding. ``reason`` says why a route is not usable."""

    company: str
    entity: str
    route: str
    usable: bool
    chosen: bool
    reason: str
    checked_at: datetime


class LedgerRoutes:
    """The remembered routes of one tenant."""

    def __init__(self, database: Database, tenant: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._tenant = tenant
        self._now = now

    def load(self, company: str | None = None) -> tuple[RouteChoice, ...]:
        """What is known of ``company`` (None: of all), by entity, in the order in which routes are preferred."""
        columns = route_choice.c
        query = select(route_choice).where(columns.tenant == self._tenant)
        if company is not None:
            query = query.where(columns.company == company)
        query = query.order_by(columns.company, columns.entity, columns.position)
        with self._database.read() as connection:
            return tuple(
                RouteChoice(
                    company=row.company,
                    entity=row.entity,
                    route=row.route,
                    usable=bool(row.usable),
                    chosen=bool(row.chosen),
                    reason=row.reason,
                    checked_at=row.checked_at,
                )
                for row in connection.execute(query)
            )

    def save(self, company: str, findings: Iterable[RouteFinding]) -> None:
        """Replace what is known of the entities that ``findings`` name."""
        now = self._now()
        rows = [
            {
                "tenant": self._tenant,
                "company": company,
                "entity": finding.entity,
                "route": finding.route,
                "position": position,
                "usable": int(finding.usable),
                "chosen": int(finding.chosen),
                "reason": finding.reason,
                "checked_at": now,
            }
            for position, finding in enumerate(findings)
        ]
        entities = {row["entity"] for row in rows}
        with self._database.write(f"routes of {self._tenant}") as connection:
            connection.execute(
                delete(route_choice).where(
                    route_choice.c.tenant == self._tenant,
                    route_choice.c.company == company,
                    route_choice.c.entity.in_(entities),
                )
            )
            if rows:
                connection.execute(insert(route_choice), rows)
