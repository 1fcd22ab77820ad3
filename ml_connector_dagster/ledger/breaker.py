"""The breaker of a tenant, shared by its processes. Implements ``cloudsuite.breaker.BreakerStore``."""

import sqlalchemy as sa

from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import BREAKER, maybe_micros, maybe_moment
from ml_connector_dagster.model.breakers import BreakerState


class LedgerBreakerStore:
    """The breaker row of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def load(self) -> BreakerState:
        """The stored state; ``BreakerState()`` when nothing is stored yet."""
        with self._database.read() as connection:
            return self._load(connection)

    def swap(self, seen: BreakerState, new: BreakerState) -> bool:
        """Store ``new`` unless somebody else was faster."""
        with self._database.write(f"breaker/{self._tenant}") as connection:
            if self._load(connection).version != seen.version:
                return False
            connection.execute(
                self._database.upsert(
                    BREAKER,
                    {
                        "tenant": self._tenant,
                        "version": new.version,
                        "failures": new.failures,
                        "opened_at": maybe_micros(new.opened_at),
                        "open_until": maybe_micros(new.open_until),
                        "probe_until": maybe_micros(new.probe_until),
                        "reason": new.reason,
                    },
                )
            )
        return True

    def _load(self, connection: sa.Connection) -> BreakerState:
        row = connection.execute(sa.select(BREAKER).where(BREAKER.c.tenant == self._tenant)).first()
        if row is None:
            return BreakerState()
        return BreakerState(
            version=row.version,
            failures=row.failures,
            opened_at=maybe_moment(row.opened_at),
            open_until=maybe_moment(row.open_until),
            probe_until=maybe_moment(row.probe_until),
            reason=row.reason,
        )
