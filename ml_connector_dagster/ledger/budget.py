"""The calls of a tenant in the last span, all processes together: an exact sliding log.

A call counts from its grant until a span after its end was seen. It reached the server somewhere in between, so no
span measured there holds more than the limit, whatever the network does. Times are seconds since 1970, of a clock
that the processes share: where they run on several machines, those machines must keep the same time.
"""

from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import budget_block, budget_call


#: Only calls in flight are in the way: look again after this many seconds.
POLL_SECONDS: Final = 0.1

#: A call that was not ended after so many seconds belongs to a process that died. Longer than any call may take.
CALL_SECONDS: Final = 300.0


class LedgerBudget:
    """``BudgetStore`` of one tenant."""

    def __init__(
        self, database: Database, tenant: str, *, call_seconds: float = CALL_SECONDS
    ) -> None:
        self._database = database
        self._tenant = tenant
        self._call_seconds = call_seconds
        self._subject = f"request budget of {tenant}"
        self._ours = budget_call.c.tenant == tenant
        self._ended = budget_call.c.ended_at
        self._look = select(
            select(func.count()).select_from(budget_call).where(self._ours).scalar_subquery(),
            select(budget_block.c.blocked_until)
            .where(budget_block.c.tenant == tenant)
            .scalar_subquery(),
        )

    def try_start(self, call_id: str, now: float, limit: int, span: float) -> float:
        """0.0 when the call may be sent now, else seconds to wait before asking again."""
        with self._database.write(self._subject, durable=False) as connection:
            self._purge(connection, now, span)
            counted, blocked_until = connection.execute(self._look).one()
            if blocked_until is not None and blocked_until > now:
                return float(blocked_until - now)
            if counted >= limit:
                return self._wait(connection, counted - limit, now, span)
            connection.execute(
                insert(budget_call).values(tenant=self._tenant, call_id=call_id, started_at=now)
            )
        return 0.0

    def finish(self, call_id: str, now: float) -> None:
        """The call has ended. One that was taken for dead counts again, from now."""
        with self._database.write(self._subject, durable=False) as connection:
            ended = connection.execute(
                update(budget_call)
                .where(self._ours, budget_call.c.call_id == call_id)
                .values(ended_at=now)
            )
            if not ended.rowcount:
                connection.execute(
                    insert(budget_call).values(
                        tenant=self._tenant, call_id=call_id, started_at=now, ended_at=now
                    )
                )

    def block_until(self, when: float) -> None:
        """Grant nothing before ``when``. Never shortens an earlier block."""
        this = budget_block.c.tenant == self._tenant
        with self._database.write(self._subject, durable=False) as connection:
            known = connection.execute(
                select(budget_block.c.blocked_until).where(this)
            ).scalar_one_or_none()
            if known is None:
                connection.execute(
                    insert(budget_block).values(tenant=self._tenant, blocked_until=when)
                )
            elif known < when:
                connection.execute(update(budget_block).where(this).values(blocked_until=when))

    def _purge(self, connection: Connection, now: float, span: float) -> None:
        connection.execute(delete(budget_call).where(self._ours, self._ended <= now - span))

    def _wait(self, connection: Connection, too_many: int, now: float, span: float) -> float:
        """Seconds until so many ended calls have left the span that one more fits."""
        connection.execute(
            delete(budget_call).where(
                self._ours,
                self._ended.is_(None),
                budget_call.c.started_at <= now - span - self._call_seconds,
            )
        )
        # After a clock that was set back, ends lie in the future; they count for one span from now, not longer.
        connection.execute(
            update(budget_call).where(self._ours, self._ended > now + span).values(ended_at=now)
        )
        leaves = connection.execute(
            select(self._ended)
            .where(self._ours, self._ended.is_not(None))
            .order_by(self._ended)
            .offset(too_many)
            .limit(1)
        ).scalar_one_or_none()
        if leaves is None:
            return POLL_SECONDS
        return float(max(leaves + span - now, 0.001))
