"""The calls of a tenant in the last span, all processes together: an exact sliding log.

A call counts from its grant until a span after its end was seen. It reached the server somewhere in between, so no
span measured there holds more than the limit, whatever the network does. Times are seconds since 1970, of a clock
that the processes share: where they run on several machines, those machines must keep the same time.
"""

from typing import Final

from sqlalchemy import (
    Connection,
    Float,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import budget_block, budget_call


#: Only calls in flight are in the way: look again after this many seconds.
POLL_SECONDS: Final = 0.1

#: Calls that no longer count are deleted when so many have gathered: cheaper than at every grant.
PURGE_AT: Final = 64

#: A call that was not ended after so many seconds belongs to a process that died. Longer than any call may take.
CALL_SECONDS: Final = 300.0


class LedgerBudget:
    """``BudgetStore`` of one tenant. A grant is one look and one insert."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._database = database
        self._tenant = tenant
        self._subject = f"request budget of {tenant}"
        self._ours = budget_call.c.tenant == tenant
        self._this_call = and_(self._ours, budget_call.c.call_id == bindparam("this_call"))
        ended, started = budget_call.c.ended_at, budget_call.c.started_at
        self._has_left = or_(
            ended <= bindparam("edge", type_=Float),
            and_(ended.is_(None), started <= bindparam("dead", type_=Float)),
        )
        left = func.coalesce(func.sum(case((self._has_left, 1), else_=0)), 0)
        self._look = select(
            func.count(),
            left,
            select(budget_block.c.blocked_until)
            .where(budget_block.c.tenant == tenant)
            .scalar_subquery(),
        ).where(self._ours)

    def try_start(self, call_id: str, now: float, limit: int, span: float) -> float:
        """0.0 when the call may be sent now, else seconds to wait before asking again."""
        edges = {"edge": now - span, "dead": now - span - CALL_SECONDS}
        with self._database.write(self._subject, durable=False) as connection:
            kept, left, blocked_until = connection.execute(self._look, edges).one()
            if left >= PURGE_AT:
                connection.execute(delete(budget_call).where(self._ours, self._has_left), edges)
            if blocked_until is not None and blocked_until > now:
                return float(blocked_until - now)
            counted = kept - left
            if counted >= limit:
                return self._wait(connection, counted - limit, now, span)
            connection.execute(
                insert(budget_call),
                {"tenant": self._tenant, "call_id": call_id, "started_at": now},
            )
        return 0.0

    def finish(self, call_id: str, now: float) -> None:
        """The call has ended. One that was taken for dead counts again, from now."""
        with self._database.write(self._subject, durable=False) as connection:
            ended = connection.execute(
                update(budget_call).where(self._this_call),
                {"this_call": call_id, "ended_at": now},
            )
            if not ended.rowcount:
                connection.execute(
                    insert(budget_call),
                    {
                        "tenant": self._tenant,
                        "call_id": call_id,
                        "started_at": now,
                        "ended_at": now,
                    },
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

    def _wait(self, connection: Connection, too_many: int, now: float, span: float) -> float:
        """Seconds until so many ended calls have left the span that one more fits."""
        ended = budget_call.c.ended_at
        leaves = connection.execute(
            select(ended)
            .where(self._ours, ended > bindparam("edge", type_=Float))
            .order_by(ended)
            .offset(bindparam("too_many"))
            .limit(1),
            {"edge": now - span, "too_many": too_many},
        ).scalar_one_or_none()
        if leaves is None:
            return POLL_SECONDS
        if leaves > now + span:
            # The clock was set back: what seems to end in the future counts for one span from now.
            connection.execute(
                update(budget_call).where(self._ours, ended > now + span).values(ended_at=now)
            )
        return float(min(max(leaves + span - now, 0.001), span))
