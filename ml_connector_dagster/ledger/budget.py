"""The sliding log of a tenant's calls. Implements ``cloudsuite.budget.BudgetStore``.

Exact at the server: a call counts from its grant until ``span`` seconds after its end was seen. Suppose more than
``limit`` calls arrived within some span; when the last of them was granted, every other one was in flight or had
ended after the span began, so all of them were counted, and it would not have been granted.
"""

import sqlalchemy as sa

from ml_connector_dagster.ledger.database import Database
from ml_connector_dagster.ledger.tables import BUDGET_BLOCK, BUDGET_CALL


#: Seconds after which a call that never ended is taken for dead with its process; longer than any HTTP timeout.
LOST_AFTER = 900.0

#: Seconds to wait when only calls in flight are in the way: one of them ends soon.
IN_FLIGHT_WAIT = 0.05


class LedgerBudgetStore:
    """The calls of one tenant."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant

    def try_start(self, call_id: str, now: float, limit: int, span: float) -> float:
        """See ``BudgetStore.try_start``."""
        call = BUDGET_CALL.c
        mine = call.tenant == self._tenant
        with self._database.write(f"budget/{self._tenant}") as connection:
            blocked = connection.execute(
                sa.select(BUDGET_BLOCK.c.blocked_until).where(BUDGET_BLOCK.c.tenant == self._tenant)
            ).scalar()
            if blocked is not None and blocked > now:
                return float(blocked - now)
            connection.execute(
                sa.delete(BUDGET_CALL).where(
                    mine,
                    sa.or_(
                        call.ended_at <= now - span,
                        sa.and_(call.ended_at.is_(None), call.started_at <= now - LOST_AFTER),
                    ),
                )
            )
            counted, first_end = connection.execute(
                sa.select(sa.func.count(), sa.func.min(call.ended_at)).where(mine)
            ).one()
            if counted < limit:
                connection.execute(
                    sa.insert(BUDGET_CALL).values(
                        tenant=self._tenant, call_id=call_id, started_at=now
                    )
                )
                return 0.0
        if first_end is None:
            return IN_FLIGHT_WAIT
        return max(float(first_end) + span - now, 0.001)

    def finish(self, call_id: str, now: float) -> None:
        """The call has ended, well or badly."""
        with self._database.write(f"budget/{self._tenant}") as connection:
            connection.execute(
                sa.update(BUDGET_CALL)
                .where(BUDGET_CALL.c.tenant == self._tenant, BUDGET_CALL.c.call_id == call_id)
                .values(ended_at=now)
            )

    def block_until(self, when: float) -> None:
        """Grant nothing to anybody before ``when``. Never shortens an earlier block."""
        with self._database.write(f"budget/{self._tenant}") as connection:
            known = connection.execute(
                sa.select(BUDGET_BLOCK.c.blocked_until).where(BUDGET_BLOCK.c.tenant == self._tenant)
            ).scalar()
            if known is None or known < when:
                connection.execute(
                    self._database.upsert(
                        BUDGET_BLOCK, {"tenant": self._tenant, "blocked_until": when}
                    )
                )
