"""The breaker of a tenant, shared by its processes: stored only by whoever saw the newest state."""

from sqlalchemy import insert, select, update

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import breaker
from ml_connector_dagster.model.breakers import BreakerState


class LedgerBreaker:
    """``BreakerStore`` of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._this = breaker.c.tenant == tenant

    def load(self) -> BreakerState:
        """The stored state; the defaults when nothing is stored yet."""
        with self._database.read() as connection:
            row = connection.execute(select(breaker).where(self._this)).first()
        if row is None:
            return BreakerState()
        return BreakerState(
            version=row.version,
            failures=row.failures,
            opened_at=row.opened_at,
            open_until=row.open_until,
            probe_until=row.probe_until,
            reason=row.reason,
        )

    def swap(self, seen: BreakerState, new: BreakerState) -> bool:
        """Store ``new`` if the stored version is still that of ``seen``; False when somebody else was faster."""
        values = {
            "version": new.version,
            "failures": new.failures,
            "opened_at": new.opened_at,
            "open_until": new.open_until,
            "probe_until": new.probe_until,
            "reason": new.reason,
        }
        with self._database.write(f"breaker of {self._tenant}", durable=False) as connection:
            version = connection.execute(select(breaker.c.version).where(self._this)).scalar()
            if (version or 0) != seen.version:
                return False
            if version is None:
                connection.execute(insert(breaker).values(tenant=self._tenant, **values))
            else:
                connection.execute(update(breaker).where(self._this).values(**values))
        return True
